"""Two opinions as a complete table: nothing becomes milder, and nobody is skipped who was asked."""

import itertools
import math
from typing import Any

import pytest

from generation.scoring import cascade
from generation.scoring.cascade import Cascade, Combine
from generation.scoring.protocol import Measurement
from generation.scoring.verdict import Judgement, Measured, ScoringRules, Verdict, judge
from governance.kernel.errors import InvalidInput

FIRST = {"first": "safety", "second": "concepts", "from": 0.3, "to": 0.9}
PASS, FLAG, HOLD, REFUSE = Verdict

# First verdict, second verdict: what the second row says, and the image, if a disagreement holds.
TABLE = {
    (PASS, PASS): (PASS, PASS),
    (PASS, FLAG): (HOLD, HOLD),
    (PASS, HOLD): (HOLD, HOLD),
    (PASS, REFUSE): (REFUSE, REFUSE),
    (FLAG, PASS): (HOLD, HOLD),
    (FLAG, FLAG): (FLAG, FLAG),
    (FLAG, HOLD): (HOLD, HOLD),
    (FLAG, REFUSE): (REFUSE, REFUSE),
    (HOLD, PASS): (PASS, HOLD),
    (HOLD, FLAG): (FLAG, HOLD),
    (HOLD, HOLD): (HOLD, HOLD),
    (HOLD, REFUSE): (REFUSE, REFUSE),
    (REFUSE, PASS): (PASS, REFUSE),
    (REFUSE, FLAG): (FLAG, REFUSE),
    (REFUSE, HOLD): (HOLD, REFUSE),
    (REFUSE, REFUSE): (REFUSE, REFUSE),
}


def measured(scorer: str, value: float | None) -> Measured:
    """Say a value, or nothing."""
    said = None if value is None else Measurement(value)
    return Measured(scorer, "1", None, "CC0-1.0", "worse", (0.0, 1.0), said)


def rules(first: Verdict, second: Verdict) -> ScoringRules:
    """Make rules by which the value 0.5 leads to these verdicts; hold is for what did not run."""
    data: dict[str, Any] = {}
    for scorer, verdict in (("safety", first), ("concepts", second)):
        severity = verdict.value if verdict in {FLAG, REFUSE} else "refuse"
        threshold = 0.4 if verdict in {FLAG, REFUSE} else 0.8
        data[scorer] = {"threshold": threshold, "severity": severity}
    return ScoringRules.from_data(data)


def settle(first: Verdict, second: Verdict, **changes: str) -> Judgement:
    """Judge two opinions and settle them."""
    said = [
        measured("safety", None if first is HOLD else 0.5),
        measured("concepts", None if second is HOLD else 0.5),
    ]
    judged = judge(said, rules(first, second))
    return cascade.settle(judged, cascade.read([FIRST | changes]), said)


