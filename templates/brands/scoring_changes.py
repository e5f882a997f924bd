"""What one scoring policy changes against another, and what a section changes within one; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from templates.brands import scoring
from templates.brands.scoring import Document, EffectiveRule

Direction = Literal["better", "worse"]
Effect = Literal["added", "removed", "stricter", "looser", "mixed", "other"]
Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One rule before and after, and what the change comes to.

    `scope` is (brand, ""), (template, slug) or (market, code). `effect` is stricter or looser where
    that can be told, mixed where one part is stricter and another looser, other where it cannot:
    the version changed, or nobody knows which way the scorer points.
    """

    scope: Scope
    scorer: str
    before: EffectiveRule | None
    after: EffectiveRule | None
    effect: Effect


def changes(
    before: Document | None, after: Document, directions: Mapping[str, Direction]
) -> tuple[Change, ...]:
    """List the rules that differ between two policies, scope by scope.

    `directions` tells for each scorer which end of its range is the good one. What a section does
    not say, the brand's rule says: a new rule of a market is held against what held there before.
    """
    old = {} if before is None else rules_by_scope(before)
    new = rules_by_scope(after)
    found = []
    for key in sorted(old.keys() | new.keys(), key=_order):
        one, other = old.get(key), new.get(key)
        if _said(one) != _said(other):
            scope, scorer = key
            brand = ((scoring.BRAND, ""), scorer)
            effect = effect_of(
                one or old.get(brand), other or new.get(brand), directions.get(scorer)
            )
            found.append(Change(scope, scorer, one, other, effect))
    return tuple(found)


def overrides(document: Document, directions: Mapping[str, Direction]) -> tuple[Change, ...]:
    """List what the templates' and markets' sections change against the brand's own rules."""
    rules = rules_by_scope(document)
    return tuple(
        Change(
            scope,
            scorer,
            rules.get(((scoring.BRAND, ""), scorer)),
            rule,
            effect_of(rules.get(((scoring.BRAND, ""), scorer)), rule, directions.get(scorer)),
        )
        for (scope, scorer), rule in sorted(rules.items(), key=lambda item: _order(item[0]))
        if scope[0] != scoring.BRAND
    )


def rules_by_scope(document: Document) -> dict[tuple[Scope, str], EffectiveRule]:
    """Return every rule of a policy by where it holds and by its scorer."""
    sections: list[tuple[Scope, Document]] = [((scoring.BRAND, ""), document)]
    for kind, name in ((scoring.TEMPLATE, "templates"), (scoring.MARKET, "markets")):
        sections += [((kind, key), each) for key, each in document.get(name, {}).items()]
    return {
        (scope, rule.scorer): rule
        for scope, section in sections
        for rule in scoring.rules_in(document, section, scope[0])
    }


def effect_of(
    before: EffectiveRule | None, after: EffectiveRule | None, direction: Direction | None
) -> Effect:
    """Tell what it comes to that one rule takes the place of another.

    >>> loose = EffectiveRule("safety", 0.8, "refuse", "1", False, "brand")
    >>> strict = EffectiveRule("safety", 0.2, "refuse", "1", False, "market")
    >>> effect_of(loose, strict, "worse"), effect_of(strict, loose, "worse")
    ('stricter', 'looser')
    """
    if before is None or after is None:
        return "added" if before is None else "removed"
    if before.version != after.version:
        return "other"
    severity = (after.outcome == "refuse") - (before.outcome == "refuse")
    moved = (after.threshold > before.threshold) - (after.threshold < before.threshold)
    if moved and direction is None:
        return "other"
    steps = {severity, moved if direction == "better" else -moved} - {0}
    if not steps:
        return "other"
    if len(steps) > 1:
        return "mixed"
    return "stricter" if steps == {1} else "looser"


def _said(rule: EffectiveRule | None) -> tuple[object, ...] | None:
    if rule is None:
        return None
    return rule.threshold, rule.severity, rule.version, rule.is_advisory


def _order(key: tuple[Scope, str]) -> tuple[int, str, str]:
    (kind, name), scorer = key
    return (scoring.BRAND, scoring.TEMPLATE, scoring.MARKET).index(kind), name, scorer
