"""Overrides: a person who had no part lifts one refusal, on an appeal or without; and their use."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.refusals import selectors
from governance.refusals.errors import (
    AlreadyOverridden,
    AppealExists,
    HadAPart,
    NotOverridable,
    PassSpent,
    ReasonRequired,
)
from governance.refusals.models import Appeal, Override, PassUse, Refusal
from governance.refusals.records import OverrideRecord, RefusalRecord
from governance.refusals.states import OVERRIDABLE_BY, AppealState, Stage
from governance.sealing import services as sealing
from governance.tables.records import wait_for_others

MAX_TEXT_LENGTH = 4000


def override_refusal(
    *,
    actor: Actor,
    refusal_id: UUID,
    reason: str,
    contributors: frozenset[UUID],
    pass_until: datetime,
    now: datetime,
) -> OverrideRecord:
    """Lift a refusal that nobody has appealed; the reason is kept sealed.

    `contributors` and `pass_until` as in `decide_appeal`.
    Raises: NotFound, NotPermitted, HadAPart, NotOverridable, AlreadyOverridden, AppealExists (an
    open appeal is decided instead, and a decided one stands), ReasonRequired, InvalidInput.
    """
    with transaction.atomic():
        refusal = selectors.find_row(actor, refusal_id)
        known = selectors.record_of(refusal)
        require_no_part(actor, Permission.REFUSALS_REFUSAL_OVERRIDE, known, contributors)
        check_reason(reason)
        wait_for_others(str(refusal.id))
        check_undisputed(refusal, by_appeal=None)
        row = record_override(
            actor=actor,
            refusal=refusal,
            appeal=None,
            reason=sealing.seal(person_id=actor.id, text=reason, purpose=selectors.REASON_PURPOSE),
            pass_until=pass_until,
            now=now,
        )
    return selectors.override_record(row)


def use_pass(*, actor: Actor, override_id: UUID, order_id: UUID, now: datetime) -> None:
    """Record, in the order's transaction, that an override lets it through; it serves one order.

    Raises: PassSpent if it served before, or its time is over.
    """
    with transaction.atomic():
        wait_for_others(str(override_id))
        row = Override.objects.select_related("refusal").get(id=override_id)
        stands = row.valid_until is not None and now < row.valid_until
        if not stands or PassUse.objects.filter(override=row).exists():
            raise PassSpent(
                _("The override was used for another order, or its time is over."),
                override_id=str(override_id),
            )
        PassUse.objects.create(override=row, order_id=order_id, created_at=now)
        ledger.append(
            actor=actor,
            event=Event.REFUSALS_OVERRIDE_USED,
            subject=SubjectRef("refusal", row.refusal_id, row.refusal.brand_id),
            now=now,
            facts={"override_id": str(override_id), "order_id": str(order_id)},
        )


def reveal_detail(
    *, actor: Actor, refusal_id: UUID, contributors: frozenset[UUID], now: datetime
) -> str | None:
    """Open what was refused for somebody who may override it, and record that they read it.

    None if there is no such text, or its author was erased.
    Raises: NotFound, NotPermitted, HadAPart.
    """
    with transaction.atomic():
        refusal = selectors.find_row(actor, refusal_id)
        known = selectors.record_of(refusal)
        require_no_part(actor, Permission.REFUSALS_REFUSAL_OVERRIDE, known, contributors)
        ledger.append(
            actor=actor,
            event=Event.REFUSALS_REFUSAL_REVEALED,
            subject=SubjectRef("refusal", refusal.id, refusal.brand_id),
            now=now,
        )
        return selectors.open_detail(refusal)


def record_refused_attempt(
    *, actor: Actor, subject_kind: str, subject_id: UUID, code: str, now: datetime
) -> None:
    """Record that somebody tried to decide and was refused, after that was rolled back.

    `subject_kind` is "appeal" or "refusal"; what the actor may not see is not told apart from what
    there is not, so such an attempt is not recorded. Raises: NotFound.
    """
    if subject_kind == "appeal":
        brand_id = selectors.find_appeal_row(actor, subject_id).brand_id
        event = Event.REFUSALS_APPEAL_ATTEMPT_REFUSED
    else:
        brand_id = selectors.find_row(actor, subject_id).brand_id
        event = Event.REFUSALS_OVERRIDE_ATTEMPT_REFUSED
    with transaction.atomic():
        ledger.append(
            actor=actor,
            event=event,
            subject=SubjectRef(subject_kind, subject_id, brand_id),
            now=now,
            facts={"code": code},
        )


def require_no_part(
    actor: Actor, permission: Permission, refusal: RefusalRecord, contributors: frozenset[UUID]
) -> None:
    """Let pass who holds the role and had no part. Raises: NotPermitted, HadAPart."""
    context = selectors.deciding_context(refusal, contributors)
    alone = Context(brand_id=refusal.brand_id)
    if actor.id in context.contributors and permits.may(actor, permission, alone):
        raise HadAPart(
            _("You had a part in what was refused, so somebody else decides about it."),
            refusal_id=str(refusal.id),
        )
    permits.require(actor, permission, context)


def check_reason(reason: str) -> None:
    """Let pass, or raise ReasonRequired for a blank reason, InvalidInput for one too long."""
    if not reason.strip():
        raise ReasonRequired(
            _("Say why: the requester reads your reason."), pointer="/reason", rule="required"
        )
    if len(reason) > MAX_TEXT_LENGTH:
        raise InvalidInput(
            _("A reason has at most %(max)s characters.") % {"max": MAX_TEXT_LENGTH},
            pointer="/reason",
            rule="max_length",
        )


def check_undisputed(refusal: Refusal, *, by_appeal: UUID | None) -> None:
    """Let pass what may be overridden now, by that appeal or without one.

    Raises: NotOverridable, AlreadyOverridden, AppealExists.
    """
    if refusal.stage not in OVERRIDABLE_BY:
        raise NotOverridable(selectors.record_of(refusal).explanation, refusal_id=str(refusal.id))
    if Override.objects.filter(refusal=refusal).exists():
        raise AlreadyOverridden(
            _("Somebody has overridden this refusal already."), refusal_id=str(refusal.id)
        )
    appeal = Appeal.objects.filter(refusal=refusal).exclude(state=AppealState.WITHDRAWN).first()
    if appeal is not None and appeal.id != by_appeal:
        raise AppealExists(
            _("This refusal is under appeal: decide the appeal.")
            if appeal.state == AppealState.OPEN
            else _("The appeal against this refusal was decided; that decision stands."),
            refusal_id=str(refusal.id),
            appeal_id=str(appeal.id),
        )


def record_override(
    *,
    actor: Actor,
    refusal: Refusal,
    appeal: Appeal | None,
    reason: bytes,
    pass_until: datetime,
    now: datetime,
) -> Override:
    """Write the override and the ledger entry that it names, in the caller's transaction."""
    override_id = uuid7()
    facts = {"override_id": str(override_id), "stage": refusal.stage}
    if appeal is not None:
        facts["appeal_id"] = str(appeal.id)
    entry_id = ledger.append(
        actor=actor,
        event=Event.REFUSALS_OVERRIDE_RECORDED,
        subject=SubjectRef("refusal", refusal.id, refusal.brand_id),
        now=now,
        facts=facts,
        sealed={"reason": reason},
    )
    return Override.objects.create(
        id=override_id,
        refusal=refusal,
        appeal=appeal,
        decided_by=actor.id,
        reason=reason,
        valid_until=pass_until if refusal.stage == Stage.PROMPT else None,
        entry_id=entry_id,
        created_at=now,
    )