class TestSettle:
    @pytest.mark.parametrize("pair", list(itertools.product(Verdict, Verdict)))
    def test_follows_the_table(self, pair: tuple[Verdict, Verdict]) -> None:
        settled = settle(*pair)
        rows = {score.scorer: score for score in settled.scores}
        assert (rows["concepts"].verdict, settled.verdict) == TABLE[pair]
        assert rows["safety"].verdict is pair[0]

    @pytest.mark.parametrize("pair", list(itertools.product(Verdict, Verdict)))
    def test_leaves_both_as_they_are_if_the_strictest_counts(
        self, pair: tuple[Verdict, Verdict]
    ) -> None:
        settled = settle(*pair, combine="strictest")
        rows = {score.scorer: score.verdict for score in settled.scores}
        assert rows == {"safety": pair[0], "concepts": pair[1]}
        assert settled.verdict is max(pair, key=list(Verdict).index)

    def test_says_who_differs(self) -> None:
        row = next(s for s in settle(FLAG, PASS).scores if s.scorer == "concepts")
        assert row.reason == (
            "Two opinions differ: 'safety' says flag, 'concepts' says pass. A person decides."
        )
        assert (row.value, row.threshold) == (0.5, 0.8)

    def test_passes_the_second_that_nobody_asked_and_says_so(self) -> None:
        said = [measured("safety", 0.1)]
        judged = judge(said, rules(PASS, FLAG))
        assert judged.verdict is HOLD
        settled = cascade.settle(judged, cascade.read([FIRST]), said)
        row = next(s for s in settled.scores if s.scorer == "concepts")
        assert (row.verdict, row.value, settled.verdict) == (PASS, None, PASS)
        assert "lies outside of the band from 0.3 to 0.9" in (row.reason or "")

    @pytest.mark.parametrize("value", [0.3, 0.5, 0.9, None, math.nan])
    def test_holds_the_second_that_was_asked_and_did_not_answer(self, value: float | None) -> None:
        said = [measured("safety", value)]
        settled = cascade.settle(judge(said, rules(PASS, FLAG)), cascade.read([FIRST]), said)
        row = next(s for s in settled.scores if s.scorer == "concepts")
        assert row.verdict is HOLD
        assert settled.verdict in {HOLD, REFUSE}

    def test_does_not_rely_on_a_first_opinion_that_holds(self) -> None:
        """The value is outside of the band, but it is out of the scorer's range, too."""
        said = [measured("safety", 7.0)]
        settled = cascade.settle(judge(said, rules(PASS, FLAG)), cascade.read([FIRST]), said)
        assert {score.verdict for score in settled.scores} == {HOLD}

    def test_does_not_hold_for_a_second_without_a_rule(self) -> None:
        said = [measured("safety", 0.5), measured("concepts", 0.5)]
        policy = ScoringRules.from_data({"safety": {"threshold": 0.4, "severity": "flag"}})
        settled = cascade.settle(judge(said, policy), cascade.read([FIRST]), said)
        assert settled.verdict is FLAG

    def test_changes_nothing_without_cascades(self) -> None:
        said = [measured("safety", 0.5)]
        judged = judge(said, rules(FLAG, PASS))
        assert cascade.settle(judged, (), said) == judged


class TestAsked:
    @pytest.mark.parametrize(
        ("value", "is_asked"),
        [
            (0.0, False),
            (0.29, False),
            (0.3, True),
            (0.9, True),
            (0.91, False),
            (math.nan, True),
            (math.inf, True),
            (None, True),
        ],
    )
    def test_is_asked_in_the_band_or_if_the_first_is_unsound(
        self, value: float | None, is_asked: bool
    ) -> None:
        found = cascade.asked(cascade.read([FIRST]), [measured("safety", value)])
        assert found == (frozenset({"concepts"}) if is_asked else frozenset())

    def test_is_asked_if_the_first_is_not_there(self) -> None:
        assert cascade.asked(cascade.read([FIRST]), []) == {"concepts"}

    def test_waits_as_a_second(self) -> None:
        assert cascade.seconds(cascade.read([FIRST])) == {"concepts"}


class TestRead:
    def test_holds_on_disagreement_unless_it_says_otherwise(self) -> None:
        assert cascade.read([FIRST]) == (Cascade("safety", "concepts", 0.3, 0.9),)
        assert cascade.read([FIRST])[0].combine is Combine.HOLD_ON_DISAGREEMENT
        assert cascade.read([FIRST | {"combine": "strictest"}])[0].combine is Combine.STRICTEST

    @pytest.mark.parametrize(
        ("data", "pointer"),
        [
            ({}, "/cascades"),
            (["safety"], "/cascades/0"),
            ([FIRST | {"third": "x"}], "/cascades/0/third"),
            ([FIRST | {"first": ""}], "/cascades/0/first"),
            ([FIRST | {"second": None}], "/cascades/0/second"),
            ([FIRST | {"second": "safety"}], "/cascades/0/second"),
            ([FIRST | {"from": True}], "/cascades/0/from"),
            ([FIRST | {"from": math.nan}], "/cascades/0/from"),
            ([FIRST | {"to": "0.9"}], "/cascades/0/to"),
            ([FIRST | {"to": 0.2}], "/cascades/0/to"),
            ([FIRST | {"combine": "mildest"}], "/cascades/0/combine"),
            ([FIRST | {"combine": ["strictest"]}], "/cascades/0/combine"),
            ([FIRST, FIRST | {"first": "other"}], "/cascades/0/second"),
            ([FIRST, FIRST | {"first": "concepts", "second": "c"}], "/cascades/1/first"),
        ],
    )
    def test_refuses_what_is_no_cascade(self, data: Any, pointer: str) -> None:
        with pytest.raises(InvalidInput) as error:
            cascade.read(data)
        assert error.value.pointer == pointer
