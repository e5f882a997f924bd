"""Scoring policies on the screen: the versions of a brand, one policy scope by scope, its diff."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.registry.records import ScorerCard
from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors as review
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.workflow import scoring_policies as workflow
from templates.brands import scoring
from templates.brands import selectors as brands
from templates.brands.records import BrandRecord, ScoringPolicyRecord
from templates.brands.scoring import EffectiveRule
from templates.brands.scoring_changes import Change, Scope, rules_by_scope
from templates.prompts import library
from templates.prompts import selectors as prompts

# What a brand begins with that has no policy yet.
_FIRST = {"advisory": True, "thresholds": {"safety": {"threshold": 0.5, "severity": "refuse"}}}


def brand_list(actor: Actor) -> list[dict[str, Any]]:
    """Return the brands whose policies the actor may read."""
    return [_brand(brand) for brand in brands.list_brands(actor)]


def versions(actor: Actor, brand_id: UUID) -> dict[str, Any]:
    """Return a brand's scoring policies, newest first. Raises: NotFound."""
    brand = brands.get_brand(actor, brand_id)
    found = brands.list_scoring_policies(actor, brand_id)
    in_force = next((each.id for each in found if each.approved_by is not None), None)
    cases = review.find_cases_for_subjects(each.id for each in found)
    names = accounts.display_names({each.proposed_by for each in found})
    return {
        "brand": _brand(brand),
        "may_propose": _may_propose(actor, brand_id),
        "versions": [
            {
                "id": each.id,
                "number": each.number,
                "state": "in_force" if each.id == in_force else _state(each, cases.get(each.id)),
                "proposed_by": names[each.proposed_by],
                "approved_at": each.approved_at,
                "scorers": ", ".join(words.scorer(s) for s in sorted(each.thresholds)),
            }
            for each in found
        ],
    }


def policy(
    actor: Actor, record: ScoringPolicyRecord, *, market: str, template_slug: str
) -> dict[str, Any]:
    """Return one policy: its rules by scope, what holds for one order, what it changes."""
    brand = brands.get_brand(actor, record.brand_id)
    force = workflow.in_force(actor, record.brand_id)
    case = review.find_case_for_subject(record.id)
    document, known = record.document, workflow.cards()
    templates = {each.slug: each.name for each in prompts.list_templates(actor, record.brand_id)}
    is_other = force is None or force.id != record.id
    return {
        "policy": {
            "id": record.id,
            "number": record.number,
            "sha256": record.sha256,
            "advisory": record.advisory,
            "state": _state(record, case) if is_other else "in_force",
            "case_id": case.id if case else None,
        },
        "brand": _brand(brand),
        "sections": _sections(document, templates, known),
        "concepts": record.concepts,
        "cascades": [
            {
                "first": _title(each["first"], known),
                "second": _title(each["second"], known),
                "least": f"{each['from']:g}",
                "most": f"{each['to']:g}",
                "holds": each.get("combine") != "strictest",
            }
            for each in record.cascades
        ],
        "markets": [each.code for each in brand.markets],
        "templates": [{"slug": slug, "name": name} for slug, name in templates.items()],
        "market": market,
        "template": template_slug,
        "effective": [
            {**_rule(each, known), "source": _source(each, market, template_slug, templates)}
            for each in scoring.effective(document, market=market, template_slug=template_slug)
        ],
        "force_number": force.number if force is not None and is_other else None,
        "changes": diff(actor, record.brand_id, document) if is_other else None,
    }


def proposing(actor: Actor, brand_id: UUID) -> dict[str, Any]:
    """Return what the form stands on. Raises: NotFound, NotPermitted."""
    brand = brands.get_brand(actor, brand_id)
    permits.require(actor, Permission.BRANDS_RULES_PROPOSE, Context(brand_id=brand_id))
    return {
        "brand": _brand(brand),
        "markets": [each.code for each in brand.markets],
        "templates": [
            {"slug": each.slug, "name": each.name}
            for each in prompts.list_templates(actor, brand_id)
        ],
        "scorers": [_card(card) for card in workflow.cards().values()],
    }


def starting_text(actor: Actor, brand_id: UUID) -> str:
    """Return the policy in force as it is written, to begin the next one with."""
    force = workflow.in_force(actor, brand_id)
    return library.write_scoring(_FIRST if force is None else force.document)


def changes_of(actor: Actor, policy_id: UUID) -> list[dict[str, Any]]:
    """Return what a policy changes against the one in force. Raises: NotFound."""
    record = brands.read_scoring_policy(actor, policy_id)
    return diff(actor, record.brand_id, record.document)


