"""Appeals: the requester opens one, somebody who had no part decides it, once."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.refusals import selectors
from governance.refusals.errors import (
    AlreadyOverridden,
    AppealClosed,
    AppealExists,
    ArgumentRequired,
    NotOverridable,
)
from governance.refusals.models import Appeal, Override, Refusal
from governance.refusals.records import AppealRecord
from governance.refusals.services._overrides import (
    MAX_TEXT_LENGTH,
    check_reason,
    check_undisputed,
    record_override,
    require_no_part,
)
from governance.refusals.states import APPEAL, OVERRIDABLE_BY, AppealState, Ruling
from governance.sealing import services as sealing
from governance.tables.records import move, wait_for_others


def open_appeal(*, actor: Actor, refusal_id: UUID, argument: str, now: datetime) -> AppealRecord:
    """Open the appeal of whoever was refused; the argument is kept sealed.

    Raises: NotFound, NotPermitted, NotOverridable, AlreadyOverridden, AppealExists;
    ArgumentRequired, InvalidInput for one that is too long.
    """
    with transaction.atomic():
        refusal = selectors.find_row(actor, refusal_id)
        context = Context(brand_id=refusal.brand_id, owner_id=refusal.requester_id)
        permits.require(actor, Permission.REFUSALS_APPEAL_OPEN, context)
        _check_argument(argument)
        wait_for_others(str(refusal.id))
        _check_appealable(refusal)
        sealed = sealing.seal(person_id=actor.id, text=argument, purpose=selectors.ARGUMENT_PURPOSE)
        row = Appeal.objects.create(
            refusal=refusal,
            brand_id=refusal.brand_id,
            appellant_id=actor.id,
            argument=sealed,
            created_at=now,
        )
        _append(actor, Event.REFUSALS_APPEAL_OPENED, row, now, {"argument": sealed})
    return selectors.appeal_record(row, with_texts=True)


def withdraw_appeal(*, actor: Actor, appeal_id: UUID, now: datetime) -> AppealRecord:
    """Take one's own appeal back, while nobody has decided it.

    Raises: NotFound, NotPermitted, AppealClosed.
    """
    with transaction.atomic():
        row = _lock(actor, appeal_id)
        context = Context(brand_id=row.brand_id, owner_id=row.appellant_id)
        permits.require(actor, Permission.REFUSALS_APPEAL_OPEN, context)
        _check_open(row)
        move(row, APPEAL.target("withdraw", row.state), closed_at=now)
        _append(actor, Event.REFUSALS_APPEAL_WITHDRAWN, row, now)
    return selectors.appeal_record(row, with_texts=True)


def decide_appeal(
    *,
    actor: Actor,
    appeal_id: UUID,
    ruling: str,
    reason: str,
    contributors: frozenset[UUID],
    pass_until: datetime,
    now: datetime,
) -> AppealRecord:
    """Uphold the refusal, or overturn it by an override that names this appeal.

    `contributors` had a part in what was refused, by the review's record; the database asks that
    record itself. An overturned prompt may be ordered once, until `pass_until`.
    Raises: NotFound, NotPermitted, HadAPart, AppealClosed, ReasonRequired, InvalidInput.
    """
    if ruling not in Ruling.values:
        raise InvalidInput(
            _("“%(ruling)s” is not a ruling.") % {"ruling": ruling}, pointer="/ruling", rule="enum"
        )
    with transaction.atomic():
        row = _lock(actor, appeal_id)
        refusal = selectors.record_of(row.refusal)
        require_no_part(actor, Permission.REFUSALS_APPEAL_DECIDE, refusal, contributors)
        _check_open(row)
        check_reason(reason)
        sealed = sealing.seal(person_id=actor.id, text=reason, purpose=selectors.REASON_PURPOSE)
        event = Event.REFUSALS_APPEAL_UPHELD
        if ruling == Ruling.OVERTURN:
            check_undisputed(row.refusal, by_appeal=row.id)
            record_override(
                actor=actor,
                refusal=row.refusal,
                appeal=row,
                reason=sealed,
                pass_until=pass_until,
                now=now,
            )
            event = Event.REFUSALS_APPEAL_OVERTURNED
        transition = APPEAL.target(ruling, row.state)
        move(row, transition, decided_by=actor.id, reason=sealed, closed_at=now)
        _append(actor, event, row, now, {"reason": sealed})
    return selectors.get_appeal(actor, row.id)


def _lock(actor: Actor, appeal_id: UUID) -> Appeal:
    """Return the appeal, held against every other change of it and of its refusal's fate.

    Raises: NotFound.
    """
    seen = selectors.find_appeal_row(actor, appeal_id)
    wait_for_others(str(seen.refusal_id))
    row = (
        Appeal.objects.select_for_update(of=("self",))
        .select_related("refusal", "refusal__override")
        .filter(id=appeal_id)
        .first()
    )
    if row is None:
        raise NotFound(_("There is no such appeal."))
    return row


def _check_open(row: Appeal) -> None:
    if row.state != AppealState.OPEN:
        raise AppealClosed(
            _("This appeal is closed: it was decided or withdrawn before."),
            appeal_id=str(row.id),
            state=str(row.state),
        )


def _check_appealable(refusal: Refusal) -> None:
    if refusal.stage not in OVERRIDABLE_BY:
        raise NotOverridable(selectors.record_of(refusal).explanation, refusal_id=str(refusal.id))
    if Override.objects.filter(refusal=refusal).exists():
        raise AlreadyOverridden(
            _("This refusal is overridden already: there is nothing left to appeal."),
            refusal_id=str(refusal.id),
        )
    if Appeal.objects.filter(refusal=refusal).exclude(state=AppealState.WITHDRAWN).exists():
        raise AppealExists(
            _("This refusal is under appeal, or its appeal was decided: it is heard once."),
            refusal_id=str(refusal.id),
        )


def _check_argument(argument: str) -> None:
    if not argument.strip():
        raise ArgumentRequired(
            _("Say why you believe that the refusal is wrong."),
            pointer="/argument",
            rule="required",
        )
    if len(argument) > MAX_TEXT_LENGTH:
        raise InvalidInput(
            _("An argument has at most %(max)s characters.") % {"max": MAX_TEXT_LENGTH},
            pointer="/argument",
            rule="max_length",
        )


def _append(
    actor: Actor, event: Event, row: Appeal, now: datetime, sealed: dict[str, bytes] | None = None
) -> None:
    ledger.append(
        actor=actor,
        event=event,
        subject=SubjectRef("appeal", row.id, row.brand_id),
        now=now,
        facts={"refusal_id": str(row.refusal_id), "appellant_id": str(row.appellant_id)},
        sealed=sealed,
    )
