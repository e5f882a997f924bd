"""What other rooms get to see of scorers as they run and of endpoints: frozen facts, never rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

# A profile whose images are made at an endpoint has this and the endpoint's name as its pipeline.
ENDPOINT = "endpoint:"


def endpoint_in(pipeline: str) -> str:
    """Return the name of the endpoint that a pipeline stands for; empty if it runs in process.

    >>> endpoint_in("endpoint:studio@2"), endpoint_in("FluxPipeline")
    ('studio@2', '')
    """
    return pipeline.removeprefix(ENDPOINT) if pipeline.startswith(ENDPOINT) else ""


@dataclass(frozen=True, slots=True)
class ScorerCard:
    """One scorer as it says of itself where it runs.

    `higher_is` is better or worse; `low` and `high` end its range, None where there is no end.
    `weights_sha256` is None for a formula, `package` names what brings the scorer and its version.
    """

    scorer: str
    version: str
    title: str
    higher_is: str
    low: float | None
    high: float | None
    inputs: tuple[str, ...]
    cost_ms: float
    licence: str
    weights_sha256: str | None
    package: str


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """One version of a server that images may be made at."""

    id: UUID
    slug: str
    number: int
    kind: str
    place: str
    url: str
    settings: Mapping[str, Any]
    credential: str
    data_classes: tuple[str, ...]
    proposed_by: UUID
    approved_by: UUID | None
    created_at: datetime
    retired_at: datetime | None

    @property
    def name(self) -> str:
        """Return its name with its version, as profiles and recipes call it."""
        return f"{self.slug}@{self.number}"

    @property
    def state(self) -> str:
        """Return where it stands: proposed, approved or retired."""
        if self.retired_at is not None:
            return "retired"
        return "proposed" if self.approved_by is None else "approved"


@dataclass(frozen=True, slots=True)
class EndpointObjection:
    """What speaks against sending a brand's prompt to an endpoint, as a category and a sentence."""

    category: str
    reason: str
