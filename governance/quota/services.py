"""Moves the quota's books: all of an item's accounts or none, in id order, each entry exactly once.

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

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.quota.errors import AlreadyClosed, NeverReserved, QuotaExceeded
from governance.quota.models import CLOSING, Account, Entry
from governance.quota.periods import is_period, period_of
from governance.quota.records import AccountRecord
from governance.quota.selectors import record_of
from governance.quota.states import EntryKind, HolderKind, Unit

LARGEST_GRANT = 1_000_000_000


def grant(
    *,
    actor: Actor,
    holder_kind: str,
    holder_id: UUID,
    brand_id: UUID | None,
    period: str,
    amount: int,
    now: datetime,
) -> AccountRecord:
    """Add `amount` images to a holder's account for `period`, opening the account if need be.

    A user's account is in a brand (`brand_id`); a brand's names itself (`brand_id` equals
    `holder_id`); a model's belongs to the installation (`brand_id` is None).
    Raises: NotPermitted for anybody but a platform admin, and for oneself; InvalidInput.
    """
    permits.require(
        actor,
        Permission.QUOTA_ACCOUNT_GRANT,
        Context(brand_id=brand_id, contributors=frozenset({holder_id})),
    )
    _check_grant(holder_kind, holder_id, brand_id, period, amount)
    with transaction.atomic():
        opened, _created = Account.objects.get_or_create(
            holder_kind=holder_kind,
            holder_id=holder_id,
            brand_id=brand_id,
            unit=Unit.IMAGE,
            period=period,
            defaults={"created_at": now},
        )
        account = Account.objects.select_for_update().get(id=opened.id)
        entry_id = ledger.append(
            actor=actor,
            event=Event.QUOTA_ACCOUNT_GRANTED,
            subject=SubjectRef("quota_account", account.id, brand_id),
            now=now,
            facts={
                "holder_kind": holder_kind,
                "holder_id": str(holder_id),
                "unit": account.unit,
                "period": period,
                "amount": amount,
                "granted_before": account.granted,
            },
        )
        Entry(
            created_at=now,
            account=account,
            number=account.entries + 1,
            kind=EntryKind.GRANT,
            amount=amount,
            granted_by=actor.id,
            recorded_as=entry_id,
        ).save(force_insert=True)
        account.refresh_from_db()
        return record_of(account)


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


def settle(*, item_id: UUID, now: datetime) -> bool:
    """Turn the item's reservation into spent quota; False if it was settled or refunded before.

    Raises: NeverReserved.
    """
    return _close(item_id, EntryKind.SETTLE, now)


def refund(*, item_id: UUID, now: datetime) -> bool:
    """Give the item's reservation back; False if it was settled or refunded before.

    Raises: NeverReserved.
    """
    return _close(item_id, EntryKind.REFUND, now)


def _close(item_id: UUID, kind: EntryKind, now: datetime) -> bool:
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
        )
        return True


def _insert(
    movements: Sequence[tuple[Account, Sequence[tuple[UUID, int]]]],
    *,
    kind: EntryKind,
    now: datetime,
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
    )


def _check_grant(
    holder_kind: str, holder_id: UUID, brand_id: UUID | None, period: str, amount: int
) -> None:
    if holder_kind not in HolderKind.values:
        raise InvalidInput(
            _("A quota is held by a user, a brand or a model."),
            pointer="/holder_kind",
            rule="enum",
        )
    fits = {
        HolderKind.USER.value: brand_id is not None,
        HolderKind.BRAND.value: brand_id == holder_id,
        HolderKind.MODEL.value: brand_id is None,
    }
    if not fits[holder_kind]:
        raise InvalidInput(
            _(
                "A user's quota is for one brand, a brand's quota names the brand itself, "
                "and a model's quota names no brand."
            ),
            pointer="/brand_id",
            rule="holder",
        )
    if not is_period(period):
        raise InvalidInput(
            _("A period is a month, written like 2026-11."), pointer="/period", rule="pattern"
        )
    if not 1 <= amount <= LARGEST_GRANT:
        raise InvalidInput(
            _("A grant is a whole number from 1 to %(largest)d.") % {"largest": LARGEST_GRANT},
            pointer="/amount",
            rule="range",
        )
