"""A scoring policy as data: its shape, and which rules it comes to for one order; pure.

One document holds the rules of the brand, and what is judged otherwise for a template or in a
market. A rule of a section takes the place of the brand's rule for the same scorer, whole. The
order is fixed: the brand, then the template, then the market, whose law has the last word.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from templates.brands import markets, shapes

POLICY_SCHEMA = Path(__file__).with_name("scoring.schema.json")
# What a policy may hold besides the rules of the whole brand.
SECTIONS = ("markets", "templates", "concepts", "cascades")
# A rule that names no version of its scorer was written for the first.
FIRST_VERSION = "1"

BRAND = "brand"
MARKET = "market"
TEMPLATE = "template"

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EffectiveRule:
    """One rule as it holds for an order, and which part of the policy it is from.

    `source` is brand, market or template; an advisory rule flags where it would refuse.
    """

    scorer: str
    threshold: float
    severity: str
    version: str
    is_advisory: bool
    source: str

    @property
    def outcome(self) -> str:
        """Return what a miss leads to: flag or refuse."""
        return "flag" if self.is_advisory else self.severity


def policy_problems(document: object, *, under: str = "") -> list[shapes.Problem]:
    """List what keeps a document from being a scoring policy."""
    found = shapes.problems(shapes.load(POLICY_SCHEMA), document, under=under)
    if found or not isinstance(document, Mapping):
        return found
    countries = document.get("markets", {})
    for code in countries:
        found += markets.code_problems([code], under=f"{under}/markets", name=code)
    for place, rules in _rules(document):
        found += [
            shapes.Problem(
                under + place + shapes.pointer_to(scorer, "threshold"),
                "type",
                "A threshold must be finite.",
            )
            for scorer, rule in rules.items()
            if not math.isfinite(rule["threshold"])
        ]
    found += _concept_problems(document.get("concepts", []), under=f"{under}/concepts")
    return found + _cascade_problems(document.get("cascades", []), under=f"{under}/cascades")


def policy_of(document: object) -> dict[str, Any]:
    """Read a policy from data, in the order of its names; what is empty is left out.

    Raises: InvalidInput naming the field and the rule of its shape.
    """
    shapes.require(policy_problems(document))
    given: Any = document
    written: dict[str, Any] = {
        "advisory": given["advisory"],
        "thresholds": _written(given["thresholds"]),
    }
    for name in ("markets", "templates"):
        if given.get(name):
            written[name] = {key: _section(given[name][key]) for key in sorted(given[name])}
    if given.get("concepts"):
        written["concepts"] = [_concept(each) for each in given["concepts"]]
    if given.get("cascades"):
        written["cascades"] = [
            {**each, "from": float(each["from"]), "to": float(each["to"])}
            for each in given["cascades"]
        ]
    return written


def scorers_of(document: Document) -> frozenset[str]:
    """Return every scorer that a policy names, in a rule or for a second opinion."""
    named = {scorer for _place, rules in _rules(document) for scorer in rules}
    for cascade in document.get("cascades", []):
        named |= {cascade["first"], cascade["second"]}
    return frozenset(named)


def rules_with_places(document: Document) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield every rule of a policy as its JSON pointer, its scorer and itself."""
    for place, rules in _rules(document):
        for scorer, rule in rules.items():
            yield place + shapes.pointer_to(scorer), scorer, rule


def effective(
    document: Document, *, market: str = "", template_slug: str = ""
) -> tuple[EffectiveRule, ...]:
    """Return the rules that hold for an order of one market and one template, by scorer.

    >>> rule = {"threshold": 0.5, "severity": "refuse"}
    >>> strict = {"thresholds": {"safety": {"threshold": 0.2, "severity": "refuse"}}}
    >>> policy = {"advisory": False, "thresholds": {"safety": rule}, "markets": {"DE": strict}}
    >>> [(r.threshold, r.source) for r in effective(policy, market="DE")]
    [(0.2, 'market')]
    """
    found: dict[str, EffectiveRule] = {}
    for source, section in (
        (BRAND, document),
        (TEMPLATE, document.get("templates", {}).get(template_slug)),
        (MARKET, document.get("markets", {}).get(market)),
    ):
        if section is not None:
            found |= {rule.scorer: rule for rule in rules_in(document, section, source)}
    return tuple(found[scorer] for scorer in sorted(found))


