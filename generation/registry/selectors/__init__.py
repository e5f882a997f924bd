"""Reads of model profiles, adapters and endpoints, as frozen records."""

from generation.registry.selectors._adapters import (
    AdapterRecord,
    adapter_record,
    adapters_under,
    current_adapter,
    get_adapter,
    list_adapters,
    names_in_use,
)
from generation.registry.selectors._cards import card_record, list_scorer_cards
from generation.registry.selectors._endpoints import (
    endpoint_objection,
    endpoint_record,
    find_endpoint,
    get_endpoint,
    list_endpoints,
)
from generation.registry.selectors._profiles import (
    ProfileRecord,
    current_profile,
    get_profile,
    list_profiles,
    profiles_under,
    record_of,
)
from generation.registry.selectors._scorers import (
    ScorerRecord,
    get_scorer,
    list_scorers,
    scorer_record,
    usable_scorers,
)

__all__ = [
    "AdapterRecord",
    "ProfileRecord",
    "ScorerRecord",
    "adapter_record",
    "adapters_under",
    "card_record",
    "current_adapter",
    "current_profile",
    "endpoint_objection",
    "endpoint_record",
    "find_endpoint",
    "get_adapter",
    "get_endpoint",
    "get_profile",
    "get_scorer",
    "list_adapters",
    "list_endpoints",
    "list_profiles",
    "list_scorer_cards",
    "list_scorers",
    "names_in_use",
    "profiles_under",
    "record_of",
    "scorer_record",
    "usable_scorers",
]
