"""What a scoring policy would say of scores that are on record; pure, and nothing is measured anew.

A recorded value is judged by a rule only if it comes from the rule's version of the scorer, and if
the record tells which end of its range is the good one. Whatever is left open is "cannot tell",
never a pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from generation.assets.selectors import PastScore

Direction = Literal["better", "worse"]


class Outcome(StrEnum):
    """What a policy says of an image; the order is from the mildest to the strictest."""

    PASS = "pass"  # noqa: S105 - no password
    FLAG = "flag"
    HOLD = "hold"
    REFUSE = "refuse"
    CANNOT_TELL = "cannot_tell"


class Doubt(StrEnum):
    """Why nothing can be told without measuring anew."""

    NOT_MEASURED = "not_measured"
    OTHER_VERSION = "other_version"
    UNKNOWN_DIRECTION = "unknown_direction"


_STRICTNESS = {outcome.value: rank for rank, outcome in enumerate(Outcome)}


@dataclass(frozen=True, slots=True)
class Rule:
    """A threshold, what crossing it means ("flag" or "refuse"), and for which version."""

    threshold: float
    severity: str
    version: str = "1"


@dataclass(frozen=True, slots=True)
class Cascade:
    """`first` asks `second` where its value lies in the closed band; `combine` as policies say."""

    first: str
    second: str
    least: float
    most: float
    combine: str = "hold_on_disagreement"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a policy comes to for one order: a rule for each scorer, and who asks whom."""

    by_scorer: Mapping[str, Rule]
    cascades: Sequence[Cascade] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What the policy says of one scorer's value: an outcome, and why if it cannot be told."""

    outcome: Outcome
    doubt: Doubt | None = None


def rejudge(scores: Iterable[PastScore], rules: Rules) -> Mapping[str, Said]:
    """Judge an image's recorded scores by the rules that apply to it, one for each scorer.

    A scorer without a rule passes if it measured, and holds if it did not, as when it was made.
    """
    recorded = {score.scorer: score for score in scores}
    said = {
        scorer: _judge(recorded.get(scorer), rules.by_scorer.get(scorer))
        for scorer in sorted({*recorded, *rules.by_scorer})
    }
    for cascade in rules.cascades:
        if cascade.second in said:
            said[cascade.second] = _settle(cascade, recorded, said, rules)
    return said


def overall(said: Iterable[Outcome | str]) -> Outcome:
    """Return the strictest outcome; a refusal is certain, anything else waits for what is open.

    >>> [str(overall(each.split())) for each in ("pass flag", "refuse hold", "pass cannot_tell")]
    ['flag', 'refuse', 'cannot_tell']
    """
    found = {Outcome(each) for each in said}
    if not found:
        return Outcome.HOLD
    if Outcome.REFUSE in found:
        return Outcome.REFUSE
    return max(found, key=_STRICTNESS.__getitem__)


def direction_of(score: PastScore) -> Direction | None:
    """Return which end of the range is the good one, as recorded with the score.

    Where that was not recorded yet, the verdict tells: a value at or above its threshold that
    passed points up, one that did not points down.

    >>> direction_of(PastScore("safety", "1", "", 0.9, 0.8, "refuse"))
    'worse'
    >>> direction_of(PastScore("safety", "1", "", 0.9, None, "pass"))
    """
    if score.higher_is in {"better", "worse"}:
        return "better" if score.higher_is == "better" else "worse"
    if score.value is None or score.threshold is None or score.verdict == Outcome.HOLD:
        return None
    is_above = score.value >= score.threshold
    return "better" if is_above is (score.verdict == Outcome.PASS) else "worse"


def _judge(score: PastScore | None, rule: Rule | None) -> Said:
    if score is None or _was_not_asked(score):
        return Said(Outcome.CANNOT_TELL, Doubt.NOT_MEASURED) if rule else Said(Outcome.PASS)
    if score.value is None:
        # It had a reason to hold, and that does not depend on a threshold.
        return Said(Outcome.HOLD)
    if rule is None:
        return Said(Outcome.PASS)
    if score.version != rule.version:
        return Said(Outcome.CANNOT_TELL, Doubt.OTHER_VERSION)
    direction = direction_of(score)
    if direction is None:
        return Said(Outcome.CANNOT_TELL, Doubt.UNKNOWN_DIRECTION)
    crossed = (
        score.value >= rule.threshold if direction == "worse" else score.value < rule.threshold
    )
    return Said(Outcome(rule.severity) if crossed else Outcome.PASS)


def _settle(
    cascade: Cascade, recorded: Mapping[str, PastScore], said: Mapping[str, Said], rules: Rules
) -> Said:
    """Bring two opinions together as the worker does: a second one is only given where asked for.

    Where the first one's value is not on record, whether it would have asked cannot be told.
    """
    first, second = said.get(cascade.first), said[cascade.second]
    score = recorded.get(cascade.first)
    if first is None or score is None:
        return Said(Outcome.CANNOT_TELL, Doubt.NOT_MEASURED)
    if score.value is None or first.outcome in {Outcome.HOLD, Outcome.CANNOT_TELL}:
        return second
    if not cascade.least <= score.value <= cascade.most:
        return Said(Outcome.PASS)
    has_both = {cascade.first, cascade.second} <= rules.by_scorer.keys()
    is_split = {first.outcome, second.outcome} == {Outcome.PASS, Outcome.FLAG}
    if cascade.combine == "hold_on_disagreement" and has_both and is_split:
        return Said(Outcome.HOLD)
    return second


def _was_not_asked(score: PastScore) -> bool:
    """Tell whether a scorer gave no opinion because nobody asked for one."""
    return score.value is None and score.verdict == Outcome.PASS
