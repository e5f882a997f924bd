"""What other rooms get to see of a brand: frozen facts, never rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
    """One numbered scoring policy; `thresholds` is {scorer: {"threshold": float, "severity": str}}.

    An advisory policy flags where it would refuse.
    """

    id: UUID
    brand_id: UUID
    number: int
    advisory: bool
    thresholds: Mapping[str, Mapping[str, float | str]]
    sha256: str
    proposed_by: UUID
    approved_by: UUID | None
    approved_at: datetime | None
