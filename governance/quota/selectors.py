"""Reads of the quota's books; a balance is always what its entries add up to."""

from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.quota.models import Account
from governance.quota.periods import period_of
from governance.quota.records import AccountRecord, Discrepancy
from governance.quota.states import EntryKind, HolderKind, Unit

__all__ = ["balance", "check_books", "list_balances", "period_of", "record_of"]


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


def check_books() -> list[Discrepancy]:
    """Compare every account with the sum of its entries, and return where they differ: nowhere.

    One statement, and so one snapshot: it may run while others reserve.
    """
    accounts = (
        Account.objects.annotate(
            says_granted=_sum(EntryKind.GRANT),
            says_reserved=_sum(EntryKind.RESERVE) - _sum(EntryKind.SETTLE) - _sum(EntryKind.REFUND),
            says_spent=_sum(EntryKind.SETTLE),
            says_entries=Count("lines"),
            says_last=Coalesce(Max("lines__number"), 0),
        )
        .exclude(
            granted=F("says_granted"),
            reserved=F("says_reserved"),
            spent=F("says_spent"),
            entries=F("says_entries"),
            says_last=F("says_entries"),
        )
        .order_by("id")
    )
    found = []
    for row in accounts.iterator():
        account: Any = row
        pairs = {
            "granted": (account.granted, account.says_granted),
            "reserved": (account.reserved, account.says_reserved),
            "spent": (account.spent, account.says_spent),
            "entries": (account.entries, account.says_entries),
            "last entry": (account.entries, account.says_last),
        }
        found += [
            Discrepancy(account.id, figure, says, adds_up)
            for figure, (says, adds_up) in pairs.items()
            if says != adds_up
        ]
    return found


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
    )


def _may_read(actor: Actor, account: Account) -> bool:
    owner_id = account.holder_id if account.holder_kind == HolderKind.USER else None
    context = Context(brand_id=account.brand_id, owner_id=owner_id)
    return permits.may(actor, Permission.QUOTA_ACCOUNT_READ, context)


def _sum(kind: EntryKind) -> Coalesce:
    return Coalesce(Sum("lines__amount", filter=Q(lines__kind=kind)), 0)
