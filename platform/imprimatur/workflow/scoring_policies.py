"""Holds a scoring policy against the scorers and templates that there are, before it is proposed.

What is known of a scorer comes from its card, written where scorers run, or from its approved
registration: web never loads one. While there is neither, nothing is known and every scorer may be
named; one that does not exist holds each image later.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.registry import selectors as registry
from generation.registry.records import ScorerCard
from generation.registry.selectors import ScorerRecord
from governance.kernel.actors import Actor
from templates.brands import scoring, shapes
from templates.brands import selectors as brands
from templates.brands.records import ScoringPolicyRecord
from templates.brands.scoring_changes import Change, Direction, changes, overrides
from templates.brands.shapes import Problem
from templates.prompts import selectors as prompts


def cards() -> dict[str, ScorerCard]:
    """Return what is known of each scorer, by its id: what ran tells more than what was said."""
    declared = {each.scorer: _declared(each) for each in registry.usable_scorers()}
    return declared | {card.scorer: card for card in registry.list_scorer_cards()}


def require_sound(*, actor: Actor, brand_id: UUID, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy's document as it would be proposed. Raises: InvalidInput, NotFound.

    Refused are a malformed document, an unknown scorer, a threshold outside of its scorer's range,
    and a section for a template that the brand does not have.
    """
    document = scoring.policy_of(content)
    known = cards()
    found = _scorer_problems(document, known) if known else []
    slugs = {template.slug for template in prompts.list_templates(actor, brand_id)}
    found += [
        Problem(
            shapes.pointer_to("templates", slug),
            "template",
            _("This brand has no template %(slug)s.") % {"slug": shapes.shown(slug)},
        )
        for slug in document.get("templates", {})
        if slug not in slugs
    ]
    shapes.require(found)
    return document


def changes_against_force(
    *, actor: Actor, brand_id: UUID, document: Mapping[str, Any]
) -> tuple[Change, ...]:
    """Return what a policy changes against the one in force. Raises: NotFound."""
    force = in_force(actor, brand_id)
    return changes(None if force is None else force.document, document, directions())


def changes_within(document: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what a policy's sections change against its brand's own rules."""
    return overrides(document, directions())


def in_force(actor: Actor, brand_id: UUID) -> ScoringPolicyRecord | None:
    """Return the policy that images are judged by now, or None. Raises: NotFound."""
    versions = brands.list_scoring_policies(actor, brand_id)
    return next((each for each in versions if each.approved_by is not None), None)


def directions() -> dict[str, Direction]:
    """Return which end of its range is the good one, for each scorer that is known."""
    return {
        name: "better" if card.higher_is == "better" else "worse" for name, card in cards().items()
    }


def _declared(scorer: ScorerRecord) -> ScorerCard:
    return ScorerCard(
        scorer=scorer.scorer,
        version=scorer.version,
        title=scorer.title,
        higher_is=scorer.higher_is,
        low=scorer.low,
        high=scorer.high,
        inputs=scorer.inputs,
        cost_ms=scorer.cost_ms,
        licence=scorer.licence,
        weights_sha256=scorer.snapshot_sha256,
        package=scorer.kind,
    )


def _scorer_problems(document: Mapping[str, Any], known: Mapping[str, ScorerCard]) -> list[Problem]:
    found = []
    for place, scorer, rule in scoring.rules_with_places(document):
        card = known.get(scorer)
        if card is None:
            names = ", ".join(sorted(known))
            detail = _("No scorer is called %(name)s; there are: %(names)s.")
            found.append(
                Problem(place, "scorer", detail % {"name": shapes.shown(scorer), "names": names})
            )
            continue
        threshold = rule["threshold"]
        is_low = card.low is not None and threshold < card.low
        if is_low or (card.high is not None and threshold > card.high):
            detail = _(
                "%(name)s measures from %(low)s to %(high)s; no image could cross %(value)g."
            )
            said = {"name": card.title, "low": _end(card.low), "high": _end(card.high)}
            found.append(
                Problem(f"{place}/threshold", "range", detail % {**said, "value": threshold})
            )
    for at, cascade in enumerate(document.get("cascades", [])):
        for end in ("first", "second"):
            if cascade[end] not in known:
                detail = _("No scorer is called %(name)s.") % {"name": shapes.shown(cascade[end])}
                found.append(Problem(shapes.pointer_to("cascades", at, end), "scorer", detail))
    return found


def _end(value: float | None) -> str:
    return "∞" if value is None else f"{value:g}"
