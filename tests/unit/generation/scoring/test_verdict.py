"""The verdict as one literal table; what could not be measured never passes."""

import math
from typing import Any

import pytest

from generation.scoring.protocol import Direction, Measurement
from generation.scoring.verdict import (
    Judgement,
    Measured,
    ScoringRules,
    Verdict,
    judge,
)
from governance.kernel.errors import InvalidInput

PASS, FLAG, HOLD, REFUSE = Verdict.PASS, Verdict.FLAG, Verdict.HOLD, Verdict.REFUSE


def measured(
    scorer: str = "safety",
    value: Any = 0.1,
    higher_is: Direction = "worse",
    version: str = "1",
    span: tuple[float, float] = (0.0, 1.0),
) -> Measured:
    """Make what a scorer said; a value of None stands for a scorer that failed."""
    measurement = None if value is None else Measurement(value)
    reason = "The scorer failed." if value is None else None
    return Measured(scorer, version, "a" * 64, "CC0-1.0", higher_is, span, measurement, reason)


def rules(*, advisory: bool = False, **by_scorer: tuple[float, str]) -> ScoringRules:
    """Make rules from thresholds and severities."""
    data = {k: {"threshold": t, "severity": s} for k, (t, s) in by_scorer.items()}
    return ScoringRules.from_data(data, advisory=advisory)


# value, higher is, threshold, severity, advisory -> verdict
TABLE = [
    (0.49, "worse", 0.5, "refuse", False, PASS),
    (0.50, "worse", 0.5, "refuse", False, REFUSE),
    (0.51, "worse", 0.5, "refuse", False, REFUSE),
    (0.50, "worse", 0.5, "flag", False, FLAG),
    (0.49, "worse", 0.5, "flag", False, PASS),
    (0.50, "better", 0.5, "refuse", False, PASS),
    (0.49, "better", 0.5, "refuse", False, REFUSE),
    (0.49, "better", 0.5, "flag", False, FLAG),
    (0.51, "better", 0.5, "flag", False, PASS),
    (0.50, "worse", 0.5, "refuse", True, FLAG),
    (0.49, "better", 0.5, "refuse", True, FLAG),
    (0.50, "worse", 0.5, "flag", True, FLAG),
    (0.49, "worse", 0.5, "refuse", True, PASS),
    (math.nan, "worse", 0.5, "refuse", False, HOLD),
    (math.inf, "worse", 0.5, "refuse", False, HOLD),
    (-math.inf, "better", 0.5, "flag", False, HOLD),
    (math.nan, "worse", 0.5, "flag", True, HOLD),
    (None, "worse", 0.5, "refuse", False, HOLD),
    (None, "worse", 0.5, "flag", True, HOLD),
    (1.01, "worse", 0.5, "flag", False, HOLD),
    (-0.01, "worse", 0.5, "flag", False, HOLD),
    (True, "better", 0.5, "flag", False, HOLD),
    ("0.9", "better", 0.5, "flag", False, HOLD),
]


