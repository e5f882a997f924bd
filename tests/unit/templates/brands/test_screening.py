"""A brand's rules find what reads alike, and leave alone what only looks related."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel.errors import InvalidInput
from templates.brands.markets import Market
from templates.brands.screening import (
    MAX_FOUND,
    Rule,
    document_of,
    rules_of,
    screen,
    screen_all,
)

REASON = "Hazard signs mean something in law."
RULES = (
    Rule("hazard", ("hazard*", "warning sign"), REASON),
    Rule("health", ("weight loss", "heal"), "This promises an effect on health."),
)


def found(text: str, rules: Any = RULES) -> str | None:
    violation = screen(rules, {"detail": text})
    return None if violation is None else violation.term


class TestScreen:
    @pytest.mark.parametrize(
        "text",
        [
            "hazard",
            "a HAZARD badge",
            "Hazards",
            "ｈａｚａｒｄ",
            "haz\u200bard",
            "haz\u00adard",
            "ha\u202ezard",
            "házárd",
            "hаzаrd",  # Cyrillic а
            "ΗΑΖΑRD",  # Greek capitals
            "h4z4rd",
            "h@zard",
            "h a z a r d",
            "h-a-z-a-r-d",
            "h.a.z.a.r.d sign",
            "h 4 z 4 r d",
            "𝐡𝐚𝐳𝐚𝐫𝐝",
            "hazard!",
        ],
    )
    def test_finds_the_word_however_it_is_dressed(self, text: str) -> None:
        assert found(text) == "hazard*"

    @pytest.mark.parametrize(
        "text", ["warning sign", "WARNING  SIGN", "warning-sign", "warning\nsign"]
    )
    def test_finds_a_phrase_across_any_gap(self, text: str) -> None:
        assert found(text) == "warning sign"

    @pytest.mark.parametrize("text", ["heal", "he4l", "hea1", "h e a l"])
    def test_reads_a_one_as_i_and_as_l(self, text: str) -> None:
        assert found(text) == "heal"

    @pytest.mark.parametrize(
        "text",
        [
            "haphazard",
            "healthy",
            "a sign",
            "warning",
            "sign warning",
            "weight and loss",
            "a b c",
            "2 x 450 ml",
            "",
        ],
    )
    def test_leaves_other_words_alone(self, text: str) -> None:
        assert found(text) is None

    def test_names_the_field_the_rule_and_the_reason(self) -> None:
        violation = screen(RULES, {"color": "red", "detail": "weight loss tea"})
        assert violation is not None
        assert (violation.field, violation.category, violation.term) == (
            "detail",
            "health",
            "weight loss",
        )
        assert violation.reason == "This promises an effect on health."

    def test_finds_a_term_of_another_script(self) -> None:
        assert found("опасно", (Rule("x", ("опасно",), REASON),)) == "опасно"

    @pytest.mark.parametrize(
        ("markets", "languages", "market", "holds"),
        [
            ((), (), Market("DE", ("de",)), True),
            (("DE",), (), Market("DE", ("de",)), True),
            (("DE",), (), Market("FR", ("fr",)), False),
            ((), ("de",), Market("AT", ("de-AT",)), True),
            ((), ("de-AT",), Market("DE", ("de",)), True),
            ((), ("de-AT",), Market("DE", ("de-DE",)), False),
            ((), ("de",), Market("CH", ("fr", "de")), True),
            ((), ("de",), Market("FR", ("fr",)), False),
            (("CH",), ("it",), Market("CH", ("de", "fr")), False),
            (("DE",), ("fr",), None, True),
        ],
    )
    def test_holds_a_rule_only_in_its_markets_and_languages(
        self, markets: tuple[str, ...], languages: tuple[str, ...], market: Any, holds: bool
    ) -> None:
        rules = (Rule("hazard", ("hazard",), REASON, markets, languages),)
        assert (screen(rules, {"detail": "a hazard"}, market) is not None) is holds

    def test_lists_each_place_once_in_the_order_of_texts_and_rules(self) -> None:
        rules = (Rule("a", ("red", "red*"), REASON), Rule("b", ("mug",), REASON))
        found_all = screen_all(rules, {"x": "red redder mug red", "": "mug"})
        assert [(v.field, v.category, v.found, v.start) for v in found_all] == [
            ("x", "a", "red", 0),
            ("x", "a", "red", 15),
            ("x", "a", "redder", 4),
            ("x", "b", "mug", 11),
            ("", "b", "mug", 0),
        ]

    def test_stops_at_a_number_of_findings(self) -> None:
        assert len(screen_all(RULES, {"detail": "hazard " * 300})) == MAX_FOUND

    def test_refuses_a_text_that_is_too_long_to_screen(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            screen(RULES, {"detail": "x" * 10_000})
        assert refused.value.pointer == "/variables/detail"

    def test_without_rules_finds_nothing(self) -> None:
        assert screen((), {"detail": "hazard"}) is None

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_finds_the_word_wherever_it_stands(self, before: str, after: str) -> None:
        assert screen(RULES, {"detail": f"{before} hazard {after}"}) is not None

    @given(st.text(max_size=200))
    def test_answers_for_every_text(self, text: str) -> None:
        screen(RULES, {"detail": text})


class TestRules:
    def test_read_back_as_they_were_written(self) -> None:
        limited = Rule("hazard", ("*gefahr*",), REASON, ("DE", "AT"), ("de",))
        assert rules_of(document_of((*RULES, limited))) == (*RULES, limited)

    def test_without_limits_are_written_as_they_always_were(self) -> None:
        assert set(document_of(RULES)[0]) == {"category", "terms", "reason"}

    @pytest.mark.parametrize(
        ("rules", "pointer", "rule"),
        [
            ({}, "", "type"),
            ([{"category": "x", "terms": ["ab"]}], "/0/category", "pattern"),
            ([{"category": "ok", "terms": ["ab"], "reason": "short"}], "/0/reason", "minLength"),
            ([{"category": "ok", "terms": [], "reason": REASON}], "/0/terms", "minItems"),
            ([{"category": "ok", "terms": ["a"], "reason": REASON}], "/0/terms/0", "minLength"),
            ([{"category": "ok", "terms": ["**"], "reason": REASON}], "/0/terms/0", "word"),
            ([{"category": "ok", "terms": ["a*b"], "reason": REASON}], "/0/terms/0", "pattern"),
            ([{"category": "ok", "terms": ["*a*"], "reason": REASON}], "/0/terms/0", "minLength"),
            (
                [{"category": "ok", "terms": ["ab"], "reason": REASON, "markets": ["XX"]}],
                "/0/markets/0",
                "country",
            ),
            (
                [{"category": "ok", "terms": ["ab"], "reason": REASON, "languages": ["German"]}],
                "/0/languages/0",
                "language",
            ),
            (
                [{"category": "ok", "terms": ["ab"], "reason": REASON, "markets": []}],
                "/0/markets",
                "minItems",
            ),
            ([{"category": "ok", "terms": ["ab"], "reason": REASON, "x": 1}], "/0/x", "unknown"),
        ],
    )
    def test_refuse_what_could_never_match(self, rules: Any, pointer: str, rule: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            rules_of(rules)
        assert (refused.value.pointer, refused.value.facts["rule"]) == (pointer, rule)