def diff(actor: Actor, brand_id: UUID, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a policy changes against the one in force, rule by rule, the loosest first."""
    known = workflow.cards()
    templates = {each.slug: each.name for each in prompts.list_templates(actor, brand_id)}
    found = workflow.changes_against_force(actor=actor, brand_id=brand_id, document=document)
    return [
        _change(each, known, templates) for each in sorted(found, key=lambda c: _URGENT[c.effect])
    ]


_URGENT = {"looser": 0, "removed": 1, "mixed": 2, "other": 3, "stricter": 4, "added": 5}


def _change(
    change: Change, known: Mapping[str, ScorerCard], templates: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "scope": _scope(change.scope, templates),
        "name": _title(change.scorer, known),
        "before": None if change.before is None else _rule(change.before, known),
        "after": None if change.after is None else _rule(change.after, known),
        "effect": f"rule_{change.effect}",
    }


def _sections(
    document: Mapping[str, Any], templates: Mapping[str, str], known: Mapping[str, ScorerCard]
) -> list[dict[str, Any]]:
    effects = {(each.scope, each.scorer): each.effect for each in workflow.changes_within(document)}
    found: dict[Scope, list[dict[str, Any]]] = {}
    for (scope, scorer), rule in rules_by_scope(document).items():
        effect = effects.get((scope, scorer))
        row = {**_rule(rule, known), "effect": f"rule_{effect}" if effect else ""}
        found.setdefault(scope, []).append(row)
    return [
        {"title": _scope(scope, templates), "rules": sorted(rows, key=lambda row: row["name"])}
        for scope, rows in found.items()
    ]


def _rule(rule: EffectiveRule, known: Mapping[str, ScorerCard]) -> dict[str, Any]:
    card = known.get(rule.scorer)
    limit = f"{rule.threshold:g}"
    if card is not None:
        limit = f"{'≥' if card.higher_is == 'better' else '<'} {limit}"
    return {
        "name": _title(rule.scorer, known),
        "scorer": rule.scorer,
        "limit": limit,
        "range": "" if card is None else _range(card),
        "outcome": rule.outcome,
        "is_advisory": rule.is_advisory,
        "version": rule.version,
        "holds": _why_it_holds(rule, card, known),
    }


def _why_it_holds(
    rule: EffectiveRule, card: ScorerCard | None, known: Mapping[str, ScorerCard]
) -> str:
    """Return why this rule would hold every image, or nothing."""
    if card is None:
        return _("No scorer has this name: every image would be held.") if known else ""
    if card.version != rule.version:
        return _(
            "The rule is for version %(rule)s of the scorer, which is at %(now)s: every image "
            "would be held."
        ) % {"rule": rule.version, "now": card.version}
    return ""


def _card(card: ScorerCard) -> dict[str, str]:
    return {
        "scorer": card.scorer,
        "title": card.title,
        "range": _range(card),
        "version": card.version,
        "good": _("higher is better") if card.higher_is == "better" else _("lower is better"),
    }


def _range(card: ScorerCard) -> str:
    low = "−∞" if card.low is None else f"{card.low:g}"
    return f"{low} … {'∞' if card.high is None else f'{card.high:g}'}"


def _title(scorer: str, known: Mapping[str, ScorerCard]) -> str:
    return known[scorer].title if scorer in known else words.scorer(scorer)


def _scope(scope: Scope, templates: Mapping[str, str]) -> str:
    kind, key = scope
    if kind == scoring.MARKET:
        return _("Market %(code)s") % {"code": key}
    if kind == scoring.TEMPLATE:
        return _("Template %(name)s") % {"name": templates.get(key, key)}
    return _("The whole brand")


def _source(
    rule: EffectiveRule, market: str, template_slug: str, templates: Mapping[str, str]
) -> str:
    keys = {scoring.MARKET: market, scoring.TEMPLATE: template_slug, scoring.BRAND: ""}
    return _scope((rule.source, keys[rule.source]), templates)


def _state(record: ScoringPolicyRecord, case: Any) -> str:
    if record.approved_by is not None:
        return "replaced"
    return case.state if case is not None else "open"


def _brand(brand: BrandRecord) -> dict[str, Any]:
    return {"id": brand.id, "name": brand.name}


def _may_propose(actor: Actor, brand_id: UUID) -> bool:
    return permits.may(actor, Permission.BRANDS_RULES_PROPOSE, Context(brand_id=brand_id))
