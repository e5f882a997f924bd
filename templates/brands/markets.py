"""Markets of a brand: where images are to be shown, and in which languages; pure.

A market is an ISO 3166-1 country with its languages (BCP 47). What is limited to a market or a
language holds there; an order without a market is held to everything: when unsure, refuse.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from templates.brands.shapes import Problem, pointer_to, shown

MAX_MARKETS = 60
MAX_LANGUAGES = 8
# ISO 3166-1 alpha-2, the officially assigned codes.
_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR "
    "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ "
    "EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW "
    "GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY "
    "KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV "
    "MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY "
    "QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG "
    "TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM "
    "ZW"
)
COUNTRIES = frozenset(_CODES.split())
# The part of BCP 47 (RFC 5646) that names a language for readers: language, script, region.
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Market:
    """One country, and the languages that are read there, the main one first."""

    code: str
    languages: tuple[str, ...]


def markets_of(document: Sequence[Mapping[str, Any]]) -> tuple[Market, ...]:
    """Read markets that were checked before.

    >>> markets_of([{"code": "CH", "languages": ["de", "fr"]}])
    (Market(code='CH', languages=('de', 'fr')),)
    """
    return tuple(Market(each["code"], tuple(each["languages"])) for each in document)


def document_of(markets: Iterable[Market]) -> list[dict[str, Any]]:
    """Write markets as data, the inverse of `markets_of`."""
    return [{"code": each.code, "languages": list(each.languages)} for each in markets]


def market_problems(markets: Sequence[Market], *, under: str = "/markets") -> list[Problem]:
    """List what is wrong with a brand's markets: unknown codes, none or double ones."""
    found = []
    if len(markets) > MAX_MARKETS:
        found.append(Problem(under, "maxItems", f"A brand has at most {MAX_MARKETS} markets."))
    for at, market in enumerate(markets):
        found += code_problems([market.code], under=under + pointer_to(at), name="code")
        place = under + pointer_to(at, "languages")
        if not 1 <= len(market.languages) <= MAX_LANGUAGES:
            detail = f"A market has 1 to {MAX_LANGUAGES} languages."
            found.append(Problem(place, "minItems", detail))
        found += language_problems(market.languages, under=place)
        if market.code in [each.code for each in markets[:at]]:
            detail = f"The market {market.code} stands here twice."
            found.append(Problem(under + pointer_to(at, "code"), "uniqueItems", detail))
    return found


def code_problems(codes: Iterable[str], *, under: str, name: object = None) -> list[Problem]:
    """List the codes that ISO 3166-1 does not know; `name` points to one code by its key."""
    return [
        Problem(
            under + pointer_to(at if name is None else name),
            "country",
            f"{shown(code)} is no country code: write ISO 3166-1 alpha-2, such as DE.",
        )
        for at, code in enumerate(codes)
        if code not in COUNTRIES
    ]


def language_problems(languages: Iterable[str], *, under: str) -> list[Problem]:
    """List what is no language tag."""
    return [
        Problem(
            under + pointer_to(at),
            "language",
            f"{shown(tag)} is no language: write it as BCP 47 does, such as de or pt-BR.",
        )
        for at, tag in enumerate(languages)
        if not LANGUAGE.fullmatch(tag)
    ]


def holds_in(market: Market | None, markets: Sequence[str], languages: Sequence[str]) -> bool:
    """Tell whether what is limited to `markets` and `languages` holds for an order.

    None limits nothing, neither as the order's market nor as an empty list. A language holds for
    its regions and for itself in general, as "de" and "de-AT" do for each other.

    >>> austria = Market("AT", ("de-AT",))
    >>> holds_in(austria, ["DE", "AT"], []), holds_in(austria, [], ["de"])
    (True, True)
    >>> holds_in(None, ["DE"], [])
    True
    >>> holds_in(austria, ["DE"], []), holds_in(austria, [], ["fr"])
    (False, False)
    """
    if market is None:
        return True
    if markets and market.code not in markets:
        return False
    return not languages or any(
        _covers(one, other) or _covers(other, one)
        for one in languages
        for other in market.languages
    )


def _covers(wide: str, narrow: str) -> bool:
    return narrow == wide or narrow.startswith(f"{wide}-")
