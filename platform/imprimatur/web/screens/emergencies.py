"""Emergencies: the list, one of them with what this person can do, and how one is opened."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from governance.kernel.actors import Actor
from governance.policy import freshness, permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors as review
from governance.review.records import BreakGlassRecord, CaseRecord
from imprimatur.accounts import selectors as accounts
from imprimatur.web.screens import _shared

PAGE = 30
LIVE = frozenset({"opened", "confirmed"})


def page(actor: Actor, after: UUID | None) -> dict[str, Any]:
    """Return a page of emergencies, newest first."""
    found = review.list_break_glass(actor, after=after, limit=PAGE + 1)
    kept, paging = _shared.page_of(found, PAGE, after)
    known = _shared.brands_by_id(actor)
    names = accounts.display_names({one.opened_by for one in kept})
    return {
        "emergencies": [
            {
                "id": one.id,
                "title": one.title,
                "word": _word(one),
                "brand": _shared.brand_name(known, one.brand_id),
                "opened_by": names[one.opened_by],
                "at": one.opened_at,
                "is_overdue": one.overdue_at is not None and one.judged_at is None,
            }
            for one in kept
        ],
        "page": paging,
    }


def emergency_page(actor: Actor, break_glass_id: UUID, now: datetime) -> dict[str, Any]:
    """Return one emergency with its facts, and the acts that this person has. Raises: NotFound."""
    found = review.get_break_glass(actor, break_glass_id)
    people = {found.opened_by, found.confirmed_by, found.stopped_by, found.judged_by} - {None}
    names = accounts.display_names(person for person in people if person is not None)
    parts = review.contributors(found.subject.id) | {found.requested_by}
    is_open = found.case_state == "open"
    is_one_of_two = (
        is_open
        and found.state == "confirmed"
        and actor.id in {found.opened_by, found.confirmed_by}
        and _may(actor, found, Permission.REVIEW_BREAK_GLASS_OPEN, parts)
    )
    is_over = found.effective_at is not None and found.effective_at <= now
    return {
        "emergency": {
            "id": found.id,
            "case_id": found.case_id,
            "title": found.title,
            "brand": _shared.brand_name(_shared.brands_by_id(actor), found.brand_id),
            "word": _word(found),
            "sha256": found.subject.sha256,
            "asset_id": found.subject.id if found.subject.kind == "asset" else None,
            "reason": found.reason,
            "judgement_reason": found.judgement_reason,
            "steps": _steps(found, names),
            "effective_at": found.effective_at if is_open and found.state == "confirmed" else None,
            "judge_until": found.judge_until if found.state == "used" else None,
            "is_overdue": found.overdue_at is not None and found.judged_at is None,
        },
        "can": {
            "confirm": is_open
            and found.state == "opened"
            and _may(actor, found, Permission.REVIEW_BREAK_GLASS_CONFIRM, parts, found.opened_by),
            "stop": found.state in LIVE
            and _may(actor, found, Permission.REVIEW_BREAK_GLASS_STOP, parts),
            "use": is_one_of_two and is_over,
            "use_later": is_one_of_two and not is_over,
            "judge": found.state == "used"
            and _may(
                actor,
                found,
                Permission.REVIEW_BREAK_GLASS_JUDGE,
                parts,
                found.opened_by,
                found.confirmed_by,
            ),
        },
        "asks_password": asks_password(actor, now),
    }


def opening_page(actor: Actor, case_id: UUID, now: datetime) -> dict[str, Any]:
    """Return what the page for breaking the glass shows. Raises: NotFound."""
    case = review.get_case(actor, case_id)
    return {
        "case": {
            "id": case.id,
            "title": case.title,
            "state": case.state,
            "sha256": case.subject.sha256,
            "asset_id": case.subject.id if case.subject.kind == "asset" else None,
        },
        "may": may_open(actor, case),
        "countdown_min": settings.BREAK_GLASS_COUNTDOWN_S // 60,
        "asks_password": asks_password(actor, now),
    }


def on_page(actor: Actor, case: CaseRecord) -> dict[str, Any]:
    """Return a case's emergencies and whether this person may open one, for the review's page."""
    found = review.list_break_glass(actor, case_id=case.id, limit=5)
    return {
        "emergencies": [{"id": one.id, "word": _word(one)} for one in found],
        "may_open": may_open(actor, case) and not any(one.state in LIVE for one in found),
    }


def may_open(actor: Actor, case: CaseRecord) -> bool:
    """Tell whether this person could break the glass for a case."""
    parts = review.contributors(case.subject.id) | {case.requested_by}
    context = Context(brand_id=case.brand_id, contributors=parts)
    return case.state == "open" and permits.may(actor, Permission.REVIEW_BREAK_GLASS_OPEN, context)


def asks_password(actor: Actor, now: datetime) -> bool:
    """Tell whether the person's last proof of who they are is too old."""
    return not freshness.is_fresh(actor, now=now, within_s=settings.REAUTHENTICATE_AFTER_S)


def _word(found: BreakGlassRecord) -> str:
    """Return the name of its state for the screen; a review that is over leaves nothing to do."""
    is_moot = found.state in LIVE and found.case_state != "open"
    return "glass_moot" if is_moot else f"glass_{found.state}"


def _may(
    actor: Actor,
    found: BreakGlassRecord,
    permission: Permission,
    parts: frozenset[UUID],
    *others: UUID | None,
) -> bool:
    also = frozenset(person for person in others if person is not None)
    return permits.may(
        actor, permission, Context(brand_id=found.brand_id, contributors=parts | also)
    )


def _steps(found: BreakGlassRecord, names: dict[UUID, str]) -> list[dict[str, Any]]:
    steps = [
        ("opened", found.opened_by, found.opened_at),
        ("confirmed", found.confirmed_by, found.confirmed_at),
        ("stopped", found.stopped_by, found.stopped_at),
        ("used", None, found.used_at),
        ("judged", found.judged_by, found.judged_at),
    ]
    return [{"act": act, "by": names[who] if who else "", "at": at} for act, who, at in steps if at]
