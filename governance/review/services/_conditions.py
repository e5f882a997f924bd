"""Confirms that the changes an approval asked for are made; until then nothing is published."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.review import selectors
from governance.review.models import ConditionMet, Decision
from governance.review.records import CaseRecord
from governance.review.services import _turns
from governance.review.services._cases import check_reason, lock_case
from governance.review.states import CaseState, Verdict
from governance.sealing import services as sealing


class NoCondition(DomainError):
    """The decision asked for no changes, so there is nothing to confirm."""

    code = "no_condition"
    status = 409


class AlreadyConfirmed(DomainError):
    """Somebody confirmed it already; it stays as it was said."""

    code = "already_confirmed"
    status = 409


def confirm_condition(*, actor: Actor, decision_id: UUID, note: str, now: datetime) -> CaseRecord:
    """Record that the changes which an approval asked for are made.

    Raises: NotFound, InvalidInput, NoCondition, AlreadyConfirmed; NotPermitted for whoever had a
    part in the image, the requester among them; IllegalTransition unless the case is approved.
    """
    check_reason(note, required=False)
    decision = Decision.objects.filter(id=decision_id).first()
    if decision is None:
        raise NotFound(_("There is no such decision."))
    with transaction.atomic():
        case = lock_case(actor, decision.case_id)
        parts = selectors.contributors_of(case)
        context = selectors.asked_in(case.brand_id, parts, ())
        permits.require(actor, Permission.REVIEW_CONDITION_CONFIRM, context)
        if decision.verdict != Verdict.APPROVE_WITH_CHANGES:
            raise NoCondition(_("This decision asked for no changes."))
        if case.state != CaseState.APPROVED:
            raise IllegalTransition(
                _("Changes are confirmed once the case is approved."), act="confirm"
            )
        if ConditionMet.objects.filter(decision=decision).exists():
            raise AlreadyConfirmed(_("These changes are confirmed already."))
        sealed = (
            sealing.seal(person_id=actor.id, text=note, purpose=selectors.CONDITION_PURPOSE)
            if note.strip()
            else None
        )
        ConditionMet.objects.create(
            decision=decision, confirmed_by=actor.id, note=sealed, created_at=now
        )
        _turns.append(
            actor,
            Event.REVIEW_CONDITION_CONFIRMED,
            case,
            now,
            {"case_id": str(case.id), "decision_id": str(decision.id)},
            sealed=None if sealed is None else {"note": sealed},
        )
    return selectors.get_case(actor, case.id)
