"""When one scorer asks another for a second opinion, and what follows from two; purely, as data.

A second opinion adds strictness and never takes any away: what one scorer refuses stays refused.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from generation.scoring.verdict import JudgedScore, Judgement, Measured, Verdict
from governance.kernel.errors import InvalidInput

_FIELDS = {"first", "second", "from", "to", "combine"}
# From the mildest to the strictest, as they are declared.
_ORDER = tuple(Verdict)


class Combine(StrEnum):
    """What follows when a first and a second opinion differ."""

    STRICTEST = "strictest"
    HOLD_ON_DISAGREEMENT = "hold_on_disagreement"


@dataclass(frozen=True)
class Cascade:
    """`first` asks `second` where its own value lies in the closed band from `least` to `most`."""

    first: str
    second: str
    least: float
    most: float
    combine: Combine = Combine.HOLD_ON_DISAGREEMENT

    def asks(self, measured: Measured | None) -> bool:
        """Tell whether the second opinion is needed: in the band, or if the first is not sound."""
        if measured is None or measured.measurement is None:
            return True
        value = measured.measurement.value
        return not math.isfinite(value) or self.least <= value <= self.most


def read(data: object, *, under: str = "/cascades") -> tuple[Cascade, ...]:
    """Read cascades as a policy stores them.

    data: [{"first": scorer id, "second": scorer id, "from": number, "to": number,
    "combine": "strictest" | "hold_on_disagreement"}]; `combine` may be left out. A scorer gives
    a second opinion to one other at most, and asks for none itself then: two stages.

    Raises: InvalidInput, with a pointer to what is wrong.
    """
    if not isinstance(data, list | tuple):
        raise InvalidInput("Cascades are a list.", pointer=under, rule="type")
    cascades = tuple(_read(each, f"{under}/{index}") for index, each in enumerate(data))
    seconds = [cascade.second for cascade in cascades]
    for index, cascade in enumerate(cascades):
        if seconds.count(cascade.second) > 1:
            raise InvalidInput(
                f"The scorer '{cascade.second}' gives a second opinion more than once.",
                pointer=f"{under}/{index}/second",
                rule="unique",
            )
        if cascade.first in seconds:
            raise InvalidInput(
                f"The scorer '{cascade.first}' gives a second opinion itself, so it asks for none.",
                pointer=f"{under}/{index}/first",
                rule="stages",
            )
    return cascades


def seconds(cascades: Iterable[Cascade]) -> frozenset[str]:
    """Return the scorers that wait until they are asked."""
    return frozenset(cascade.second for cascade in cascades)


def asked(cascades: Iterable[Cascade], measured: Iterable[Measured]) -> frozenset[str]:
    """Return the scorers that are asked for a second opinion after the first ones measured."""
    said = {each.scorer: each for each in measured}
    return frozenset(
        cascade.second for cascade in cascades if cascade.asks(said.get(cascade.first))
    )


def settle(
    judgement: Judgement, cascades: Sequence[Cascade], measured: Iterable[Measured]
) -> Judgement:
    """Bring two opinions together, with a row of its own for each.

    A second scorer that was rightly not asked passes with a reason instead of holding; one that
    was asked and did not measure holds, as ever. Where one of the two passes and the other does
    not, a cascade that holds on disagreement holds the second's row for a person. No verdict
    becomes milder otherwise: a refusal by either of them stands.
    """
    said = {each.scorer: each for each in measured}
    rows = {score.scorer: score for score in judgement.scores}
    for cascade in cascades:
        first, second = rows.get(cascade.first), rows.get(cascade.second)
        if second is None:
            continue
        if cascade.second not in said and not cascade.asks(said.get(cascade.first)):
            rows[cascade.second] = _not_asked(cascade, first, second)
        elif first is not None and cascade.combine is Combine.HOLD_ON_DISAGREEMENT:
            rows[cascade.second] = _hold_if_split(first, second)
    scores = tuple(rows[score.scorer] for score in judgement.scores)
    if not scores:
        return judgement
    return Judgement(scores, max((score.verdict for score in scores), key=_ORDER.index))


def _not_asked(cascade: Cascade, first: JudgedScore | None, second: JudgedScore) -> JudgedScore:
    """Return the row of a second scorer that nobody had a question for.

    It holds if the first one's row is not there or holds: then there was no opinion to rely on.
    """
    if first is None or first.value is None or first.verdict is Verdict.HOLD:
        return second
    return replace(
        second,
        verdict=Verdict.PASS,
        reason=(
            f"Not asked: the value {first.value:.4g} of '{cascade.first}' lies outside of the band "
            f"from {cascade.least:g} to {cascade.most:g} in which it asks for a second opinion."
        ),
    )


def _hold_if_split(first: JudgedScore, second: JudgedScore) -> JudgedScore:
    """Hold the second row if one of two sound opinions passes and the other one flags.

    Without a threshold there is no opinion.
    """
    if first.threshold is None or second.threshold is None:
        return second
    if {first.verdict, second.verdict} != {Verdict.PASS, Verdict.FLAG}:
        return second
    return replace(
        second,
        verdict=Verdict.HOLD,
        reason=(
            f"Two opinions differ: '{first.scorer}' says {first.verdict.value}, "
            f"'{second.scorer}' says {second.verdict.value}. A person decides."
        ),
    )


def _read(data: object, pointer: str) -> Cascade:
    """Read one cascade, naming what is wrong with it."""
    if not isinstance(data, Mapping):
        raise InvalidInput("A cascade is an object.", pointer=pointer, rule="type")
    unknown = sorted(str(name) for name in set(data) - _FIELDS)
    if unknown:
        raise InvalidInput(
            f"A cascade has no field '{unknown[0]}'.",
            pointer=f"{pointer}/{unknown[0]}",
            rule="unknown",
        )
    first, second = (_read_scorer(data, name, pointer) for name in ("first", "second"))
    if first == second:
        raise InvalidInput(
            "A scorer cannot give a second opinion on itself.",
            pointer=f"{pointer}/second",
            rule="other",
        )
    least, most = (_read_number(data, name, pointer) for name in ("from", "to"))
    if least > most:
        raise InvalidInput(
            "The band of a cascade goes from the lower to the higher value.",
            pointer=f"{pointer}/to",
            rule="order",
        )
    combine = data.get("combine", Combine.HOLD_ON_DISAGREEMENT.value)
    if not isinstance(combine, str) or combine not in {each.value for each in Combine}:
        raise InvalidInput(
            "Two opinions combine by 'strictest' or 'hold_on_disagreement'.",
            pointer=f"{pointer}/combine",
            rule="choice",
        )
    return Cascade(first, second, least, most, Combine(combine))


def _read_scorer(data: Mapping[str, object], name: str, pointer: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(
            f"A cascade names its {name} scorer.", pointer=f"{pointer}/{name}", rule="required"
        )
    return value


def _read_number(data: Mapping[str, object], name: str, pointer: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(
            f"The field '{name}' of a cascade is a finite number.",
            pointer=f"{pointer}/{name}",
            rule="type",
        )
    return float(value)
