"""Folds a text to what a reader sees in it, and remembers where each letter stood; pure.

A text has several readings: as it stands, with digits and signs read as letters ("h4zard"), with
letters set apart or pieces joined by signs read as one word ("h a z a r d", "haz-ard"). What reads
alike becomes the same letters: compatibility forms, case, accents, invisible characters, turned
and enclosed letters, look-alikes of other scripts. Source of the look-alikes: the confusables of
Unicode Technical Standard 39, which the package confusable-homoglyphs ships, and a few more that
fonts draw alike.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files

# A letter of a reading and its place in the text; words are runs of them.
Word = tuple[str, tuple[int, ...]]

# Before the data of UTS 39, which knows no case: small letters, then capitals as they stand.
_LOOK_ALIKES = {
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "н": "h", "і": "i", "ј": "j",
    "к": "k", "ӏ": "l", "м": "m", "п": "n", "о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s",
    "т": "t", "у": "y", "х": "x", "ѵ": "v", "ԝ": "w",
    "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p",
    "τ": "t", "υ": "u", "χ": "x", "ϲ": "c", "γ": "y", "ω": "w",
    "ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ɑ": "a", "ɡ": "g", "ɩ": "i",
    "æ": "ae", "œ": "oe",
    "ɐ": "a", "ǝ": "e", "ə": "e", "ɥ": "h", "ᴉ": "i", "ʞ": "k", "ɹ": "r", "ʇ": "t", "ʌ": "v",
    "ʍ": "w", "ʎ": "y",
}  # fmt: skip
_LOOK_ALIKE_CAPITALS = dict(
    zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹАВЕКМНОРСТУХЅІЈ", "abezhikmnoptyxcabekmhopctyxsij", strict=True)
)
# Letters in circles, squares and flags that have no compatibility form.
_ENCLOSED = {
    chr(first + n): chr(ord("a") + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)
}
# What a digit or sign stands for inside a word; "1" and "!" are read once as i and once as l.
_STAND_INS = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a"}
_STAND_INS |= {"$": "s", "€": "e", "£": "l"}
_READINGS_OF_ONE = ("i", "l")
_ONES = "1!|"
_SIGNS = frozenset("@$!€£|")
_UNSEEN_CATEGORIES = frozenset({"Cf", "Cc", "Cn", "Co", "Cs"})
_MIN_LETTERS_APART = 3

# Default-ignorable code points (Unicode, DerivedCoreProperties): they are letters or marks by
# category, but nobody sees them.
INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0x00AD, 0x00AD),
        (0x034F, 0x034F),
        (0x061C, 0x061C),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFF8),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
    )
    for code in range(first, last + 1)
)
# Scripts that put no space between words: there a term stands wherever its letters do.
_UNSPACED = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ")
# Scripts whose marks are vowels, not ornaments: there they are part of the word.
_VOWEL_MARKS = (
    "DEVANAGARI ", "BENGALI ", "GURMUKHI ", "GUJARATI ", "ORIYA ", "TAMIL ", "TELUGU ", "KANNADA ",
    "MALAYALAM ", "SINHALA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a text: its words between single spaces, and where each letter stood.

    `is_spelled`: its words are letters that stood apart in the text, "a g u n", so a term may begin
    and end anywhere in them.
    """

    text: str
    places: tuple[int, ...]
    is_spelled: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a text, in code points; half open."""

    start: int
    end: int


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text as it stands, folded.

    >>> words_of("Häz\u200bARD-sign")
    ('hazard', 'sign')
    """
    return tuple(word for word, _places in _split(_folded(text, capitals=False)))


def is_unspaced(text: str) -> bool:
    """Tell whether a text is written in a script that puts no space between words.

    >>> is_unspaced("危険"), is_unspaced("危険 sign"), is_unspaced("hazard")
    (True, False, False)
    """
    letters = [c for c in unicodedata.normalize("NFKC", text) if c.isalpha()]
    return bool(letters) and all(_name(c).startswith(_UNSPACED) for c in letters)


