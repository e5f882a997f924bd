"""One document says what holds for brand, template and market; a table says what that is."""

from typing import Any

import pytest

from governance.kernel.errors import InvalidInput
from templates.brands import scoring
from templates.brands.scoring_changes import changes, overrides


def rule(threshold: float, severity: str = "refuse", **more: Any) -> dict[str, Any]:
    return {"threshold": threshold, "severity": severity, **more}


POLICY = {
    "advisory": False,
    "thresholds": {
        "safety": rule(0.8),
        "sharpness": rule(20.0, "flag", version="2"),
        "contrast": rule(0.1, advisory=True),
    },
    "markets": {
        "DE": {"thresholds": {"safety": rule(0.3)}},
        "FR": {"advisory": True, "thresholds": {"safety": rule(0.5), "palette": rule(9.0)}},
    },
    "templates": {
        "sketch": {"thresholds": {"safety": rule(0.9), "sharpness": rule(5.0, "flag")}},
    },
}
DIRECTIONS: Any = {"safety": "worse", "sharpness": "better", "contrast": "better"}


class TestResolve:
    # market, template -> scorer: threshold, outcome, version, where the rule is from
    TABLE: Any = {
        ("", ""): {
            "contrast": (0.1, "flag", "1", "brand"),
            "safety": (0.8, "refuse", "1", "brand"),
            "sharpness": (20.0, "flag", "2", "brand"),
        },
        ("DE", ""): {
            "contrast": (0.1, "flag", "1", "brand"),
            "safety": (0.3, "refuse", "1", "market"),
            "sharpness": (20.0, "flag", "2", "brand"),
        },
        ("FR", ""): {
            "contrast": (0.1, "flag", "1", "brand"),
            "palette": (9.0, "flag", "1", "market"),
            "safety": (0.5, "flag", "1", "market"),
            "sharpness": (20.0, "flag", "2", "brand"),
        },
        ("", "sketch"): {
            "contrast": (0.1, "flag", "1", "brand"),
            "safety": (0.9, "refuse", "1", "template"),
            "sharpness": (5.0, "flag", "1", "template"),
        },
        ("DE", "sketch"): {
            "contrast": (0.1, "flag", "1", "brand"),
            "safety": (0.3, "refuse", "1", "market"),
            "sharpness": (5.0, "flag", "1", "template"),
        },
        ("XX", "unheard-of"): {
            "contrast": (0.1, "flag", "1", "brand"),
            "safety": (0.8, "refuse", "1", "brand"),
            "sharpness": (20.0, "flag", "2", "brand"),
        },
    }

    @pytest.mark.parametrize("case", TABLE)
    def test_gives_the_rules_of_the_table(self, case: tuple[str, str]) -> None:
        market, slug = case
        found = scoring.effective(POLICY, market=market, template_slug=slug)
        assert {
            each.scorer: (each.threshold, each.outcome, each.version, each.source) for each in found
        } == self.TABLE[case]
        assert scoring.resolve(POLICY, market=market, template_slug=slug) == {
            scorer: {"threshold": threshold, "severity": outcome, "version": version}
            for scorer, (threshold, outcome, version, _source) in self.TABLE[case].items()
        }

    def test_flags_everywhere_under_an_advisory_policy_but_where_a_rule_is_strict(self) -> None:
        policy = {
            "advisory": True,
            "thresholds": {"safety": rule(0.8, advisory=False), "sharpness": rule(1.0)},
            "markets": {"DE": {"advisory": False, "thresholds": {"sharpness": rule(2.0)}}},
        }
        found = {each.scorer: each.outcome for each in scoring.effective(policy)}
        assert found == {"safety": "refuse", "sharpness": "flag"}
        in_germany = {each.scorer: each.outcome for each in scoring.effective(policy, market="DE")}
        assert in_germany == {"safety": "refuse", "sharpness": "refuse"}


