"""Reads of the quota's books; a balance is always what its entries add up to."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.quota.models import Account, Entry, Request
from governance.quota.periods import period_of
from governance.quota.records import AccountRecord, Discrepancy, Figures, RequestRecord
from governance.quota.states import EntryKind, HolderKind, Unit
from governance.sealing import services as sealing

__all__ = ["period_of"]

REASON_PURPOSE = "quota.request_reason"
ANSWER_PURPOSE = "quota.request_answer"
_COMPARED = tuple(each.name for each in fields(Figures))


def balance(
    actor: Actor,
    *,
    holder_kind: str,
    holder_id: UUID,
    period: str,
    brand_id: UUID | None = None,
) -> AccountRecord:
    """Return one account. Raises: NotFound if there is none, or the actor may not see it."""
    account = Account.objects.filter(
        holder_kind=holder_kind,
        holder_id=holder_id,
        brand_id=brand_id,
        unit=Unit.IMAGE,
        period=period,
    ).first()
    if account is None or not _may_read(actor, account):
        raise NotFound(_("There is no such quota account."))
    return record_of(account)


def list_balances(
    actor: Actor, *, user_id: UUID, brand_id: UUID, period: str
) -> tuple[AccountRecord, ...]:
    """Return the person's and the brand's accounts, as far as the actor may see them."""
    accounts = Account.objects.filter(
        Q(holder_kind=HolderKind.USER, holder_id=user_id)
        | Q(holder_kind=HolderKind.BRAND, holder_id=brand_id),
        brand_id=brand_id,
        period=period,
    ).order_by("-holder_kind", "id")
    return tuple(record_of(account) for account in accounts if _may_read(actor, account))


def room(
    *, user_id: UUID, brand_id: UUID, profile_id: UUID, period: str
) -> dict[str, AccountRecord | None]:
    """Return the three accounts that an order would use, by holder; None where there is none.

    Unscoped, for services: an order that does not fit says the same numbers to whoever places it.
    """
    found: dict[str, AccountRecord | None] = dict.fromkeys(HolderKind.values)
    for account in Account.objects.filter(
        _of(user_id, brand_id, profile_id), unit=Unit.IMAGE, period=period
    ):
        found[account.holder_kind] = record_of(account)
    return found


def list_usage(
    actor: Actor,
    *,
    period: str,
    brand_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[AccountRecord]:
    """Return a page of the accounts that the actor may see in a period, oldest first.

    With a brand: the brand's and its people's. Without: also the models'.
    """
    rows = Account.objects.filter(_visible(actor), period=period).order_by("id")
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    if after is not None:
        rows = rows.filter(id__gt=after)
    return [record_of(row) for row in rows[:limit]]


def spent_by_models(profile_ids: Iterable[UUID], period: str) -> dict[UUID, AccountRecord]:
    """Return the accounts of these models in a period; for services and their counters."""
    rows = Account.objects.filter(
        holder_kind=HolderKind.MODEL, holder_id__in=list(profile_ids), period=period
    )
    return {row.holder_id: record_of(row) for row in rows}


def get_request(actor: Actor, request_id: UUID) -> RequestRecord:
    """Return one request for more. Raises: NotFound, also for what this actor may not see."""
    row = Request.objects.filter(pk=request_id).first()
    if row is None or not may_read_request(actor, row):
        raise NotFound(_("There is no such quota request."))
    return request_record(row)


def list_requests(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[RequestRecord]:
    """Return a page of the requests that the actor may see, newest first, from before `after`."""
    permission = Permission.QUOTA_REQUEST_READ
    rows = Request.objects.order_by("-id")
    if not permits.may_everywhere(actor, permission):
        rows = rows.filter(
            Q(brand_id__in=permits.brands_where(actor, permission))
            | Q(brand_id__in=permits.brands_where_own(actor, permission), requested_by=actor.id)
        )
    wanted = {"brand_id": brand_id, "state": state, "id__lt": after}
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    return _request_records(rows[:limit])


def may_read_request(actor: Actor, row: Request) -> bool:
    """Tell whether the actor may see a request for more."""
    context = Context(brand_id=row.brand_id, owner_id=row.requested_by)
    return permits.may(actor, Permission.QUOTA_REQUEST_READ, context)


def request_record(row: Request) -> RequestRecord:
    """Return the request as a frozen record, with its texts opened."""
    return _request_records([row])[0]


def check_books() -> list[Discrepancy]:
    """Compare every account with the sum of its entries, and return where they differ: nowhere.

    One statement, and so one snapshot: it may run while others reserve.
    """
    found: list[Discrepancy] = []
    for row in _added_up().exclude(**{name: F(f"says_{name}") for name in _COMPARED}):
        found += differences(row.id, _figures(row), _figures(row, "says_"))
    return found


def add_up() -> dict[UUID, Figures]:
    """Return what every account's entries add up to, all of them, as of one snapshot."""
    return {row.id: _figures(row, "says_") for row in _added_up().iterator()}