def readings(text: str) -> tuple[Reading, ...]:
    """Return the ways to read a text, the plainest first, each once.

    Capitals of Greek and Cyrillic look like other Latin letters than their small forms do (Η, η),
    so both are tried.
    """
    found: dict[tuple[str, bool], Reading] = {}
    for capitals in (False, True):
        letters = _folded(text, capitals=capitals)
        plain = _split(letters)
        joined = _join_letters(plain)
        closed = _split(_closed_up(letters))
        ways = [plain, joined, closed]
        for one in _READINGS_OF_ONE:
            ways.append(_split(_as_letters(letters, one)))
            ways += [[_word_as_letters(word, one) for word in each] for each in (joined, closed)]
            ways.append(_split(_as_letters(_closed_up(letters, keep=_SIGNS), one)))
        for way in ways:
            reading = _reading(way)
            found.setdefault((reading.text, False), reading)
        spelled = [word for word in joined if word not in plain]
        for way in (
            spelled,
            *([_word_as_letters(w, one) for w in spelled] for one in _READINGS_OF_ONE),
        ):
            if way:
                reading = replace(_reading(way), is_spelled=True)
                found.setdefault((reading.text, True), reading)
    return tuple(found.values())


def places_of(reading: Reading, wanted: str, text: str) -> Iterator[Place]:
    """Yield where `wanted`, a part of a reading's text, stands in the text, as whole words.

    A `wanted` that neither begins nor ends with a space is grown to the words that it is part of.
    """
    at = reading.text.find(wanted)
    while at >= 0:
        first = reading.text.rfind(" ", 0, at + 1) + 1
        last = reading.text.find(" ", at + len(wanted) - 1)
        yield _place(reading.places[first:last], text)
        at = reading.text.find(wanted, at + 1)


def places_inside(reading: Reading, wanted: str, text: str) -> Iterator[Place]:
    """Yield where the letters of `wanted` stand in a row, over the borders of words too."""
    run = [(c, place) for c, place in zip(reading.text, reading.places, strict=True) if place >= 0]
    letters = "".join(c for c, _place in run)
    at = letters.find(wanted)
    while at >= 0:
        yield _place([place for _c, place in run[at : at + len(wanted)]], text)
        at = letters.find(wanted, at + 1)


def _place(places: Sequence[int], text: str) -> Place:
    """Return the part of a text, with the unseen characters and marks behind its last letter."""
    seen = [place for place in places if place >= 0]
    end = max(seen) + 1
    while end < len(text) and (
        text[end] in INVISIBLE or unicodedata.category(text[end]) in {"Mn", "Me", "Mc", "Cf"}
    ):
        end += 1
    return Place(min(seen), end)


def _reading(words: Iterable[Word]) -> Reading:
    text, places = " ", [-1]
    for word, where in words:
        text += word + " "
        places += [*where, -1]
    return Reading(text, tuple(places))


def _folded(text: str, *, capitals: bool) -> list[tuple[str, int]]:
    """Fold each character by itself, so that its place is known; a space stays a space."""
    letters: list[tuple[str, int]] = []
    for place, c in enumerate(text):
        if c in "\t\n\r\v\f\x85\u2028\u2029":
            letters.append((" ", place))
            continue
        for folded in _fold(c, capitals):
            if unicodedata.category(folded)[0] == "M" and not (
                letters and _is_vowel_of(folded, letters[-1][0])
            ):
                continue
            letters.append((folded, place))
    return letters


@lru_cache(maxsize=8192)
def _fold(c: str, capitals: bool) -> str:
    """Fold one character: NFKD, case, look-alikes, without what is invisible."""
    if capitals and c in _LOOK_ALIKE_CAPITALS:
        return _LOOK_ALIKE_CAPITALS[c]
    if c in _ENCLOSED:
        return _ENCLOSED[c]
    if capitals and c in _confusables():
        return _confusables()[c]
    small = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", c).casefold()).casefold()
    return "".join(_look_alike(each) for each in small if not _is_unseen(each))


def _look_alike(c: str) -> str:
    return c if c.isascii() else _LOOK_ALIKES.get(c) or _confusables().get(c, c)


