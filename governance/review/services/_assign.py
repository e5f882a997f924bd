"""Gives an open stage to one person: who gave it, to whom and why is recorded."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.events import Event
from governance.notices import services as notices
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.review import audiences, selectors
from governance.review.models import STAGE_ROLES, Assignment, Case, Seat, Turn
from governance.review.records import CaseRecord
from governance.review.services import _turns
from governance.review.services._cases import check_reason, lock_case
from governance.review.states import CaseState
from governance.sealing import services as sealing


class CannotDecide(DomainError):
    """The person could not decide: no such role in the brand, a part in the subject, or done."""

    code = "cannot_decide"
    status = 422


def assign(
    *,
    actor: Actor,
    case_id: UUID,
    stage_key: str,
    person_id: UUID,
    reason: str,
    roster: Mapping[Role, frozenset[UUID]],
    now: datetime,
) -> CaseRecord:
    """Ask one person in place of those whom an open stage asks.

    Where the stage lacks several decisions, each assignment gives one of its places, and the others
    stay asked until every place is given. `roster` says who holds which role in the brand.
    Raises: NotFound, NotPermitted, InvalidInput, IllegalTransition for a closed case; CannotDecide.
    """
    check_reason(reason, required=True)
    with transaction.atomic():
        case = lock_case(actor, case_id)
        parts = selectors.contributors_of(case)
        context = selectors.asked_in(case.brand_id, parts, ())
        permits.require(actor, Permission.REVIEW_TURN_ASSIGN, context)
        if case.state != CaseState.OPEN:
            raise IllegalTransition(_("This review is closed."), act="assign", state=case.state)
        turn = _turn(case, stage_key)
        _check_person(actor, case, turn, person_id, parts, roster)
        _give(actor, case, turn, person_id, reason, now)
    return selectors.get_case(actor, case.id)


def _turn(case: Case, stage_key: str) -> Turn:
    turn = (
        case.turns.filter(closed_at__isnull=True, stage__key=stage_key)
        .select_related("stage", "case")
        .first()
    )
    if turn is None:
        raise InvalidInput(
            _("No stage “%(stage)s” is open in this review.") % {"stage": stage_key},
            pointer="/stage",
            rule="enum",
        )
    return turn


def _check_person(
    actor: Actor,
    case: Case,
    turn: Turn,
    person_id: UUID,
    parts: frozenset[UUID],
    roster: Mapping[Role, frozenset[UUID]],
) -> None:
    if person_id == actor.id:
        raise _cannot(_("Nobody gives a review to themselves."))
    if person_id in parts:
        raise _cannot(_("That person had a part in this."))
    if case.decisions.filter(reviewer_id=person_id).exists():
        raise _cannot(_("That person has decided in this review already."))
    members: frozenset[UUID] = frozenset().union(*roster.values())
    reviewers: frozenset[UUID] = frozenset().union(
        *(roster.get(role, frozenset()) for role in STAGE_ROLES)
    )
    asked = turn.seats.filter(closed_at__isnull=True).values_list("audience", flat=True)
    if person_id not in reviewers | (selectors.people_in(asked) & members):
        raise _cannot(_("That person reviews nothing in this brand."))


def _cannot(detail: str) -> CannotDecide:
    return CannotDecide(detail, pointer="/person_id", rule="cannot_decide")


def _give(
    actor: Actor, case: Case, turn: Turn, person_id: UUID, reason: str, now: datetime
) -> None:
    sealed = sealing.seal(person_id=actor.id, text=reason, purpose=selectors.ASSIGN_PURPOSE)
    Assignment.objects.create(
        turn=turn, person_id=person_id, assigned_by=actor.id, reason=sealed, created_at=now
    )
    _turns.add_seats(case, turn, [audiences.of_person(person_id)], now)
    _close_others(turn, now)
    Turn.objects.filter(id=turn.id).update(assigned_to=person_id)
    _turns.append(
        actor,
        Event.REVIEW_TURN_ASSIGNED,
        case,
        now,
        {**_turns.facts_of(case, turn.stage), "person_id": str(person_id)},
        sealed={"reason": sealed},
    )
    notices.tell(
        person_ids=[person_id],
        kind="review.assigned",
        subject=selectors.subject_ref(case.subject),
        case_id=case.id,
        now=now,
    )


def _close_others(turn: Turn, now: datetime) -> None:
    """Keep the latest assigned, one for each decision that lacks; then nobody else is asked."""
    latest = turn.assignments.order_by("-id").values_list("person_id", flat=True)
    kept = list(dict.fromkeys(latest))[: _turns.lacking(turn)]
    if len(kept) == _turns.lacking(turn):
        names = [audiences.of_person(person) for person in kept]
        others = Seat.objects.filter(turn=turn, closed_at__isnull=True)
        others.exclude(audience__in=names).update(closed_at=now)