def balances_now() -> Iterator[tuple[UUID, Figures]]:
    """Yield what every account says of itself, each as it is when it is read."""
    rows = Account.objects.values_list("id", "granted", "reserved", "spent", "gpu_ms", "entries")
    for account_id, granted, reserved, spent, gpu_ms, entries in rows.iterator():
        yield account_id, Figures(granted, reserved, spent, gpu_ms, entries, last=entries)


def sums_between(account_id: UUID, after: int, until: int) -> Figures:
    """Return what an account's entries with numbers above `after` up to `until` add up to."""
    row = Entry.objects.filter(
        account_id=account_id, number__gt=after, number__lte=until
    ).aggregate(**_sums(""))
    return Figures(**row)


def differences(account_id: UUID, says: Figures, adds_up: Figures) -> list[Discrepancy]:
    """Return each figure in which an account and its entries differ."""
    return [
        Discrepancy(account_id, name, getattr(says, name), getattr(adds_up, name))
        for name in _COMPARED
        if getattr(says, name) != getattr(adds_up, name)
    ]


def record_of(account: Account) -> AccountRecord:
    """Return the account as a frozen record."""
    return AccountRecord(
        id=account.id,
        holder_kind=account.holder_kind,
        holder_id=account.holder_id,
        brand_id=account.brand_id,
        unit=account.unit,
        period=account.period,
        granted=account.granted,
        reserved=account.reserved,
        spent=account.spent,
        gpu_ms=account.gpu_ms,
    )


def _may_read(actor: Actor, account: Account) -> bool:
    owner_id = account.holder_id if account.holder_kind == HolderKind.USER else None
    context = Context(brand_id=account.brand_id, owner_id=owner_id)
    return permits.may(actor, Permission.QUOTA_ACCOUNT_READ, context)


def _visible(actor: Actor) -> Q:
    """Return the accounts that `_may_read` answers yes for, as rows."""
    permission = Permission.QUOTA_ACCOUNT_READ
    if permits.may_everywhere(actor, permission):
        return Q()
    own = Q(holder_kind=HolderKind.USER, holder_id=actor.id)
    if not permits.may(actor, permission, Context(owner_id=actor.id)):
        own &= Q(brand_id__in=permits.brands_where_own(actor, permission))
    return own | Q(brand_id__in=permits.brands_where(actor, permission))


def _of(user_id: UUID, brand_id: UUID, profile_id: UUID) -> Q:
    return (
        Q(holder_kind=HolderKind.USER, holder_id=user_id, brand_id=brand_id)
        | Q(holder_kind=HolderKind.BRAND, holder_id=brand_id, brand_id=brand_id)
        | Q(holder_kind=HolderKind.MODEL, holder_id=profile_id, brand_id=None)
    )


def _request_records(rows: Iterable[Request]) -> list[RequestRecord]:
    """Open the texts of all rows, with one look at the keys for each of the two columns."""
    found = list(rows)
    reasons = sealing.reveal_all(
        sealed=[bytes(row.reason) for row in found], purpose=REASON_PURPOSE
    )
    answered = [row for row in found if row.answer is not None]
    opened = sealing.reveal_all(
        sealed=[bytes(row.answer or b"") for row in answered], purpose=ANSWER_PURPOSE
    )
    answers = {row.id: text for row, text in zip(answered, opened, strict=True)}
    return [
        RequestRecord(
            id=row.id,
            created_at=row.created_at,
            brand_id=row.brand_id,
            requested_by=row.requested_by,
            holder_kind=row.holder_kind,
            holder_id=row.holder_id,
            period=row.period,
            amount=row.amount,
            reason=reason,
            state=row.state,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            granted=row.granted,
            answer=answers.get(row.id),
        )
        for row, reason in zip(found, reasons, strict=True)
    ]


def _added_up() -> QuerySet[Any]:
    """Return every account beside what its entries add up to, in one statement."""
    sums = {f"says_{name}": value for name, value in _sums("lines__").items()}
    return Account.objects.annotate(last=F("entries"), **sums).order_by("id")


def _sums(lines: str) -> dict[str, Any]:
    def total(kind: EntryKind) -> Coalesce:
        return Coalesce(Sum(f"{lines}amount", filter=Q(**{f"{lines}kind": kind})), 0)

    return {
        "granted": total(EntryKind.GRANT),
        "reserved": total(EntryKind.RESERVE) - total(EntryKind.SETTLE) - total(EntryKind.REFUND),
        "spent": total(EntryKind.SETTLE),
        "gpu_ms": Coalesce(Sum(f"{lines}gpu_ms"), 0),
        "entries": Count(f"{lines}id"),
        "last": Coalesce(Max(f"{lines}number"), 0),
    }


def _figures(row: Any, prefix: str = "") -> Figures:
    return Figures(**{name: getattr(row, f"{prefix}{name}") for name in _COMPARED})
