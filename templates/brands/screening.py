"""Screens texts against a brand's rules; pure, and blind to the usual ways of hiding a word.

Text and terms are folded alike (see folding), so what reads alike counts as the same word. A term
matches whole words, one of several words matches them in a row. A `*` at an end lets the word go
on there: `hazard*` begins a word, `*waffe` ends one, `*waffe*` stands anywhere in a compound. In
scripts without spaces between words (Chinese, Japanese, Thai …) a term matches wherever its
letters stand in a row. A rule may be limited to markets and languages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from templates.brands import folding, markets, shapes
from templates.brands.markets import Market

RULES_SCHEMA = Path(__file__).with_name("rules.schema.json")
# What one set of rules may hold in all, and what one text may: screening stays quick while typing.
MAX_TERMS = 20_000
MAX_TEXT = 4000
MAX_FOUND = 20
_MIN_LETTERS = 2
# Letters apart are searched for words of this length: "S M L" holds no "ml".
_MIN_LETTERS_SPELLED = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a brand does not say: a category, its terms, and the reason in plain words.

    It holds in every market and language unless it names some.
    """

    category: str
    terms: tuple[str, ...]
    reason: str
    markets: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a text breaks: which term of which rule, in which field, and where there.

    `found` is the part of the text as it was typed, from `start` to before `end` in code points.
    """

    category: str
    term: str
    reason: str
    field: str
    found: str = ""
    start: int = 0
    end: int = 0


def rules_of(document: object) -> tuple[Rule, ...]:
    """Read rules from data. Raises: InvalidInput naming the field and the rule of its shape."""
    shapes.require(rule_problems(document))
    rules: Any = document
    return tuple(
        Rule(
            category=rule["category"],
            terms=tuple(rule["terms"]),
            reason=rule["reason"],
            markets=tuple(rule.get("markets", ())),
            languages=tuple(rule.get("languages", ())),
        )
        for rule in rules
    )


def rule_problems(document: object, *, under: str = "") -> list[shapes.Problem]:
    """List what keeps a document from being a list of rules, a term without a word included."""
    found = shapes.problems(shapes.load(RULES_SCHEMA), document, under=under)
    if found or not isinstance(document, list):
        return found
    for at, rule in enumerate(document):
        place = under + shapes.pointer_to(at)
        found += markets.code_problems(rule.get("markets", ()), under=f"{place}/markets")
        found += markets.language_problems(rule.get("languages", ()), under=f"{place}/languages")
        found += [
            shapes.Problem(f"{place}/terms/{n}", *problem)
            for n, term in enumerate(rule["terms"])
            if (problem := _term_problem(term)) is not None
        ]
    if sum(len(rule["terms"]) for rule in document) > MAX_TERMS:
        detail = f"A set of rules may have at most {MAX_TERMS} terms in all."
        found.append(shapes.Problem(under, "maxTerms", detail))
    return found


def document_of(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Write rules as data, the inverse of `rules_of`; what limits nothing is left out."""
    return [
        {
            "category": rule.category,
            "terms": list(rule.terms),
            "reason": rule.reason,
            **({"markets": list(rule.markets)} if rule.markets else {}),
            **({"languages": list(rule.languages)} if rule.languages else {}),
        }
        for rule in rules
    ]


def screen(
    rules: Sequence[Rule], texts: Mapping[str, str], market: Market | None = None
) -> Violation | None:
    r"""Find the first violation, by the order of the texts, then of the rules and their terms.

    `market` is where the image is to be shown; without one every rule holds.
    Raises: InvalidInput for a text of more than MAX_TEXT characters.

    >>> rules = (Rule("hazard", ("hazard",), "No hazard signs."),)
    >>> screen(rules, {"detail": "a HAZ\u200bARD badge"}).term
    'hazard'
    >>> screen(rules, {"detail": "a haphazard stack"}) is None
    True
    """
    return next(iter(screen_all(rules, texts, market, most=1)), None)


def screen_all(
    rules: Sequence[Rule],
    texts: Mapping[str, str],
    market: Market | None = None,
    *,
    most: int = MAX_FOUND,
) -> tuple[Violation, ...]:
    """Find up to `most` violations, each place of each rule once. Raises: as `screen`."""
    holding = [rule for rule in rules if markets.holds_in(market, rule.markets, rule.languages)]
    found: list[Violation] = []
    for field, text in texts.items():
        shapes.require(_length_problems(field, text))
        for violation in _violations(holding, field, text):
            found.append(violation)
            if len(found) >= most:
                return tuple(found)
    return tuple(found)


def _violations(rules: Sequence[Rule], field: str, text: str) -> Iterator[Violation]:
    ways = folding.readings(text)
    for rule in rules:
        seen: set[folding.Place] = set()
        for term in rule.terms:
            for way in ways:
                for place in _places(way, term, text):
                    if place in seen:
                        continue
                    seen.add(place)
                    yield Violation(
                        rule.category,
                        term,
                        rule.reason,
                        field,
                        text[place.start : place.end],
                        place.start,
                        place.end,
                    )


def _places(way: folding.Reading, term: str, text: str) -> Iterator[folding.Place]:
    wanted, is_inside = _wanted(term)
    if not way.is_spelled:
        find = folding.places_inside if is_inside else folding.places_of
        yield from find(way, wanted, text)
    elif len(letters := wanted.replace(" ", "")) >= _MIN_LETTERS_SPELLED:
        yield from folding.places_inside(way, letters, text)


@lru_cache(maxsize=65_536)
def _wanted(term: str) -> tuple[str, bool]:
    """Return what to look for in a reading, and whether borders of words do not matter there."""
    body = term.strip("*")
    words = folding.words_of(body)
    if folding.is_unspaced(body):
        return "".join(words), True
    before, after = ("" if end == "*" else " " for end in (term[:1], term[-1:]))
    return f"{before}{' '.join(words)}{after}", False


def _term_problem(term: str) -> tuple[str, str] | None:
    body = term.strip("*")
    letters = "".join(folding.words_of(body))
    if not letters:
        return "word", f"{shapes.shown(term)} holds no word that a text could contain."
    if "*" in body:
        return "pattern", f"{shapes.shown(term)} has a * inside: it may stand at the ends only."
    if len(letters) < _MIN_LETTERS and not folding.is_unspaced(body):
        return "minLength", f"{shapes.shown(term)} needs at least {_MIN_LETTERS} letters."
    return None


def _length_problems(field: str, text: str) -> list[shapes.Problem]:
    if len(text) <= MAX_TEXT:
        return []
    pointer = shapes.pointer_to("variables", field) if field else "/variables"
    detail = f"A text of {len(text)} characters is not screened; the limit is {MAX_TEXT}."
    return [shapes.Problem(pointer, "maxLength", detail)]
