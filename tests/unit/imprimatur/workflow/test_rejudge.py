"""A recorded score is judged as the worker's own judge would; what is open is never a pass."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imprimatur.workflow.rejudge import Cascade, Doubt, Outcome, Rule, Rules, overall, rejudge

from generation.assets.selectors import PastScore
from generation.scoring import cascade
from generation.scoring import verdict as worker
from generation.scoring.protocol import Measurement

NUMBERS = st.floats(0, 1, allow_nan=False)
SEVERITIES = st.sampled_from(["flag", "refuse"])


def past(**changes: Any) -> PastScore:
    """Return a score that passed, of a scorer whose high values are good."""
    facts: dict[str, Any] = {
        "scorer": "sharpness",
        "version": "1",
        "weights_sha256": "",
        "value": 0.7,
        "threshold": 0.1,
        "verdict": "pass",
    }
    return PastScore(**{**facts, **changes})


def judged(direction: str, value: float, threshold: float, severity: str) -> worker.JudgedScore:
    """Let the worker's judge say what it says when an image is made."""
    measured = worker.Measured(
        scorer="any",
        version="1",
        weights_sha256=None,
        licence="MIT",
        higher_is=direction,  # type: ignore[arg-type]  # one of the two
        range=(0.0, 1.0),
        measurement=Measurement(value),
    )
    rule = worker.Rule(threshold, worker.Verdict(severity))
    (score,) = worker.judge([measured], worker.ScoringRules({"any": rule})).scores
    return score


class TestRejudge:
    @given(
        direction=st.sampled_from(["better", "worse"]),
        value=NUMBERS,
        old=NUMBERS,
        new=NUMBERS,
        old_severity=SEVERITIES,
        new_severity=SEVERITIES,
    )
    def test_agrees_with_the_worker_s_judge_for_every_value_and_threshold(
        self,
        direction: str,
        value: float,
        old: float,
        new: float,
        old_severity: str,
        new_severity: str,
    ) -> None:
        made = judged(direction, value, old, old_severity)
        recorded = past(scorer="any", value=value, threshold=old, verdict=made.verdict.value)
        said = rejudge([recorded], Rules({"any": Rule(new, new_severity)}))["any"]
        assert said.outcome == judged(direction, value, new, new_severity).verdict.value

    @pytest.mark.parametrize(
        ("score", "rule", "outcome", "doubt"),
        [
            (None, Rule(0.5, "flag"), Outcome.CANNOT_TELL, Doubt.NOT_MEASURED),
            (past(), None, Outcome.PASS, None),
            (past(), Rule(0.5, "refuse"), Outcome.PASS, None),
            (past(), Rule(0.8, "refuse"), Outcome.REFUSE, None),
            (past(), Rule(0.8, "flag"), Outcome.FLAG, None),
            (past(version="2"), Rule(0.8, "flag"), Outcome.CANNOT_TELL, Doubt.OTHER_VERSION),
            (past(value=None, verdict="hold"), Rule(0.8, "flag"), Outcome.HOLD, None),
            (past(value=None, verdict="hold"), None, Outcome.HOLD, None),
            (past(threshold=None), Rule(0.8, "flag"), Outcome.CANNOT_TELL, Doubt.UNKNOWN_DIRECTION),
            (past(verdict="hold"), Rule(0.8, "flag"), Outcome.CANNOT_TELL, Doubt.UNKNOWN_DIRECTION),
        ],
    )
    def test_says_for_each_record_what_can_be_said(
        self, score: PastScore | None, rule: Rule | None, outcome: Outcome, doubt: Doubt | None
    ) -> None:
        rules = {} if rule is None else {"sharpness": rule}
        (said,) = rejudge([] if score is None else [score], Rules(rules)).values()
        assert (said.outcome, said.doubt) == (outcome, doubt)


class TestCascades:
    @given(
        value=NUMBERS,
        threshold=NUMBERS,
        second_value=NUMBERS,
        second_threshold=NUMBERS,
        band=st.tuples(NUMBERS, NUMBERS).map(sorted),
        combine=st.sampled_from(["strictest", "hold_on_disagreement"]),
        severities=st.tuples(SEVERITIES, SEVERITIES),
    )
    def test_come_to_what_the_worker_says_when_both_are_on_record(
        self,
        value: float,
        threshold: float,
        second_value: float,
        second_threshold: float,
        band: list[float],
        combine: str,
        severities: tuple[str, str],
    ) -> None:
        least, most = band
        asked = least <= value <= most
        measured = [measure("first", value)]
        measured += [measure("second", second_value)] if asked else []
        rules = worker.ScoringRules(
            {
                "first": worker.Rule(threshold, worker.Verdict(severities[0])),
                "second": worker.Rule(second_threshold, worker.Verdict(severities[1])),
            }
        )
        theirs = cascade.Cascade("first", "second", least, most, cascade.Combine(combine))
        expected = cascade.settle(worker.judge(measured, rules), [theirs], measured)
        scores = [
            recorded("first", value),
            recorded("second", second_value if asked else None),
        ]
        said = rejudge(
            scores,
            Rules(
                {
                    "first": Rule(threshold, severities[0]),
                    "second": Rule(second_threshold, severities[1]),
                },
                [Cascade("first", "second", least, most, combine)],
            ),
        )
        assert {scorer: str(each.outcome) for scorer, each in said.items()} == {
            score.scorer: str(score.verdict) for score in expected.scores
        }

    def test_that_would_ask_a_scorer_that_never_ran_cannot_be_told(self) -> None:
        rules = {"first": Rule(0.5, "flag"), "second": Rule(0.5, "flag")}
        asks = [Cascade("first", "second", 0.4, 0.6)]
        said = rejudge([recorded("first", 0.5)], Rules(rules, asks))
        assert said["second"].doubt is Doubt.NOT_MEASURED
        outside = rejudge([recorded("first", 0.9)], Rules(rules, asks))
        assert outside["second"].outcome is Outcome.PASS


def measure(scorer: str, value: float) -> worker.Measured:
    """Return what a scorer whose high values are bad would say in the worker."""
    return worker.Measured(
        scorer=scorer,
        version="1",
        weights_sha256=None,
        licence="MIT",
        higher_is="worse",
        range=(0.0, 1.0),
        measurement=Measurement(value),
    )


def recorded(scorer: str, value: float | None) -> PastScore:
    """Return a score of such a scorer as it stands on record; not asked without a value."""
    is_over = value is not None and value >= 0.5
    verdict = "flag" if is_over else "pass"
    return past(scorer=scorer, value=value, threshold=0.5, verdict=verdict)


def worker_rank(outcome: Outcome) -> int:
    """Return how strict the worker takes an outcome for."""
    return list(worker.Verdict).index(worker.Verdict(outcome.value))


class TestOverall:
    @given(st.lists(st.sampled_from(Outcome), min_size=1))
    def test_is_never_milder_than_what_is_known(self, said: list[Outcome]) -> None:
        found = overall(said)
        if Outcome.REFUSE in said:
            assert found is Outcome.REFUSE
        elif Outcome.CANNOT_TELL in said:
            assert found is Outcome.CANNOT_TELL
        else:
            assert found in said
            assert not any(worker_rank(each) > worker_rank(found) for each in said)

    def test_holds_what_nobody_scored(self) -> None:
        assert overall([]) is Outcome.HOLD
