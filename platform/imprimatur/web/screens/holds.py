"""Held images: which wait, and the page on which the compliance stage decides about one."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.jobs import selectors as jobs
from generation.jobs.records import HeldRecord, ItemRecord, JobRecord
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.web.screens import _shared, findings
from templates.brands.records import BrandRecord


def cards(
    actor: Actor, held: Iterable[HeldRecord], known: Mapping[UUID, BrandRecord]
) -> list[dict[str, Any]]:
    """Return held images as cards, each with what its scorers said."""
    held = list(held)
    found = assets.find_assets(actor, [item.asset_id for item in held]) if held else {}
    return [
        {
            "id": item.id,
            "title": _shared.image_title(item.template_name, item.number),
            "brand": _shared.brand_name(known, item.brand_id),
            "held_at": item.held_at,
            "asset": found.get(item.asset_id),
            "reasons": _shared.hold_reasons(found.get(item.asset_id)),
        }
        for item in held
    ]


def hold_page(actor: Actor, item_id: UUID) -> dict[str, Any]:
    """Return one held image, why it is held, and why this person may not decide, if so.

    Raises: NotFound, also for an item that never made an image.
    """
    job_id, item = jobs.get_item(actor, item_id)
    if item.asset_id is None:
        raise NotFound(_("This image was never made, so there is nothing to decide about."))
    job = jobs.get_job(actor, job_id)
    asset = assets.get_asset(actor, item.asset_id)
    requester = accounts.display_name(job.requester_id)
    origin = _shared.origin_of(actor, job, item, requester)
    return {
        "item": {
            "id": item.id,
            "job_id": job.id,
            "title": _shared.image_title(job.template_name, item.number),
            "brand": _shared.brand_name(_shared.brands_by_id(actor), job.brand_id),
            "state": item.state,
            "held_at": item.finished_at,
            "case_id": item.case_id,
            "asset": _shared.shown_asset(
                asset,
                is_calibrated=origin["is_calibrated"],
                twins=findings.twins_of(actor, [asset]),
            ),
            "reasons": _shared.hold_reasons(asset),
            "origin": origin["facts"],
            "prompt": origin["prompt"],
        },
        "hindrance": _hindrance(actor, job, item),
    }


def next_held(actor: Actor) -> UUID | None:
    """Return the next held image that waits for this person."""
    waiting = jobs.list_held(actor, limit=1)
    return waiting[0].id if waiting else None


def _hindrance(actor: Actor, job: JobRecord, item: ItemRecord) -> dict[str, str] | None:
    """Return why this person cannot decide, in words; None if they can."""
    if item.state != "held":
        word = words.state(item.state)
        return {
            "tone": word.tone,
            "icon": word.icon,
            "title": str(word.label),
            "text": _("This image is not held, so there is nothing left to decide here."),
        }
    context = jobs.hold_context(job.brand_id, job.requester_id, item.asset_id)
    if permits.may(actor, Permission.REVIEW_CASE_DECIDE, context):
        return None
    if actor.id in context.contributors:
        return {
            "tone": "",
            "icon": "lock",
            "title": _("You had a part in this"),
            "text": _(
                "Whoever ordered or wrote something never decides about it. "
                "Another compliance reviewer does."
            ),
        }
    return {
        "tone": "",
        "icon": "clock",
        "title": _("It waits for another role"),
        "text": _("A held image is decided by this role: %(role)s.")
        % {"role": words.role(jobs.HOLD_ROLE)},
    }
