"""Moves an item's quota: on all of its accounts or none, in id order, each entry exactly once.

Each service locks its accounts in id order (so that two never wait for each other in a circle) and
inserts entries in one statement; the database moves the balances by them, and refuses what would
overspend (see `guards`).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from governance.kernel.ids import uuid7
from governance.quota.errors import AlreadyClosed, NeverReserved, QuotaExceeded
from governance.quota.models import CLOSING, Account, Entry
from governance.quota.periods import period_of
from governance.quota.states import EntryKind, HolderKind, Unit

# More than any device works on one image; a clock that jumped must not break the finish.
LONGEST_GPU_S = 7 * 86_400


def reserve(
    *,
    item_ids: Sequence[UUID],
    user_id: UUID,
    brand_id: UUID,
    profile_id: UUID,
    now: datetime,
    cost: int = 1,
) -> None:
    """Reserve `cost` images for each item on the user's, the brand's and the model's account.

    Runs in the caller's transaction and writes nothing when it raises, so the caller may go on and
    record the refusal there. An item that holds its reservation already keeps it.
    Raises: QuotaExceeded (facts: holder_kind, granted, reserved, spent, asked); AlreadyClosed.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "quota must be reserved in the transaction that makes the items"
        )
    if cost < 1 or not item_ids or len(set(item_ids)) != len(item_ids):
        raise ValueError("a reservation needs different items, at least one, and a cost above 0")
    period = period_of(now)
    accounts = list(
        Account.objects.select_for_update()
        .filter(
            Q(holder_kind=HolderKind.USER, holder_id=user_id, brand_id=brand_id)
            | Q(holder_kind=HolderKind.BRAND, holder_id=brand_id, brand_id=brand_id)
            | Q(holder_kind=HolderKind.MODEL, holder_id=profile_id, brand_id=None),
            unit=Unit.IMAGE,
            period=period,
        )
        .order_by("id")
    )
    new = _not_reserved(item_ids)
    if not new:
        return
    by_holder = {account.holder_kind: account for account in accounts}
    asked = cost * len(new)
    for holder_kind in (HolderKind.USER, HolderKind.BRAND, HolderKind.MODEL):
        _check_room(holder_kind, by_holder.get(holder_kind), asked, period)
    _insert(
        [(account, [(item_id, cost) for item_id in new]) for account in accounts],
        kind=EntryKind.RESERVE,
        now=now,
    )


def settle(*, item_id: UUID, now: datetime, gpu_s: float = 0.0) -> bool:
    """Turn the item's reservation into spent quota; False if it was settled or refunded before.

    `gpu_s` is how long the device worked for it, in seconds; it is kept beside the quota.
    Raises: NeverReserved.
    """
    gpu_ms = round(min(max(gpu_s, 0.0), LONGEST_GPU_S) * 1000)
    return _close(item_id, EntryKind.SETTLE, now, gpu_ms=gpu_ms)


def refund(*, item_id: UUID, now: datetime) -> bool:
    """Give the item's reservation back; False if it was settled or refunded before.

    Raises: NeverReserved.
    """
    return _close(item_id, EntryKind.REFUND, now)


def _close(item_id: UUID, kind: EntryKind, now: datetime, *, gpu_ms: int = 0) -> bool:
    with transaction.atomic():
        reserves = Entry.objects.filter(item_id=item_id, kind=EntryKind.RESERVE)
        accounts = list(
            Account.objects.select_for_update()
            .filter(id__in=reserves.values("account_id"))
            .order_by("id")
        )
        if not accounts:
            raise NeverReserved(
                _("This item holds no quota, so there is nothing to settle or refund."),
                item_id=str(item_id),
            )
        # Read after the locks: whoever closed it first has committed by now.
        if Entry.objects.filter(item_id=item_id, kind__in=CLOSING).exists():
            return False
        amounts = dict(reserves.values_list("account_id", "amount"))
        _insert(
            [(account, [(item_id, amounts[account.id])]) for account in accounts],
            kind=kind,
            now=now,
            gpu_ms=gpu_ms,
        )
        return True


def _insert(
    movements: Sequence[tuple[Account, Sequence[tuple[UUID, int]]]],
    *,
    kind: EntryKind,
    now: datetime,
    gpu_ms: int = 0,
) -> None:
    """Insert the entries in one statement, account by account in the order given."""
    Entry.objects.bulk_create(
        Entry(
            id=uuid7(),
            created_at=now,
            account=account,
            number=account.entries + place,
            item_id=item_id,
            kind=kind,
            amount=amount,
            gpu_ms=gpu_ms,
        )
        for account, lines in movements
        for place, (item_id, amount) in enumerate(lines, start=1)
    )


def _not_reserved(item_ids: Sequence[UUID]) -> list[UUID]:
    known = dict.fromkeys(item_ids, False)
    for item_id, kind in Entry.objects.filter(item_id__in=item_ids).values_list("item_id", "kind"):
        if kind in CLOSING:
            raise AlreadyClosed(
                _("This item's quota was settled or refunded before: order it again."),
                item_id=str(item_id),
            )
        if item_id is not None:
            known[item_id] = True
    return [item_id for item_id, reserved in known.items() if not reserved]


def _check_room(holder_kind: HolderKind, account: Account | None, asked: int, period: str) -> None:
    granted, reserved, spent = (
        (account.granted, account.reserved, account.spent) if account else (0, 0, 0)
    )
    if account is not None and granted - reserved - spent >= asked:
        return
    sentences = {
        HolderKind.USER: _(
            "Your quota for %(period)s is used up: "
            "%(asked)d asked for, %(left)d of %(granted)d left."
        ),
        HolderKind.BRAND: _(
            "The brand's quota for %(period)s is used up: "
            "%(asked)d asked for, %(left)d of %(granted)d left."
        ),
        HolderKind.MODEL: _(
            "The model's quota for %(period)s is used up: "
            "%(asked)d asked for, %(left)d of %(granted)d left."
        ),
    }
    raise QuotaExceeded(
        sentences[holder_kind]
        % {
            "period": period,
            "asked": asked,
            "left": granted - reserved - spent,
            "granted": granted,
        },
        holder_kind=holder_kind.value,
        granted=granted,
        reserved=reserved,
        spent=spent,
        asked=asked,
        period=period,
    )
