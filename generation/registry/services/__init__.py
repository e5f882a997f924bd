"""Commands on what images are made with: each an act of a person, in the ledger."""

from generation.registry.services._adapters import (
    ADAPTER_PIN,
    approve_adapter,
    propose_adapter,
    require_adapters_in_use,
    retire_adapter,
)
from generation.registry.services._cards import record_scorer_cards
from generation.registry.services._endpoints import (
    approve_endpoint,
    propose_endpoint,
    require_may_send,
    retire_endpoint,
)
from generation.registry.services._profiles import (
    approve_profile,
    propose_profile,
    retire_profile,
)
from generation.registry.services._scorers import (
    LicenceObjects,
    ScorerIdTaken,
    approve_scorer,
    propose_scorer,
    retire_scorer,
)

__all__ = [
    "ADAPTER_PIN",
    "LicenceObjects",
    "ScorerIdTaken",
    "approve_adapter",
    "approve_endpoint",
    "approve_profile",
    "approve_scorer",
    "propose_adapter",
    "propose_endpoint",
    "propose_profile",
    "propose_scorer",
    "record_scorer_cards",
    "require_adapters_in_use",
    "require_may_send",
    "retire_adapter",
    "retire_endpoint",
    "retire_profile",
    "retire_scorer",
]
