"""Whose turn it is: opens the stages of a position, closes them, and leads to the next or the end.

Everything here runs in the caller's transaction, which holds the case (`lock_case`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import StaleState, Transition
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.notices import services as notices
from governance.outbox import services as outbox
from governance.review import audiences, calendars, selectors
from governance.review.models import (
    Approval,
    Asks,
    Case,
    Claim,
    Decision,
    Seat,
    Stage,
    SubjectKind,
    Turn,
)
from governance.review.outcomes import APPROVING
from governance.review.services import _needed
from governance.review.states import REVIEW_CASE
from governance.tables.records import move


def open_turns(case: Case, now: datetime) -> None:
    """Open the stages of the case's present position, with a seat for each who is asked."""
    for stage in case.policy.stages.filter(position=case.stage_position).order_by("key"):
        due_at = business_time(case, stage.due_min, now)
        turn = Turn.objects.create(
            case=case,
            stage=stage,
            due_at=due_at,
            next_at=due_at
            if stage.remind_min is None
            else business_time(case, stage.remind_min, now),
            created_at=now,
        )
        added = add_seats(case, turn, asked_by(stage), now)
        notices.tell(
            person_ids=selectors.people_in(added) - selectors.contributors_of(case),
            kind="review.assigned",
            subject=selectors.subject_ref(case.subject),
            case_id=case.id,
            now=now,
        )


def asked_by(stage: Stage) -> list[str]:
    """Return the audiences that a stage of a policy asks."""
    if stage.asks == Asks.ROLE:
        return [audiences.of_role(stage.role)]
    if stage.group_id is not None:
        return [audiences.of_group(stage.group_id)]
    return [audiences.of_person(UUID(person)) for person in stage.people]


def add_seats(case: Case, turn: Turn, asked: Iterable[str], now: datetime) -> list[str]:
    """Ask these audiences in a turn, those that it asks already left out; return the new ones."""
    present = set(turn.seats.filter(closed_at__isnull=True).values_list("audience", flat=True))
    added = [audience for audience in dict.fromkeys(asked) if audience not in present]
    for audience in added:
        Seat.objects.create(
            turn=turn,
            brand_id=case.brand_id,
            audience=audience,
            risk=case.risk,
            due_at=turn.due_at or selectors.NEVER_DUE,
            created_at=now,
        )
    return added


def lacking(turn: Turn) -> int:
    """Count the approvals that the turn's stage still needs."""
    return max(0, turn.stage.quorum - _approvals(turn.case, turn.stage))


def complete_position(actor: Actor, case: Case, now: datetime) -> UUID | None:
    """Close the stages that have their quorum; with the last of them, go on or approve.

    Returns the approval's id if that was the last position.
    """
    for turn in case.turns.filter(closed_at__isnull=True).select_related("stage", "case"):
        if not lacking(turn):
            _close(Turn.objects.filter(id=turn.id), now)
    if case.turns.filter(closed_at__isnull=True).exists():
        return None
    stages = list(case.policy.stages.order_by("position", "key"))
    if case.stage_position == stages[-1].position:
        return approve_case(actor, case, stages, now)
    _open_next_position(case)
    open_turns(case, now)
    return None


def approve_case(
    actor: Actor,
    case: Case,
    stages: list[Stage],
    now: datetime,
    break_glass_id: UUID | None = None,
) -> UUID:
    """Write the ledger entry and the approval that names it, close the case, hint the publisher.

    `break_glass_id` names what shortened the way, where not every stage had its quorum.
    Raises: ExhibitMissing.
    """
    _needed.require_exhibit(case)
    approval_id = uuid7()
    shortened = {} if break_glass_id is None else {"break_glass_id": str(break_glass_id)}
    entry_id = append(
        actor,
        Event.REVIEW_CASE_APPROVED,
        case,
        now,
        {
            "approval_id": str(approval_id),
            "case_id": str(case.id),
            "policy_id": str(case.policy_id),
            "policy_number": case.policy.number,
            "pins": dict(case.pins),
            "stages": [_stage_facts(case, stage) for stage in stages],
            "contributors": sorted(map(str, selectors.contributors(case.subject_id))),
            **shortened,
        },
    )
    Approval.objects.create(
        id=approval_id,
        case=case,
        subject_id=case.subject_id,
        sha256=case.sha256,
        entry_id=entry_id,
        policy_id=case.policy_id,
        break_glass_id=break_glass_id,
        created_at=now,
    )
    end_case(case, REVIEW_CASE.target("approve", case.state), now)
    if case.subject.kind == SubjectKind.ASSET:
        outbox.wake("publishing.release", queue="publisher", case_id=str(case.id))
    return approval_id


def end_case(case: Case, transition: Transition, now: datetime, **changes: Any) -> None:
    """Move a case to an end, close every turn, seat and claim in it, and tell the requester."""
    move(case, transition, closed_at=now, **changes)
    _close(Turn.objects.filter(case_id=case.id, closed_at__isnull=True), now)
    notices.tell(
        person_ids=[case.requested_by],
        kind="review.decided",
        subject=selectors.subject_ref(case.subject),
        case_id=case.id,
        now=now,
    )


def append(
    actor: Actor,
    event: Event,
    case: Case,
    now: datetime,
    facts: dict[str, Any],
    sealed: dict[str, bytes] | None = None,
) -> UUID:
    """Write a ledger entry about what a case is about."""
    return ledger.append(
        actor=actor,
        event=event,
        subject=selectors.subject_ref(case.subject),
        now=now,
        facts=facts,
        sealed=sealed,
    )


def facts_of(case: Case, stage: Stage) -> dict[str, Any]:
    """Return what every ledger entry about one stage of a case says."""
    return {
        "case_id": str(case.id),
        "policy_id": str(case.policy_id),
        "stage": stage.position,
        "stage_key": stage.key,
        "stage_name": stage.name,
    }


def business_time(case: Case, minutes: int | None, now: datetime) -> datetime | None:
    """Return when so many minutes of the policy's business hours have passed, or None."""
    if minutes is None:
        return None
    return calendars.add_business_minutes(case.policy.calendar, now, minutes)


def _approvals(case: Case, stage: Stage) -> int:
    approvals = case.decisions.filter(
        stage=stage, sha256=case.sha256, verdict__in=APPROVING
    ).exclude(reviewer_id__in=selectors.contributors(case.subject_id))
    return approvals.values("reviewer_id").distinct().count()


def _close(turns: Any, now: datetime) -> None:
    ids = list(turns.values_list("id", flat=True))
    Turn.objects.filter(id__in=ids).update(closed_at=now, next_at=None)
    Seat.objects.filter(turn_id__in=ids, closed_at__isnull=True).update(closed_at=now)
    Claim.objects.filter(turn_id__in=ids, until__gt=Now()).update(until=Now())


def _open_next_position(case: Case) -> None:
    rows = Case.objects.filter(
        id=case.id, state=case.state, stage_position=case.stage_position
    ).update(stage_position=case.stage_position + 1)
    if rows != 1:
        raise StaleState(_("Somebody else moved this review first."), act="approve")
    case.stage_position += 1


def _stage_facts(case: Case, stage: Stage) -> dict[str, Any]:
    approvals = Decision.objects.filter(case=case, stage=stage, verdict__in=APPROVING)
    return {
        "position": stage.position,
        "key": stage.key,
        "name": stage.name,
        "asks": stage.asks,
        "role": stage.role,
        "quorum": stage.quorum,
        "reviewers": [
            str(reviewer)
            for reviewer in approvals.order_by("id").values_list("reviewer_id", flat=True)
        ],
    }
