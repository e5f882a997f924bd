"""What a scorer says about itself, as plain data: policies, screens and auditors read it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generation.scoring.protocol import Direction, Input, Scorer


@dataclass(frozen=True)
class Card:
    """One scorer without its code; `package` is who brings it, "" if nobody says."""

    id: str
    title: str
    version: str
    weights_sha256: str | None
    licence: str
    higher_is: Direction
    range: tuple[float, float]
    inputs: frozenset[Input]
    cost_ms: float
    package: str = ""

    def to_data(self) -> dict[str, Any]:
        """Write it as JSON; an end of the range that is not there is null."""
        return {
            "id": self.id,
            "title": self.title,
            "version": self.version,
            "weights_sha256": self.weights_sha256,
            "licence": self.licence,
            "higher_is": self.higher_is,
            "range": [end if math.isfinite(end) else None for end in self.range],
            "inputs": sorted(self.inputs),
            "cost_ms": self.cost_ms,
            "package": self.package,
        }

    def to_facts(self) -> dict[str, Any]:
        """Write it as the registry keeps it, with the ends of the range by themselves."""
        data = self.to_data()
        low, high = data.pop("range")
        scorer = data.pop("id")
        return {**data, "scorer": scorer, "low": low, "high": high, "inputs": tuple(data["inputs"])}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Card":
        """Read what `to_data` wrote. Raises: KeyError, TypeError, ValueError for anything else."""
        low, high = data["range"]
        return cls(
            id=str(data["id"]),
            title=str(data["title"]),
            version=str(data["version"]),
            weights_sha256=data["weights_sha256"],
            licence=str(data["licence"]),
            higher_is="worse" if data["higher_is"] == "worse" else "better",
            range=(
                -math.inf if low is None else float(low),
                math.inf if high is None else float(high),
            ),
            inputs=frozenset(Input(each) for each in data["inputs"]),
            cost_ms=float(data["cost_ms"]),
            package=str(data["package"]),
        )


def card_of(scorer: Scorer, package: str = "") -> Card:
    """Ask a scorer what it is."""
    return Card(
        id=scorer.id,
        title=scorer.title,
        version=scorer.version,
        weights_sha256=scorer.weights_sha256,
        licence=scorer.licence,
        higher_is=scorer.higher_is,
        range=scorer.range,
        inputs=scorer.inputs,
        cost_ms=scorer.cost_ms,
        package=package,
    )
