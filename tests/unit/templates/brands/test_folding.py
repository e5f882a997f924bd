"""A text is folded to what a reader sees in it, and each finding knows where it stood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.brands import folding
from templates.brands.screening import Rule, screen

REASON = "Weapons are not shown."


def found(text: str, *terms: str) -> str | None:
    violation = screen((Rule("weapon", terms, REASON),), {"detail": text})
    return None if violation is None else violation.found


class TestAFinding:
    @pytest.mark.parametrize(
        ("text", "typed"),
        [
            ("a gun here", "gun"),
            ("two GUNS!", "GUNS"),
            ("a g\u200bu\u200bn here", "g\u200bu\u200bn"),
            ("a g.u.n here", "g.u.n"),
            ("a g u n here", "g u n"),
            ("a gún here", "gún"),
            ("a gu\u0301n\u0301 here", "gu\u0301n\u0301"),
            ("a ｇｕｎ here", "ｇｕｎ"),
            ("эй, gυη!", "gυη"),  # Greek upsilon and eta
            ("9un", "9un"),
            ("an Ӕther 🅖🅤🅝", "🅖🅤🅝"),
            ("ﬁne gun", "gun"),
        ],
    )
    def test_names_the_words_as_they_were_typed(self, text: str, typed: str) -> None:
        violation = screen((Rule("weapon", ("gun*",), REASON),), {"detail": text})
        assert violation is not None
        assert violation.found == typed
        assert text[violation.start : violation.end] == typed

    def test_covers_the_whole_word_that_a_part_stands_in(self) -> None:
        assert found("eine Wasserwaffenkammer", "*waffe*") == "Wasserwaffenkammer"

    def test_covers_the_gap_of_a_phrase(self) -> None:
        assert found("no WARNING -- sign at all", "warning sign") == "WARNING -- sign"

    @given(st.text(max_size=40), st.text(max_size=40))
    def test_is_always_a_part_of_the_text(self, before: str, after: str) -> None:
        text = f"{before} gun {after}"
        violation = screen((Rule("weapon", ("gun",), REASON),), {"detail": text})
        assert violation is not None
        assert violation.found == text[violation.start : violation.end] != ""


class TestTheEndsOfATerm:
    @pytest.mark.parametrize(
        ("term", "text", "is_found"),
        [
            ("waffe", "Schusswaffe", False),
            ("*waffe", "Schusswaffe", True),
            ("*waffe", "Waffenschrank", False),
            ("waffe*", "Waffenschrank", True),
            ("waffe*", "Schusswaffe", False),
            ("*waffe*", "Schusswaffenschrank", True),
            ("*waffe*", "Waffe", True),
            ("*waffe*", "Waf fe", False),
            ("*warn schild*", "Gefahrenwarn Schilder", True),
            ("*warn schild", "Gefahrenwarn Schilder", False),
        ],
    )
    def test_say_where_the_word_may_go_on(self, term: str, text: str, is_found: bool) -> None:
        assert (found(text, term) is not None) is is_found


class TestScripts:
    @pytest.mark.parametrize(
        ("term", "text", "is_found"),
        [
            ("武器", "小さな武器店", True),
            ("武器", "小さな武 器店", True),
            ("武器", "小さな器武店", False),
            ("酒", "红酒杯", True),
            ("ปืน", "ร้านขายปืนเล็ก", True),
            ("ปืน", "ร้านขายปลา", False),
            ("अस्त्र", "एक अस्त्र यहाँ", True),
            ("अस्त्र", "एक अस्तर यहाँ", False),
            ("سلاح", "صورة سلاح صغير", True),
            ("سلاح", "صورة سِلَاح صغير", True),
            ("سلاح", "صورة سلاحف صغيرة", False),
            ("נשק", "תמונה של נשק קטן", True),
            ("총", "작은 총 하나", True),
        ],
    )
    def test_match_by_words_or_without_them(self, term: str, text: str, is_found: bool) -> None:
        assert (found(text, term) is not None) is is_found

    @pytest.mark.parametrize(
        "text",
        [
            "ɡun",
            "gυn",
            "ցun",  # Armenian
            "gꓴn",  # Lisu
            "Ꮐun",  # Cherokee
            "g\u1160un",  # a Hangul filler
            "\U0001f1ec\U0001f1fa\U0001f1f3",  # flags
            "g𝚞n",
            "ƃ gun",
            "g\ufe0fu\ufe0fn",
            "\u202egun\u202c",
        ],
    )
    def test_that_look_alike_read_alike(self, text: str) -> None:
        assert found(text, "gun") is not None

    @pytest.mark.parametrize("text", ["hang un", "begun", "gunn", "gum", "2 x 9 un"])
    def test_leave_other_words_alone(self, text: str) -> None:
        assert found(text, "gun") is None


class TestReadings:
    def test_are_one_for_a_plain_text(self) -> None:
        assert [each.text for each in folding.readings("a red mug")] == [" a red mug "]

    @given(st.text(max_size=120))
    def test_keep_one_place_for_each_letter(self, text: str) -> None:
        for reading in folding.readings(text):
            assert len(reading.text) == len(reading.places)
            assert all(-1 <= place < len(text) for place in reading.places)