def _is_unseen(c: str) -> bool:
    return c in INVISIBLE or unicodedata.category(c) in _UNSEEN_CATEGORIES


@cache
def _confusables() -> dict[str, str]:
    """Return what reads as basic letters, from the data of UTS 39.

    A stroke that could be an i as well as an l becomes a 1, which is read as both.
    """
    resource = files("confusable_homoglyphs").joinpath("confusables.json")
    listed: dict[str, list[dict[str, str]]] = json.loads(resource.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for key, alike in listed.items():
        c = key.strip("\u200e")
        if len(c) != 1 or c.isascii():
            continue
        basic = [each["c"] for each in alike if each["c"].isascii() and each["c"].isalnum()]
        short = [each.casefold() for each in basic if len(each) <= 2]  # noqa: PLR2004 - "ae", "oo"
        if short:
            found[c] = "1" if short[0] == "l" else short[0]
    return found


@lru_cache(maxsize=8192)
def _name(c: str) -> str:
    return unicodedata.name(c, "")


def _is_vowel_of(mark: str, base: str) -> bool:
    script = next((each for each in _VOWEL_MARKS if _name(mark).startswith(each)), None)
    return script is not None and _name(base).startswith(script)


def _is_of_a_word(c: str) -> bool:
    return c.isalnum() or unicodedata.category(c)[0] == "M"


def _split(letters: Sequence[tuple[str, int]]) -> list[Word]:
    found: list[Word] = []
    run: list[tuple[str, int]] = []
    for c, place in [*letters, (" ", -1)]:
        if _is_of_a_word(c):
            run.append((c, place))
        elif run:
            found.append(_word(run))
            run = []
    return found


def _word(run: Sequence[tuple[str, int]]) -> Word:
    return "".join(c for c, _place in run), tuple(place for _c, place in run)


def _closed_up(
    letters: Sequence[tuple[str, int]], keep: frozenset[str] = frozenset()
) -> list[tuple[str, int]]:
    """Leave out single signs between two letters: "haz-ard", "haz.ard"."""
    return [
        (c, place)
        for n, (c, place) in enumerate(letters)
        if c.isspace()
        or c in keep
        or _is_of_a_word(c)
        or not (
            0 < n < len(letters) - 1
            and _is_of_a_word(letters[n - 1][0])
            and _is_of_a_word(letters[n + 1][0])
        )
    ]


def _as_letters(letters: Sequence[tuple[str, int]], one: str) -> list[tuple[str, int]]:
    """Read digits and signs as letters, but only in pieces that hold a letter: "2 x 450" stays."""
    found: list[tuple[str, int]] = []
    piece: list[tuple[str, int]] = []
    for c, place in letters:
        if _is_of_a_word(c) or c in _SIGNS:
            piece.append((c, place))
            continue
        found += [*_piece_as_letters(piece, one), (c, place)]
        piece = []
    return found + _piece_as_letters(piece, one)


def _word_as_letters(word: Word, one: str) -> Word:
    return _word(_piece_as_letters(list(zip(*word, strict=True)), one))


def _piece_as_letters(piece: list[tuple[str, int]], one: str) -> list[tuple[str, int]]:
    if not any(c.isalpha() for c, _place in piece):
        return piece
    # A sign at the end is punctuation ("sale!"), not a letter.
    body = len(piece)
    while body and piece[body - 1][0] == "!":
        body -= 1
    return [
        (one if c in _ONES else _STAND_INS.get(c, c), place) for c, place in piece[:body]
    ] + piece[body:]


def _join_letters(words: Sequence[Word]) -> list[Word]:
    """Join runs of single letters: three or more of them do not stand apart by chance."""
    found: list[Word] = []
    run: list[Word] = []
    for word in [*words, None]:
        if word is not None and len(word[0]) == 1:
            run.append(word)
            continue
        if len(run) >= _MIN_LETTERS_APART:
            text = "".join(letter for letter, _places in run)
            found.append((text, tuple(place for _letter, places in run for place in places)))
        else:
            found += run
        run = []
        if word is not None:
            found.append(word)
    return found
