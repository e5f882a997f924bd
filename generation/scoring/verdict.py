"""From measurements to a verdict, purely; what could not be measured holds and never passes."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeGuard

from generation.scoring.protocol import Direction, Measurement
from governance.kernel.errors import InvalidInput


class Verdict(StrEnum):
    """What follows from a score, from the mildest to the strictest."""

    PASS = "pass"  # noqa: S105 - no password
    FLAG = "flag"
    HOLD = "hold"
    REFUSE = "refuse"


_STRICTNESS = {verdict: rank for rank, verdict in enumerate(Verdict)}
_SEVERITIES = (Verdict.FLAG, Verdict.REFUSE)
# A threshold belongs to one version of a scorer; a rule that names none was written for the first.
_FIRST_VERSION = "1"


@dataclass(frozen=True)
class Measured:
    """What one scorer said about one image, or the reason why it said nothing.

    `took_ms` is left out of comparisons: it differs between two equal measurements.
    """

    scorer: str
    version: str
    weights_sha256: str | None
    licence: str
    higher_is: Direction
    range: tuple[float, float]
    measurement: Measurement | None
    reason: str | None = None
    title: str = ""
    inputs: tuple[str, ...] = ()
    took_ms: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Rule:
    """The threshold for one scorer and what crossing it means."""

    threshold: float
    severity: Verdict
    version: str = _FIRST_VERSION


@dataclass(frozen=True)
class ScoringRules:
    """The rules of one scoring policy; an advisory one flags where another would refuse."""

    rules: Mapping[str, Rule]
    advisory: bool = False

    @classmethod
    def from_data(cls, data: Mapping[str, Any], *, advisory: bool = False) -> "ScoringRules":
        """Read rules as a policy stores them.

        data: {scorer id: {"threshold": number, "severity": "flag" | "refuse", "version": "1"}};
        `version` may be left out. Raises: InvalidInput, with a pointer to what is wrong.
        """
        if not data:
            raise InvalidInput("A scoring policy needs at least one rule.", rule="required")
        return cls({scorer: _read_rule(scorer, rule) for scorer, rule in data.items()}, advisory)


@dataclass(frozen=True)
class JudgedScore:
    """One scorer's value against its threshold; `threshold` is None without a rule."""

    scorer: str
    value: float | None
    threshold: float | None
    verdict: Verdict
    reason: str | None = None
    version: str | None = None
    weights_sha256: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Judgement:
    """Every score of one image and the strictest verdict among them."""

    scores: tuple[JudgedScore, ...]
    verdict: Verdict


def judge(measurements: Iterable[Measured], policy: ScoringRules) -> Judgement:
    """Hold the measurements of one image against a policy.

    The value itself crosses: "worse" at `value >= threshold`, "better" at `value < threshold`.
    Hold, whatever the severity: a scorer that the policy names and that did not measure, one of
    another version, two measurements by one scorer, a value that is not finite or out of range.
    A scorer without a rule is recorded and passes: its value decides nothing, nor does its silence.
    """
    measured: dict[str, list[Measured]] = {}
    for each in measurements:
        measured.setdefault(each.scorer, []).append(each)
    scores = tuple(
        _judge_scorer(scorer, measured.get(scorer, []), policy)
        for scorer in sorted({*measured, *policy.rules})
    )
    if not policy.rules:
        return Judgement(scores, Verdict.HOLD)
    return Judgement(scores, max((s.verdict for s in scores), key=_STRICTNESS.__getitem__))


def _judge_scorer(scorer: str, measured: list[Measured], policy: ScoringRules) -> JudgedScore:
    """Judge what one scorer said."""
    rule = policy.rules.get(scorer)
    threshold = rule.threshold if rule else None
    if len(measured) != 1:
        why = "The scorer did not run." if not measured else "The scorer ran more than once."
        return JudgedScore(scorer, None, threshold, Verdict.HOLD, why)
    said = measured[0]
    value = said.measurement.value if said.measurement else None
    reason = _reason_to_hold(said, rule)
    verdict = Verdict.HOLD if rule else Verdict.PASS
    if reason is None and value is not None and rule:
        verdict = _compare(value, said.higher_is, rule, advisory=policy.advisory)
    return JudgedScore(
        scorer,
        value if _is_number(value) else None,
        threshold,
        verdict,
        reason,
        said.version,
        said.weights_sha256,
        said.licence,
    )


def _reason_to_hold(said: Measured, rule: Rule | None) -> str | None:
    """Say why a measurement cannot be judged, or nothing if it can."""
    if said.measurement is None:
        return said.reason or "The scorer did not measure."
    value = said.measurement.value
    if not _is_number(value):
        return "The score is not a finite number."
    least, most = said.range
    if not least <= value <= most:
        return f"The score lies outside of the scorer's range from {least:g} to {most:g}."
    if rule and rule.version != said.version:
        return f"The rule is for version {rule.version} of the scorer, which is at {said.version}."
    return None


def _compare(value: float, higher_is: Direction, rule: Rule, *, advisory: bool) -> Verdict:
    """Compare a sound value with its threshold."""
    crossed = value >= rule.threshold if higher_is == "worse" else value < rule.threshold
    if not crossed:
        return Verdict.PASS
    return Verdict.FLAG if advisory else rule.severity


def _read_rule(scorer: str, data: object) -> Rule:
    """Read one rule, naming what is wrong with it."""
    pointer = f"/{scorer.replace('~', '~0').replace('/', '~1')}"
    if not isinstance(data, Mapping):
        raise InvalidInput("A scoring rule is an object.", pointer=pointer, rule="type")
    unknown = sorted(set(data) - {"threshold", "severity", "version"})
    if unknown:
        raise InvalidInput(
            f"A scoring rule has no field '{unknown[0]}'.",
            pointer=f"{pointer}/{unknown[0]}",
            rule="unknown",
        )
    threshold = data.get("threshold")
    if not _is_number(threshold):
        raise InvalidInput(
            "The threshold must be a finite number.", pointer=f"{pointer}/threshold", rule="type"
        )
    severity, version = data.get("severity"), data.get("version", _FIRST_VERSION)
    if severity not in _SEVERITIES:
        raise InvalidInput(
            "The severity must be 'flag' or 'refuse'.", pointer=f"{pointer}/severity", rule="choice"
        )
    if not isinstance(version, str) or not version:
        raise InvalidInput("The version must be a text.", pointer=f"{pointer}/version", rule="type")
    return Rule(float(threshold), Verdict(severity), version)


def _is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a finite number, as opposed to a truth value or a text of one.

    >>> [_is_number(value) for value in (0.5, 1, True, "1", math.nan, None)]
    [True, True, False, False, False, False]
    """
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)