def resolve(
    document: Document, *, market: str = "", template_slug: str = ""
) -> dict[str, dict[str, Any]]:
    """Return what an order's images are judged by: {scorer: {threshold, severity, version}}.

    What is advisory has the severity flag here.
    """
    return {
        rule.scorer: {
            "threshold": rule.threshold,
            "severity": rule.outcome,
            "version": rule.version,
        }
        for rule in effective(document, market=market, template_slug=template_slug)
    }


def rules_in(document: Document, section: Document, source: str) -> Iterator[EffectiveRule]:
    """Yield the rules of one section as they hold; the policy's word counts where it has none."""
    usual = section.get("advisory", document["advisory"])
    for scorer, rule in section["thresholds"].items():
        yield EffectiveRule(
            scorer=scorer,
            threshold=float(rule["threshold"]),
            severity=str(rule["severity"]),
            version=str(rule.get("version", FIRST_VERSION)),
            is_advisory=bool(rule.get("advisory", usual)),
            source=source,
        )


def _rules(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every set of rules with the pointer to it."""
    yield "/thresholds", document["thresholds"]
    for name in ("markets", "templates"):
        for key, section in document.get(name, {}).items():
            yield shapes.pointer_to(name, key, "thresholds"), section["thresholds"]


def _written(rules: Mapping[str, Any]) -> dict[str, Any]:
    return {
        scorer: {
            "threshold": float(rule["threshold"]),
            "severity": rule["severity"],
            **{name: rule[name] for name in ("version", "advisory") if name in rule},
        }
        for scorer, rule in sorted(rules.items())
    }


def _section(section: Mapping[str, Any]) -> dict[str, Any]:
    said = {"advisory": section["advisory"]} if "advisory" in section else {}
    return {**said, "thresholds": _written(section["thresholds"])}


def _concept(concept: Mapping[str, Any]) -> dict[str, Any]:
    against = {"against": list(concept["against"])} if concept.get("against") else {}
    return {"name": concept["name"], "prompts": list(concept["prompts"]), **against}


def _concept_problems(concepts: Any, *, under: str) -> list[shapes.Problem]:
    names = [concept["name"] for concept in concepts]
    return [
        shapes.Problem(
            under + shapes.pointer_to(at, "name"),
            "uniqueItems",
            f"The concept {shapes.shown(name)} stands here twice.",
        )
        for at, name in enumerate(names)
        if name in names[:at]
    ]


def _cascade_problems(cascades: Any, *, under: str) -> list[shapes.Problem]:
    """Hold to two stages: a scorer gives one second opinion, and asks for none itself then."""
    found = []
    seconds = [cascade["second"] for cascade in cascades]
    for at, cascade in enumerate(cascades):
        place = under + shapes.pointer_to(at)
        if cascade["first"] == cascade["second"]:
            detail = "A scorer cannot give a second opinion on itself."
            found.append(shapes.Problem(f"{place}/second", "other", detail))
        elif cascade["first"] in seconds:
            detail = f"{cascade['first']} gives a second opinion itself, so it asks for none."
            found.append(shapes.Problem(f"{place}/first", "stages", detail))
        if cascade["second"] in seconds[:at]:
            detail = f"{cascade['second']} gives a second opinion more than once."
            found.append(shapes.Problem(f"{place}/second", "uniqueItems", detail))
        if not cascade["from"] <= cascade["to"]:
            detail = "The band of a cascade goes from the lower to the higher value."
            found.append(shapes.Problem(f"{place}/to", "order", detail))
    return found
