"""Screens texts against a brand's rules; pure, and blind to the usual ways of hiding a word.

Text and terms are folded alike, so what reads alike counts as the same word: compatibility forms,
case, accents, invisible characters, look-alike letters of other scripts, digits and signs standing
for letters ("h4zard") and letters set apart ("h a z a r d"). A term matches whole words; one that
ends in `*` matches every word that begins so; one of several words matches them in a row.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from templates.brands import shapes

RULES_SCHEMA = Path(__file__).with_name("rules.schema.json")

# Letters of Cyrillic, Greek and extended Latin that read as a basic Latin one; a choice from the
# confusables of Unicode Technical Standard 39. Applied after case folding.
_LOOK_ALIKES = str.maketrans(
    {
        "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "н": "h", "і": "i", "ј": "j",
        "к": "k", "ӏ": "l", "м": "m", "п": "n", "о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s",
        "т": "t", "у": "y", "х": "x", "ѵ": "v", "ԝ": "w",
        "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p",
        "τ": "t", "υ": "u", "χ": "x", "ϲ": "c", "γ": "y", "ω": "w",
        "ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ɑ": "a", "ɡ": "g", "ɩ": "i",
        "æ": "ae", "œ": "oe",
    }
)  # fmt: skip
_LOOK_ALIKE_CAPITALS = str.maketrans(
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹАВЕКМНОРСТУХЅІЈ", "abezhikmnoptyxcabekmhopctyxsij"
)
# What a digit or sign stands for inside a word; "1" and "!" are read once as i and once as l.
_STAND_INS = {
    "0": "o",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
}
_STAND_IN_READINGS = (
    str.maketrans({**_STAND_INS, "1": "i", "!": "i"}),
    str.maketrans({**_STAND_INS, "1": "l", "!": "l"}),
)
_SIGNS = frozenset("@$!")
_UNSEEN_CATEGORIES = frozenset({"Mn", "Me", "Cf", "Cc", "Cn", "Co"})
_MIN_LETTERS_APART = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a brand does not say: a category, its terms, and the reason in plain words."""

    category: str
    terms: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Violation:
    """The first rule that a text breaks: which term of which rule, and in which field."""

    category: str
    term: str
    reason: str
    field: str


def rules_of(document: object) -> tuple[Rule, ...]:
    """Read rules from data. Raises: InvalidInput naming the field and the rule of its shape."""
    shapes.require(rule_problems(document))
    rules: Any = document
    return tuple(
        Rule(category=rule["category"], terms=tuple(rule["terms"]), reason=rule["reason"])
        for rule in rules
    )


def rule_problems(document: object, *, under: str = "") -> list[shapes.Problem]:
    """List what keeps a document from being a list of rules, a term without a word included."""
    found = shapes.problems(shapes.load(RULES_SCHEMA), document, under=under)
    if found or not isinstance(document, list):
        return found
    return [
        shapes.Problem(
            under + shapes.pointer_to(at, "terms", place),
            "word",
            f"{shapes.shown(term)} holds no word that a text could contain.",
        )
        for at, rule in enumerate(document)
        for place, term in enumerate(rule["terms"])
        if not any(_words(term.removesuffix("*")))
    ]


def document_of(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Write rules as data, the inverse of `rules_of`."""
    return [
        {"category": rule.category, "terms": list(rule.terms), "reason": rule.reason}
        for rule in rules
    ]


def screen(rules: Sequence[Rule], texts: Mapping[str, str]) -> Violation | None:
    r"""Find the first violation, by the order of the texts, then of the rules and their terms.

    >>> rules = (Rule("hazard", ("hazard",), "No hazard signs."),)
    >>> screen(rules, {"detail": "a HAZ\u200bARD badge"}).term
    'hazard'
    >>> screen(rules, {"detail": "a haphazard stack"}) is None
    True
    """
    for field, text in texts.items():
        readings = [(words, frozenset(words)) for words in _readings(text)]
        for rule in rules:
            for term in rule.terms:
                if any(_contains(words, known, term) for words, known in readings):
                    return Violation(rule.category, term, rule.reason, field)
    return None


def _contains(words: tuple[str, ...], known: frozenset[str], term: str) -> bool:
    """Tell whether the words hold the term; `known` are the same words, for a quick no."""
    wanted, is_prefix = _term(term)
    if not wanted or not known.issuperset(wanted[:-1] if is_prefix else wanted):
        return False
    *head, last = wanted
    for start in range(len(words) - len(wanted) + 1):
        end = words[start + len(wanted) - 1]
        if words[start : start + len(head)] == tuple(head) and (
            end.startswith(last) if is_prefix else end == last
        ):
            return True
    return False


@lru_cache(maxsize=65_536)
def _term(term: str) -> tuple[tuple[str, ...], bool]:
    """Read a term: its words, and whether the last one stands for all that begin so."""
    return tuple(_words(term.removesuffix("*"))), term.endswith("*")


def _readings(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the ways to read a text: as it stands, with stand-ins as letters, with letters joined.

    Capitals of Greek and Cyrillic look like other Latin letters than their small forms do (Η, η),
    so both are tried.
    """
    seen: set[tuple[str, ...]] = set()
    for folded in (_fold(text), _fold(text.translate(_LOOK_ALIKE_CAPITALS))):
        joined = tuple(_join_letters(tuple(_split(folded))))
        ways = [tuple(_split(folded)), joined]
        for reading in _STAND_IN_READINGS:
            ways.append(tuple(_split(_read_stand_ins(folded, reading))))
            ways.append(tuple(_read_piece(word, reading) for word in joined))
        for way in ways:
            if way not in seen:
                seen.add(way)
                yield way


def _words(text: str) -> Iterator[str]:
    return _split(_fold(text))


def _fold(text: str) -> str:
    """Fold to what a reader sees: NFKC, case, no accents, nothing invisible, Latin look-alikes."""
    compatible = unicodedata.normalize("NFKC", text).casefold()
    decomposed = unicodedata.normalize("NFKD", compatible.translate(_LOOK_ALIKES))
    seen = "".join(
        c for c in decomposed if c in "\t\n\r" or unicodedata.category(c) not in _UNSEEN_CATEGORIES
    )
    return seen.casefold().translate(_LOOK_ALIKES)


def _split(folded: str) -> Iterator[str]:
    word = ""
    for c in folded:
        if c.isalnum():
            word += c
        elif word:
            yield word
            word = ""
    if word:
        yield word


def _read_stand_ins(folded: str, reading: dict[int, str]) -> str:
    """Read digits and signs as letters, but only in pieces that hold a letter: "2 x 450" stays."""
    pieces: list[str] = []
    piece = ""
    for c in folded:
        if c.isalnum() or c in _SIGNS:
            piece += c
            continue
        pieces += [_read_piece(piece, reading), c]
        piece = ""
    return "".join([*pieces, _read_piece(piece, reading)])


def _read_piece(piece: str, reading: dict[int, str]) -> str:
    if not any(c.isalpha() for c in piece):
        return piece
    # A sign at the end is punctuation ("sale!"), not a letter.
    body = piece.rstrip("!")
    return body.translate(reading) + piece[len(body) :]


def _join_letters(words: Sequence[str]) -> Iterator[str]:
    """Join runs of single letters: three or more of them do not stand apart by chance."""
    run: list[str] = []
    for word in words:
        if len(word) == 1:
            run.append(word)
            continue
        yield from _ended(run)
        run = []
        yield word
    yield from _ended(run)


def _ended(run: list[str]) -> Iterator[str]:
    if len(run) >= _MIN_LETTERS_APART:
        yield "".join(run)
    else:
        yield from run
