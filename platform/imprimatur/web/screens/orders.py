"""The list of orders and one order's contact sheet."""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord
from generation.jobs import progress
from generation.jobs import selectors as jobs
from generation.jobs.progress import OrderProgress
from generation.jobs.records import ItemRecord, JobRecord
from generation.registry import selectors as registry
from governance.kernel.actors import SYSTEM, Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.refusals import selectors as refusals
from governance.review import selectors as review
from governance.review.records import CaseRecord
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.web.screens import _shared, findings, live
from templates.prompts import selectors as prompts

PAGE = 12
HELD_CATEGORY = "held"


def orders(actor: Actor, after: UUID | None) -> dict[str, Any]:
    """Return a page of the orders that the actor may see."""
    found, page = _shared.page_of(jobs.list_jobs(actor, after=after, limit=PAGE + 1), PAGE, after)
    names = accounts.display_names({job.requester_id for job in found})
    known = _shared.brands_by_id(actor)
    return {
        "jobs": _shared.order_rows(found, known, names, actor.id),
        "page": page,
        "can_order": _shared.may_order(actor),
    }


def contact_sheet(actor: Actor, job_id: UUID) -> dict[str, Any]:
    """Return one order with everything that its sheet shows. Raises: NotFound."""
    job = jobs.get_job(actor, job_id)
    made = {asset.item_id: asset for asset in assets.list_assets(actor, job_id=job.id)}
    cases = review.find_cases_for_subjects(asset.subject_id for asset in made.values())
    twins = findings.twins_of(actor, made.values())
    is_calibrated = registry.get_profile(job.profile_id).is_calibrated
    may_cancel = permits.may(
        actor,
        Permission.GENERATION_JOB_CANCEL,
        Context(brand_id=job.brand_id, owner_id=job.requester_id),
    )
    may_order = permits.may(actor, Permission.GENERATION_JOB_CREATE, Context(brand_id=job.brand_id))
    may_decide_holds = permits.may(
        actor,
        Permission.REVIEW_CASE_DECIDE,
        jobs.hold_context(job.brand_id, job.requester_id, None),
    )
    is_own = job.requester_id == actor.id
    moving = None if job.state == "done" else progress.of_orders([job.id])[job.id]
    places = _places(moving) if moving else {}
    return {
        "id": job.id,
        "name": job.template_name,
        "brand": _shared.brand_name(_shared.brands_by_id(actor), job.brand_id),
        "market": job.market,
        "created_at": job.created_at,
        "requester": "" if is_own else accounts.display_name(job.requester_id),
        "state": job.state,
        "is_running": job.state != "done",
        "percent": _shared.percent_of(job),
        "version": version_of(job),
        "standing": live.standing_of(job.items),
        "why": live.why(moving) if moving else "",
        "summary": _summary(job),
        "order_again_id": job.template_id if may_order else None,
        "template_id": job.template_id,
        "ways": _ways(job) if may_order else [],
        "made_from": _shared.made_from(job.items[0].id),
        "items": [
            _item(
                actor,
                item,
                made.get(item.id),
                cases,
                twins,
                is_calibrated,
                may_cancel,
                may_decide_holds,
                places.get(item.id, ""),
            )
            for item in job.items
        ],
    }


def _places(moving: OrderProgress) -> dict[UUID, str]:
    return {item.id: live.place_words(item.place) for item in moving.items if item.place}


def _ways(job: JobRecord) -> list[dict[str, str]]:
    """Return how the version that was ordered from lets new images be made from one of these."""
    content = prompts.get_version(SYSTEM, job.template_version_id).content
    pictures = content.get("pictures", {})
    wanted = [each["slug"] for each in content.get("controls", ())]
    ways = {
        "start_from": ("source" in pictures, _("Order images that start from this one")),
        "look_at": ("references" in pictures, _("Order images made looking at this one")),
        "outlines_of": (
            bool(registry.names_in_use(wanted)),
            _("Order images with these outlines"),
        ),
    }
    return [{"name": name, "label": label} for name, (may, label) in ways.items() if may]


def version_of(job: JobRecord) -> str:
    """Return a short digest of what moves on a sheet: the same digest, nothing to draw anew."""
    facts = [(i.state, round(i.progress_share, 2), i.attempts, i.failure) for i in job.items]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _item(
    actor: Actor,
    item: ItemRecord,
    asset: AssetRecord | None,
    cases: Mapping[UUID, CaseRecord],
    twins: Mapping[UUID, AssetRecord],
    is_calibrated: bool,
    may_cancel: bool,
    may_decide_holds: bool,
    place: str,
) -> dict[str, Any]:
    case = cases.get(asset.subject_id) if asset else None
    is_shown = asset is not None and item.state != "refused"
    return {
        "id": item.id,
        "number": item.number,
        "state": item.state,
        "icon": words.state(item.state).icon,
        "percent": round(100 * item.progress_share),
        "place": place,
        "seed": item.seed,
        "attempts": item.attempts,
        "is_reused": item.reused_asset_id is not None,
        "asset": (
            _shared.shown_asset(asset, is_calibrated=is_calibrated, twins=twins)
            if asset and is_shown
            else None
        ),
        "case": {"id": case.id, "state": case.state} if case else None,
        "flags": _shared.flags_of(asset),
        "flag_reasons": _shared.flag_reasons(asset if is_shown else None),
        "hold_reasons": _shared.hold_reasons(asset if item.state == "held" else None),
        "may_decide_hold": may_decide_holds and item.state == "held",
        "refusal": _refusal(actor, item.refusal_id) if item.refusal_id else None,
        "is_overridden": item.refusal_id is not None and item.state != "refused",
        "failure": item.failure,
        "reason": _reason(item.state),
        "may_cancel": may_cancel and item.state in _shared.OPEN_ITEM_STATES,
    }


def _refusal(actor: Actor, refusal_id: UUID) -> dict[str, Any]:
    record = refusals.get_refusal(actor, refusal_id)
    is_after_hold = record.category == HELD_CATEGORY
    is_own = record.requester_id == actor.id
    return {
        "id": record.id,
        "category": _("Refused by a person") if is_after_hold else words.scorer(record.category),
        "reason": record.reason,
        # What a person wrote about a held image is for the requester; other details are not.
        "said": refusals.read_detail(actor, refusal_id) if is_after_hold and is_own else None,
        "overridable_by": words.role(record.overridable_by) if record.overridable_by else "",
    }


def _reason(state: str) -> str:
    return {
        "refused": _("Refused, so it is not shown"),
        "failed": _("Not made"),
        "cancelled": _("Cancelled before it was made"),
    }.get(state, "")


def _summary(job: JobRecord) -> str:
    total = len(job.items)
    if job.state == "queued":
        return ngettext(
            "%(n)s image waits for a worker.", "%(n)s images wait for a worker.", total
        ) % {"n": total}
    made = sum(item.state in {"in_review", "held"} for item in job.items)
    return ngettext(
        "%(made)s of %(n)s image is made.", "%(made)s of %(n)s images are made.", total
    ) % {"made": made, "n": total}