class TestJudge:
    @pytest.mark.parametrize(
        ("value", "higher_is", "threshold", "severity", "advisory", "verdict"), TABLE
    )
    def test_follows_the_table(
        self,
        value: Any,
        higher_is: Direction,
        threshold: float,
        severity: str,
        advisory: bool,
        verdict: Verdict,
    ) -> None:
        policy = rules(safety=(threshold, severity), advisory=advisory)
        judged = judge([measured(value=value, higher_is=higher_is)], policy)
        assert judged.verdict is verdict
        assert judged.scores[0].verdict is verdict
        assert (judged.scores[0].reason is not None) is (verdict is HOLD)

    @pytest.mark.parametrize(
        ("safety", "sharpness", "overall"),
        [
            (0.1, 0.9, PASS),
            (0.1, 0.1, FLAG),
            (0.1, None, HOLD),
            (0.9, 0.9, REFUSE),
            (0.9, None, REFUSE),
            (None, 0.1, HOLD),
        ],
    )
    def test_takes_the_strictest(
        self, safety: float | None, sharpness: float | None, overall: Verdict
    ) -> None:
        policy = rules(safety=(0.5, "refuse"), sharpness=(0.5, "flag"))
        judged = judge([measured(value=safety), measured("sharpness", sharpness, "better")], policy)
        assert judged.verdict is overall

    @pytest.mark.parametrize("advisory", [False, True])
    def test_holds_when_a_named_scorer_is_missing(self, advisory: bool) -> None:
        policy = rules(safety=(0.5, "flag"), prompt_match=(0.2, "flag"), advisory=advisory)
        judged = judge([measured()], policy)
        assert judged.verdict is HOLD
        assert {score.scorer: score.verdict for score in judged.scores} == {
            "prompt_match": HOLD,
            "safety": PASS,
        }

    def test_holds_when_nothing_was_measured(self) -> None:
        assert judge([], rules(safety=(0.5, "flag"))).verdict is HOLD

    def test_holds_without_any_rule(self) -> None:
        assert judge([measured()], ScoringRules({})).verdict is HOLD
        assert judge([], ScoringRules({})) == Judgement((), HOLD)

    def test_holds_a_version_that_the_rule_was_not_written_for(self) -> None:
        judged = judge([measured(version="2")], rules(safety=(0.5, "flag")))
        assert judged.verdict is HOLD
        assert judged.scores[0].reason == (
            "The rule is for version 1 of the scorer, which is at 2."
        )

    def test_accepts_the_version_that_the_rule_names(self) -> None:
        data = {"safety": {"threshold": 0.5, "severity": "flag", "version": "2"}}
        policy = ScoringRules.from_data(data)
        assert judge([measured(version="2")], policy).verdict is PASS
        assert judge([measured(version="1")], policy).verdict is HOLD

    def test_holds_when_one_scorer_says_two_things(self) -> None:
        twice = [measured(value=0.1), measured(value=0.9)]
        assert judge(twice, rules(safety=(0.5, "flag"))).verdict is HOLD

    def test_records_a_scorer_without_a_rule(self) -> None:
        judged = judge([measured(), measured("contrast", 0.3)], rules(safety=(0.5, "flag")))
        contrast = judged.scores[0]
        assert (contrast.scorer, contrast.threshold, contrast.verdict) == ("contrast", None, PASS)

    @pytest.mark.parametrize("value", [None, math.nan, 7.0])
    def test_records_why_a_scorer_without_a_rule_is_silent(self, value: float | None) -> None:
        judged = judge([measured(), measured("contrast", value)], rules(safety=(0.5, "flag")))
        contrast = judged.scores[0]
        assert (judged.verdict, contrast.verdict) == (PASS, PASS)
        assert contrast.reason
        named = judge([measured("contrast", value)], rules(contrast=(0.1, "flag")))
        assert named.verdict is HOLD

    def test_records_no_number_that_json_cannot_hold(self) -> None:
        judged = judge([measured(value=math.nan)], rules(safety=(0.5, "flag")))
        assert judged.scores[0].value is None

    def test_names_the_weights_and_their_licence(self) -> None:
        score = judge([measured()], rules(safety=(0.5, "flag"))).scores[0]
        assert (score.weights_sha256, score.licence, score.version) == ("a" * 64, "CC0-1.0", "1")

    def test_does_not_depend_on_the_order(self) -> None:
        both = [measured(), measured("contrast", 0.3)]
        policy = rules(safety=(0.5, "flag"))
        assert judge(both, policy) == judge(both[::-1], policy)


class TestFromData:
    @pytest.mark.parametrize(
        ("data", "pointer"),
        [
            ({}, None),
            ({"safety": 0.5}, "/safety"),
            ({"safety": {"severity": "flag"}}, "/safety/threshold"),
            ({"safety": {"threshold": "0.5", "severity": "flag"}}, "/safety/threshold"),
            ({"safety": {"threshold": True, "severity": "flag"}}, "/safety/threshold"),
            ({"safety": {"threshold": math.nan, "severity": "flag"}}, "/safety/threshold"),
            ({"safety": {"threshold": 0.5}}, "/safety/severity"),
            ({"safety": {"threshold": 0.5, "severity": "pass"}}, "/safety/severity"),
            ({"safety": {"threshold": 0.5, "severity": "hold"}}, "/safety/severity"),
            ({"safety": {"threshold": 0.5, "severity": ["flag"]}}, "/safety/severity"),
            ({"safety": {"threshold": 0.5, "severity": "flag", "version": 1}}, "/safety/version"),
            ({"a/b": {"threshold": 0.5, "severity": "flag", "limit": 1}}, "/a~1b/limit"),
        ],
    )
    def test_refuses_naming_the_field(self, data: dict[str, Any], pointer: str | None) -> None:
        with pytest.raises(InvalidInput) as refused:
            ScoringRules.from_data(data)
        assert refused.value.pointer == pointer
