"""What other rooms get to see of a brand: frozen facts, never rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from templates.brands.markets import Market
from templates.brands.scoring import SECTIONS
from templates.brands.screening import Rule


@dataclass(frozen=True, slots=True)
class BrandRecord:
    """One brand: the wall between those who must not see each other."""

    id: UUID
    slug: str
    name: str
    data_class: str
    palette: tuple[str, ...]
    created_at: datetime
    markets: tuple[Market, ...] = ()

    def market(self, code: str) -> Market | None:
        """Return one of the brand's markets by its country's code, or None."""
        return next((each for each in self.markets if each.code == code), None)


@dataclass(frozen=True, slots=True)
class RulesRecord:
    """One numbered set of a brand's rules; it counts from its approval on."""

    id: UUID
    brand_id: UUID
    number: int
    rules: tuple[Rule, ...]
    sha256: str
    proposed_by: UUID
    approved_by: UUID | None
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class ScoringPolicyRecord:
    """One numbered scoring policy: the brand's own `thresholds`, and its other sections.

    `thresholds` is {scorer: {"threshold": float, "severity": str, ...}}; see `scoring` for what
    holds for one order. An advisory policy flags where it would refuse.
    """

    id: UUID
    brand_id: UUID
    number: int
    advisory: bool
    thresholds: Mapping[str, Mapping[str, Any]]
    sha256: str
    proposed_by: UUID
    approved_by: UUID | None
    approved_at: datetime | None
    markets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    concepts: Sequence[Mapping[str, Any]] = ()
    cascades: Sequence[Mapping[str, Any]] = ()

    @property
    def document(self) -> dict[str, Any]:
        """Return the policy as it is proposed and reviewed: what `sha256` is taken over."""
        sections = {name: getattr(self, name) for name in SECTIONS}
        return {
            "advisory": self.advisory,
            "thresholds": {scorer: dict(rule) for scorer, rule in self.thresholds.items()},
            **{name: section for name, section in sections.items() if section},
        }
