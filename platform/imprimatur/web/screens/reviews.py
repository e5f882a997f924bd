"""The review queue and the page on which a person decides."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord
from generation.jobs import selectors as jobs
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors as review
from governance.review.records import CaseRecord, CaseStage
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.web.screens import _shared, holds
from templates.brands.records import BrandRecord
from templates.prompts import selectors as prompts

PAGE = 24
HELD = 6
ALL_TABS = ("mine", "held", "open", "approved", "changes_requested", "rejected")


def queue(actor: Actor, show: str, after: UUID | None) -> dict[str, Any]:
    """Return a page of cases: those that wait for this person, or those in one state.

    Held images have no case yet; those who decide about them find them on a tab of their own, and
    the first of them before everything else that waits for them.
    """
    tabs = _tabs(actor)
    show = show if show in tabs else tabs[0]
    known = _shared.brands_by_id(actor)
    if show == "held":
        return _held_queue(actor, after, known, tabs)
    waiting = (
        jobs.list_held(actor, limit=HELD + 1)
        if show == "mine" and "held" in tabs and after is None
        else []
    )
    found = review.list_cases(
        actor,
        state=None if show == "mine" else show,
        decidable=show == "mine",
        after=after,
        limit=PAGE + 1,
    )
    kept, page = _shared.page_of(found, PAGE, after, {"show": show})
    return {
        "cases": _shared.case_cards(actor, kept, known),
        "held": holds.cards(actor, waiting[:HELD], known),
        "has_more_held": len(waiting) > HELD,
        "show": show,
        "tabs": _labelled(tabs, show),
        "page": page,
        "next_label": _("Next") if show == "mine" else "",
    }


def _tabs(actor: Actor) -> tuple[str, ...]:
    """Return the tabs that this person has a use for."""
    hidden = set()
    if not _shared.may_review(actor):
        hidden.add("mine")
    if not _shared.may_decide_holds(actor):
        hidden.add("held")
    return tuple(tab for tab in ALL_TABS if tab not in hidden)


def _labelled(tabs: tuple[str, ...], show: str) -> list[dict[str, Any]]:
    labels = {
        "mine": _("For you"),
        "held": _("Held"),
        "open": _("Open"),
        "approved": _("Approved"),
        "changes_requested": _("Changes requested"),
        "rejected": _("Rejected"),
    }
    return [{"code": tab, "label": labels[tab], "is_current": tab == show} for tab in tabs]


def _held_queue(
    actor: Actor, after: UUID | None, known: Mapping[UUID, BrandRecord], tabs: tuple[str, ...]
) -> dict[str, Any]:
    found = jobs.list_held(actor, after=after, limit=PAGE + 1)
    kept, page = _shared.page_of(found, PAGE, after, {"show": "held"})
    return {
        "cases": [],
        "held": holds.cards(actor, kept, known),
        "has_more_held": False,
        "show": "held",
        "tabs": _labelled(tabs, "held"),
        "page": page,
        "next_label": _("Next"),
    }


def case_page(actor: Actor, case_id: UUID) -> dict[str, Any]:
    """Return one case, its subject, who said what, and why this person may not decide, if so.

    Raises: NotFound.
    """
    case = review.get_case(actor, case_id)
    people = {d.reviewer_id for stage in case.stages for d in stage.decisions}
    names = accounts.display_names(people | {case.requested_by})
    hindrance = _hindrance(actor, case)
    shown: dict[str, Any] = {
        "id": case.id,
        "title": case.title,
        "brand": _shared.brand_name(_shared.brands_by_id(actor), case.brand_id),
        "state": case.state,
        "opened_at": case.opened_at,
        "sha256": case.subject.sha256,
        "stages": [_stage(stage, case, names) for stage in case.stages],
        "void_reason": case.void_reason,
        **_subject(actor, case, names[case.requested_by]),
    }
    return {
        "case": shown,
        "stage_title": (
            _("Your decision: %(stage)s") % {"stage": case.stage.name}
            if case.stage and not hindrance
            else _("Decision")
        ),
        "hindrance": hindrance,
    }


def next_case(actor: Actor) -> UUID | None:
    """Return the next case that waits for this person."""
    waiting = review.list_cases(actor, decidable=True, limit=1)
    return waiting[0].id if waiting else None


def _subject(actor: Actor, case: CaseRecord, requester: str) -> dict[str, Any]:
    if case.subject.kind == "template_version":
        return _template_subject(actor, case, requester)
    asset = assets.get_asset(actor, case.subject.id)
    return {**_asset_subject(actor, asset, requester), "sha256": asset.sha256}


def _asset_subject(actor: Actor, asset: AssetRecord, requester: str) -> dict[str, Any]:
    job = jobs.get_job(actor, asset.job_id)
    item = next(item for item in job.items if item.id == asset.item_id)
    origin = _shared.origin_of(actor, job, item, requester)
    return {
        "asset": _shared.shown_asset(asset, is_calibrated=origin["is_calibrated"]),
        "prompt": origin["prompt"],
        "origin": origin["facts"],
    }


def _template_subject(actor: Actor, case: CaseRecord, requester: str) -> dict[str, Any]:
    version = prompts.find_by_subject(actor, case.subject.id)
    if version is None:
        raise NotFound(_("The template under review is hidden from you."))
    content = version.content
    parts = [
        (_("Prompt, locked but for its placeholders"), content["prompt"]),
        (_("Kept out"), content["negative"] or "–"),
        (_("Variables"), _pretty(content["schema"]["properties"])),
        (
            _("Sizes"),
            ", ".join(f"{size['width']} × {size['height']}" for size in content["sizes"]),
        ),
        (_("Parameters"), _pretty(content["parameters"])),
        (_("Models"), ", ".join(content["profiles"])),
        (_("Starter values"), _pretty(content["starter"])),
        (_("Notes"), content.get("notes", "") or "–"),
    ]
    return {
        "content": [{"label": label, "text": text} for label, text in parts],
        "origin": [
            {
                "label": _("Template"),
                "text": _("%(name)s, version %(number)s")
                % {"name": version.name, "number": version.number},
            },
            {"label": _("Submitted by"), "text": requester},
        ],
        "sha256": version.sha256,
    }


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _stage(stage: CaseStage, case: CaseRecord, names: dict[UUID, str]) -> dict[str, Any]:
    is_broken = any(decision.verdict != "approve" for decision in stage.decisions)
    return {
        "name": stage.name,
        "needs": ngettext(
            "%(done)s of %(n)s %(role)s", "%(done)s of %(n)s × %(role)s", stage.quorum
        )
        % {"done": stage.approvals, "n": stage.quorum, "role": words.role(stage.role)},
        "is_now": case.stage is not None and case.stage.id == stage.id,
        "is_broken": is_broken,
        "is_done": not is_broken and stage.approvals >= stage.quorum,
        "decisions": [
            {
                "verdict": decision.verdict,
                "reviewer": names[decision.reviewer_id],
                "reason": decision.reason,
                "at": decision.created_at,
            }
            for decision in stage.decisions
        ],
    }


def _hindrance(actor: Actor, case: CaseRecord) -> dict[str, str] | None:
    """Return why this person cannot decide, in words; None if they can."""
    if case.stage is None:
        return _closed(case)
    if actor.id == case.requested_by or actor.id in review.contributors(case.subject.id):
        return {
            "tone": "",
            "icon": "lock",
            "title": _("You had a part in this"),
            "text": _(
                "Whoever ordered or wrote something never decides about it. "
                "Others do; the stages below show where it stands."
            ),
        }
    if any(d.reviewer_id == actor.id for stage in case.stages for d in stage.decisions):
        return {
            "tone": "good",
            "icon": "check",
            "title": _("You have decided"),
            "text": _("One person decides once. The next decision is somebody else's."),
        }
    context = Context(
        brand_id=case.brand_id,
        owner_id=case.requested_by,
        contributors=review.contributors(case.subject.id) | {case.requested_by},
        stage_role=case.stage.role,
    )
    if permits.may(actor, Permission.REVIEW_CASE_DECIDE, context):
        return None
    return {
        "tone": "",
        "icon": "clock",
        "title": _("It waits for another role"),
        "text": _("The stage “%(stage)s” is decided by this role: %(role)s.")
        % {"stage": case.stage.name, "role": words.role(case.stage.role)},
    }


def _closed(case: CaseRecord) -> dict[str, str]:
    texts = {
        "approved": _(
            "Every stage approved these bytes. The publisher marks and releases them "
            "as soon as the approval is under a signed checkpoint."
        ),
        "rejected": _("It was rejected. These bytes never leave; a new order makes new ones."),
        "changes_requested": _(
            "Changes were requested. A new order, with other values, opens a new case."
        ),
        "voided": case.void_reason or _("The case was voided; no decision in it counts any more."),
    }
    word = words.state(case.state)
    return {
        "tone": word.tone,
        "icon": word.icon,
        "title": str(word.label),
        "text": texts.get(case.state, ""),
    }