class TestChanges:
    @pytest.mark.parametrize(
        ("scorer", "before", "after", "effect"),
        [
            ("safety", rule(0.8), rule(0.5), "stricter"),
            ("safety", rule(0.5), rule(0.8), "looser"),
            ("sharpness", rule(10.0), rule(20.0), "stricter"),
            ("sharpness", rule(20.0), rule(10.0), "looser"),
            ("safety", rule(0.5, "flag"), rule(0.5, "refuse"), "stricter"),
            ("safety", rule(0.5), rule(0.5, advisory=True), "looser"),
            ("safety", rule(0.5), rule(0.3, "flag"), "mixed"),
            ("safety", rule(0.5), rule(0.3, "refuse", version="2"), "other"),
            ("unheard_of", rule(0.5), rule(0.3), "other"),
            ("safety", rule(0.5), None, "removed"),
            ("safety", None, rule(0.5), "added"),
        ],
    )
    def test_say_whether_a_rule_became_stricter(
        self, scorer: str, before: Any, after: Any, effect: str
    ) -> None:
        kept = {"contrast": rule(0.1)}
        old = {"advisory": False, "thresholds": {**kept, **({scorer: before} if before else {})}}
        new = {"advisory": False, "thresholds": {**kept, **({scorer: after} if after else {})}}
        (change,) = changes(old, new, DIRECTIONS)
        assert (change.scope, change.scorer, change.effect) == (("brand", ""), scorer, effect)

    def test_hold_a_new_rule_of_a_section_against_what_held_there(self) -> None:
        plain = {"advisory": False, "thresholds": {"safety": rule(0.5)}}
        strict = {**plain, "markets": {"DE": {"thresholds": {"safety": rule(0.2)}}}}
        loose = {**plain, "templates": {"sketch": {"thresholds": {"safety": rule(0.9)}}}}
        assert [c.effect for c in changes(plain, strict, DIRECTIONS)] == ["stricter"]
        assert [c.effect for c in changes(strict, plain, DIRECTIONS)] == ["looser"]
        assert [c.effect for c in changes(plain, loose, DIRECTIONS)] == ["looser"]

    def test_are_none_between_a_policy_and_itself(self) -> None:
        assert changes(POLICY, POLICY, DIRECTIONS) == ()

    def test_tell_that_a_whole_policy_stopped_to_refuse(self) -> None:
        loosened = {"advisory": True, "thresholds": POLICY["thresholds"]}
        strict = {"advisory": False, "thresholds": POLICY["thresholds"]}
        found = {each.scorer: each.effect for each in changes(strict, loosened, DIRECTIONS)}
        assert found == {"safety": "looser", "sharpness": "other"}

    def test_of_sections_are_held_against_the_brands_own_rules(self) -> None:
        found = [(c.scope, c.scorer, c.effect) for c in overrides(POLICY, DIRECTIONS)]
        assert found == [
            (("template", "sketch"), "safety", "looser"),
            (("template", "sketch"), "sharpness", "other"),
            (("market", "DE"), "safety", "stricter"),
            (("market", "FR"), "palette", "added"),
            (("market", "FR"), "safety", "mixed"),
        ]


class TestADocument:
    def test_reads_back_as_it_was_written(self) -> None:
        full = {
            **POLICY,
            "concepts": [{"name": "hazard sign", "prompts": ["a hazard sign"], "against": ["x"]}],
            "cascades": [{"first": "safety", "second": "concepts", "from": 0.3, "to": 0.9}],
        }
        written = scoring.policy_of(full)
        assert scoring.policy_of(written) == written
        assert scoring.scorers_of(written) == {
            "concepts",
            "contrast",
            "palette",
            "safety",
            "sharpness",
        }

    def test_without_sections_is_written_as_it_always_was(self) -> None:
        thresholds = {"safety": {"threshold": 1, "severity": "refuse"}}
        given = {"advisory": True, "thresholds": thresholds, "markets": {}, "concepts": []}
        assert scoring.policy_of(given) == {
            "advisory": True,
            "thresholds": {"safety": {"threshold": 1.0, "severity": "refuse"}},
        }

    @pytest.mark.parametrize(
        ("changed", "pointer", "why"),
        [
            ({"thresholds": {}}, "/thresholds", "minProperties"),
            ({"thresholds": {"Safety": rule(1)}}, "/thresholds", "pattern"),
            (
                {"thresholds": {"safety": {"threshold": 1}}},
                "/thresholds/safety/severity",
                "required",
            ),
            ({"thresholds": {"safety": rule(1, "pass")}}, "/thresholds/safety/severity", "enum"),
            (
                {"thresholds": {"safety": rule(float("nan"))}},
                "/thresholds/safety/threshold",
                "type",
            ),
            (
                {"thresholds": {"safety": rule(1, version="")}},
                "/thresholds/safety/version",
                "minLength",
            ),
            ({"thresholds": {"safety": rule(1, mode="x")}}, "/thresholds/safety/mode", "unknown"),
            ({"markets": {"XX": {"thresholds": {"safety": rule(1)}}}}, "/markets/XX", "country"),
            ({"markets": {"DE": {"thresholds": {}}}}, "/markets/DE/thresholds", "minProperties"),
            (
                {"templates": {"Not A Slug": {"thresholds": {"safety": rule(1)}}}},
                "/templates",
                "pattern",
            ),
            ({"concepts": [{"name": "x", "prompts": []}]}, "/concepts/0/prompts", "minItems"),
            (
                {"concepts": [{"name": "x", "prompts": ["a"]}] * 2},
                "/concepts/1/name",
                "uniqueItems",
            ),
            (
                {"cascades": [{"first": "aa", "second": "aa", "from": 0, "to": 1}]},
                "/cascades/0/second",
                "other",
            ),
            (
                {"cascades": [{"first": "aa", "second": "bb", "from": 1, "to": 0}]},
                "/cascades/0/to",
                "order",
            ),
            ({"colour": 1}, "/colour", "unknown"),
            ({"advisory": "yes"}, "/advisory", "type"),
        ],
    )
    def test_that_cannot_judge_is_refused_by_place_and_rule(
        self, changed: Any, pointer: str, why: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            scoring.policy_of({"advisory": False, "thresholds": {"safety": rule(1)}, **changed})
        assert (refused.value.pointer, refused.value.facts["rule"]) == (pointer, why)
