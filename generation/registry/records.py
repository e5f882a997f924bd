"""What other rooms get to see of scorers as they run: frozen facts, never rows."""

from dataclasses import dataclass


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
