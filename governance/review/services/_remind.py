"""Reminds whoever is asked, and asks others when a stage is overdue; each step happens once."""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.db.models.functions import Now

from governance.kernel.actors import SYSTEM
from governance.kernel.roles import Role
from governance.ledger.events import Event
from governance.notices import services as notices
from governance.review import audiences, selectors
from governance.review.models import Case, Stage, Turn
from governance.review.records import RosterOf
from governance.review.services import _turns

# How many stages one round looks at; the rest wait for the next, some seconds later.
AT_ONCE = 100
# When a stage's due time is shorter than that, it is still not escalated more often.
LEAST_BETWEEN = timedelta(minutes=1)

log = structlog.get_logger(__name__)


def remind(*, now: datetime, roster_of: RosterOf) -> int:
    """Remind and escalate where it is time by the database's clock; return how many stages.

    `roster_of(brand_id)` says who holds which role there. Two relays at once remind once: each
    stage is locked while it is looked at, and only if it is still time.
    """
    due = Turn.objects.filter(closed_at__isnull=True, next_at__lte=Now()).order_by("next_at")
    ids = list(due.values_list("id", flat=True)[:AT_ONCE])
    return sum(_look_at(turn_id, now, roster_of) for turn_id in ids)


def _look_at(turn_id: UUID, now: datetime, roster_of: RosterOf) -> bool:
    with transaction.atomic():
        # The relay's role may change turns and no case, so it is the turn that is locked; whoever
        # closes the case meanwhile waits here, and closes the seats that are added too.
        turn = (
            Turn.objects.select_for_update(no_key=True, of=("self",))
            .filter(id=turn_id, closed_at__isnull=True, next_at__lte=Now())
            .select_related("stage", "case__subject", "case__policy")
            .annotate(is_due=ExpressionWrapper(Q(due_at__lte=Now()), BooleanField()))
            .first()
        )
        if turn is None:
            return False
        case = turn.case
        if turn.is_due:
            _escalate(case, turn, now, roster_of)
        else:
            _tell(case, turn, "review.due_soon", now, roster_of)
            Turn.objects.filter(id=turn.id).update(reminded_at=now, next_at=turn.due_at)
    return True


def _escalate(case: Case, turn: Turn, now: datetime, roster_of: RosterOf) -> None:
    """Ask the next stage's people as well; at the end of the chain tell the brand's managers."""
    _tell(case, turn, "review.overdue", now, roster_of)
    target = escalation(case, turn)
    if target is None:
        managers = roster_of(case.brand_id).get(Role.BRAND_MANAGER, frozenset())
        _notify(case, managers - selectors.contributors_of(case), "review.escalated", now)
        log.error(
            "A review stage is overdue and nobody is left to ask",
            case_id=str(case.id),
            stage=turn.stage.key,
            due_at=None if turn.due_at is None else turn.due_at.isoformat(),
        )
    else:
        added = _turns.add_seats(case, turn, _turns.asked_by(target), now)
        _notify(case, _people(case, added, roster_of), "review.escalated", now)
    _turns.append(
        SYSTEM,
        Event.REVIEW_TURN_ESCALATED,
        case,
        now,
        {
            **_turns.facts_of(case, turn.stage),
            "to": "" if target is None else target.key,
            "times": turn.escalations + 1,
        },
    )
    Turn.objects.filter(id=turn.id).update(
        escalations=F("escalations") + 1,
        next_at=None if target is None else _next(case, turn.stage, now),
    )


def escalation(case: Case, turn: Turn) -> Stage | None:
    """Return the stage whose people are asked next; None at the end of the chain.

    A chain that came back to itself would end here too, whatever the policy says.
    """
    stages = {stage.key: stage for stage in case.policy.stages.all()}
    passed, at = {turn.stage.key}, turn.stage
    for _step in range(turn.escalations + 1):
        following = stages.get(at.escalate_to)
        if following is None or following.key in passed:
            return None
        passed.add(following.key)
        at = following
    return at


def _next(case: Case, stage: Stage, now: datetime) -> datetime | None:
    at = _turns.business_time(case, stage.due_min, now)
    return None if at is None else max(at, now + LEAST_BETWEEN)


def _tell(case: Case, turn: Turn, kind: str, now: datetime, roster_of: RosterOf) -> None:
    asked = turn.seats.filter(closed_at__isnull=True).values_list("audience", flat=True)
    _notify(case, _people(case, list(asked), roster_of), kind, now)


def _people(case: Case, asked: list[str], roster_of: RosterOf) -> frozenset[UUID]:
    """Return who could decide of those whom these audiences name."""
    roster = roster_of(case.brand_id)
    roles = [role for role in map(audiences.role_in, asked) if role is not None]
    people = selectors.people_in(asked).union(*(roster.get(r, frozenset()) for r in roles))
    decided = case.decisions.values_list("reviewer_id", flat=True)
    return people - selectors.contributors_of(case) - frozenset(decided)


def _notify(case: Case, people: frozenset[UUID], kind: str, now: datetime) -> None:
    notices.tell(
        person_ids=people,
        kind=kind,
        subject=selectors.subject_ref(case.subject),
        case_id=case.id,
        now=now,
    )
