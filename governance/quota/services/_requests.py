"""Asking for more is an approval: one person asks, another grants it or declines it, once."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.quota import selectors
from governance.quota.errors import AlreadyAsked
from governance.quota.models import Request
from governance.quota.periods import period_of
from governance.quota.records import RequestRecord
from governance.quota.services._grant import add_grant, check_amount, check_holder, check_period
from governance.quota.states import REQUEST, HolderKind, RequestState
from governance.sealing import services as sealing
from governance.tables.records import move

LONGEST_TEXT = 2000
_EVENTS = {
    "grant": Event.QUOTA_REQUEST_GRANTED,
    "decline": Event.QUOTA_REQUEST_DECLINED,
    "withdraw": Event.QUOTA_REQUEST_WITHDRAWN,
}


def ask_for_more(
    *,
    actor: Actor,
    brand_id: UUID,
    holder_kind: str,
    holder_id: UUID,
    period: str,
    amount: int,
    reason: str,
    now: datetime,
) -> RequestRecord:
    """Ask for `amount` images on top for one account, in this period or a later one.

    A marketer asks for their own account, the brand's or a model's; a brand manager for any
    person's in the brand too.
    Raises: NotFound for a hidden brand, NotPermitted, InvalidInput, AlreadyAsked.
    """
    if not permits.may(actor, Permission.BRANDS_BRAND_READ, Context(brand_id=brand_id)):
        raise NotFound(_("There is no such brand."), pointer="/brand_id")
    check_holder(holder_kind, holder_id, _accounts_brand(holder_kind, brand_id))
    # A brand's or a model's account is nobody's own: whoever orders from it may ask.
    owner_id = holder_id if holder_kind == HolderKind.USER else actor.id
    permits.require(
        actor, Permission.QUOTA_REQUEST_CREATE, Context(brand_id=brand_id, owner_id=owner_id)
    )
    check_period(period)
    _check_not_over(period, now)
    check_amount(amount)
    _check_text(reason, "/reason")
    try:
        with transaction.atomic():
            row = Request.objects.create(
                brand_id=brand_id,
                requested_by=actor.id,
                holder_kind=holder_kind,
                holder_id=holder_id,
                period=period,
                amount=amount,
                reason=sealing.seal(
                    person_id=actor.id, text=reason, purpose=selectors.REASON_PURPOSE
                ),
                created_at=now,
            )
            _record(actor, Event.QUOTA_REQUEST_CREATED, row, now)
    except IntegrityError as error:
        raise AlreadyAsked(
            _("You have asked for more on this account already: wait for the answer, or withdraw."),
            pointer="/holder_id",
        ) from error
    return selectors.request_record(row)


def grant_request(
    *, actor: Actor, request_id: UUID, amount: int | None, answer: str = "", now: datetime
) -> RequestRecord:
    """Grant what was asked, or fewer, as somebody who neither asked nor holds the account.

    `amount` None grants all of it. The grant and the decision are one transaction.
    Raises: NotFound, NotPermitted, InvalidInput; IllegalTransition if it was decided before.
    """
    _check_text(answer, "/answer", is_needed=False)
    with transaction.atomic():
        row = _locked(actor, request_id)
        _require_decider(actor, row)
        transition = REQUEST.target("grant", row.state)
        granted = row.amount if amount is None else amount
        check_amount(granted, most=row.amount)
        _check_not_over(row.period, now)
        add_grant(
            actor=actor,
            holder_kind=row.holder_kind,
            holder_id=row.holder_id,
            brand_id=_accounts_brand(row.holder_kind, row.brand_id),
            period=row.period,
            amount=granted,
            now=now,
            request_id=row.id,
        )
        changes = _decision(actor, answer, now) | {"granted": granted}
        move(row, transition, **changes)
        _record(actor, _EVENTS["grant"], row, now, granted=granted)
    return selectors.request_record(row)


def decline_request(*, actor: Actor, request_id: UUID, answer: str, now: datetime) -> RequestRecord:
    """Decline a request, with a reason that the requester reads.

    Raises: NotFound, NotPermitted, InvalidInput; IllegalTransition if it was decided before.
    """
    _check_text(answer, "/answer")
    with transaction.atomic():
        row = _locked(actor, request_id)
        _require_decider(actor, row)
        move(row, REQUEST.target("decline", row.state), **_decision(actor, answer, now))
        _record(actor, _EVENTS["decline"], row, now)
    return selectors.request_record(row)


def withdraw_request(*, actor: Actor, request_id: UUID, now: datetime) -> RequestRecord:
    """Take back a request of one's own that nobody has decided.

    Raises: NotFound, NotPermitted, IllegalTransition if it was decided before.
    """
    with transaction.atomic():
        row = _locked(actor, request_id)
        permits.require(
            actor,
            Permission.QUOTA_REQUEST_WITHDRAW,
            Context(brand_id=row.brand_id, owner_id=row.requested_by),
        )
        move(row, REQUEST.target("withdraw", row.state), **_decision(actor, "", now))
        _record(actor, _EVENTS["withdraw"], row, now)
    return selectors.request_record(row)


def _locked(actor: Actor, request_id: UUID) -> Request:
    """Return the row for this transaction: of two deciders the second one waits here."""
    row = Request.objects.select_for_update(no_key=True).filter(pk=request_id).first()
    if row is None or not selectors.may_read_request(actor, row):
        raise NotFound(_("There is no such quota request."))
    return row


def _require_decider(actor: Actor, row: Request) -> None:
    is_users = row.holder_kind == HolderKind.USER
    permits.require(
        actor,
        Permission.QUOTA_REQUEST_DECIDE,
        Context(
            brand_id=row.brand_id,
            contributors=frozenset({row.requested_by, row.holder_id}),
            owner_id=row.holder_id if is_users else None,
        ),
    )


def _decision(actor: Actor, answer: str, now: datetime) -> dict[str, Any]:
    """Return who decided, when, and the sealed answer, if there is one."""
    sealed = (
        sealing.seal(person_id=actor.id, text=answer, purpose=selectors.ANSWER_PURPOSE)
        if answer.strip()
        else None
    )
    return {"decided_by": actor.id, "decided_at": now, "answer": sealed}


def _accounts_brand(holder_kind: str, brand_id: UUID) -> UUID | None:
    return None if holder_kind == HolderKind.MODEL else brand_id


def _record(actor: Actor, event: Event, row: Request, now: datetime, **facts: Any) -> None:
    texts = {"reason": row.reason} if row.state == RequestState.OPEN else {"answer": row.answer}
    ledger.append(
        actor=actor,
        event=event,
        subject=SubjectRef("quota_request", row.id, row.brand_id),
        now=now,
        facts={
            "requested_by": str(row.requested_by),
            "holder_kind": row.holder_kind,
            "holder_id": str(row.holder_id),
            "period": row.period,
            "asked": row.amount,
            **facts,
        },
        sealed={name: bytes(text) for name, text in texts.items() if text is not None},
    )


def _check_not_over(period: str, now: datetime) -> None:
    if period < period_of(now):
        raise InvalidInput(
            _("The period %(period)s is over: nothing can be spent in it.") % {"period": period},
            pointer="/period",
            rule="past",
        )


def _check_text(text: str, pointer: str, *, is_needed: bool = True) -> None:
    if (is_needed and not text.strip()) or len(text) > LONGEST_TEXT:
        raise InvalidInput(
            _("Give a reason of 1 to %(max)s characters.") % {"max": LONGEST_TEXT},
            pointer=pointer,
            rule="length",
        )
