"""The quota's books: entries are only added, and the database itself moves the balances."""

from django.db import models
from django.db.models import F, Q

from governance.quota.states import EntryKind, HolderKind, Unit
from governance.tables.records import Record

CLOSING = (EntryKind.SETTLE.value, EntryKind.REFUND.value)


class Account(Record):
    """What one holder may use in one period; a trigger on the entries moves the four balances.

    A user's account belongs to one brand, a brand's account to itself, and a model's account is
    the installation's: it has no brand. `entries` counts the entries: the number of the last.
    """

    holder_kind = models.CharField(max_length=8, choices=HolderKind.choices)
    holder_id = models.UUIDField()
    brand_id = models.UUIDField(null=True)
    unit = models.CharField(max_length=8, choices=Unit.choices, default=Unit.IMAGE)
    period = models.CharField(max_length=7)
    granted = models.PositiveBigIntegerField(default=0)
    reserved = models.PositiveBigIntegerField(default=0)
    spent = models.PositiveBigIntegerField(default=0)
    entries = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="account_never_overspent",
                condition=Q(granted__gte=F("reserved") + F("spent")),
            ),
            models.CheckConstraint(
                name="account_balances_not_negative",
                condition=Q(granted__gte=0, reserved__gte=0, spent__gte=0, entries__gte=0),
            ),
            models.CheckConstraint(
                name="account_holder_and_brand_agree",
                condition=Q(holder_kind=HolderKind.USER, brand_id__isnull=False)
                | Q(holder_kind=HolderKind.BRAND, brand_id__isnull=False, brand_id=F("holder_id"))
                | Q(holder_kind=HolderKind.MODEL, brand_id__isnull=True),
            ),
            models.CheckConstraint(
                name="account_counts_a_known_unit", condition=Q(unit__in=Unit.values)
            ),
            models.UniqueConstraint(
                name="account_once_per_brand_and_period",
                fields=["holder_id", "holder_kind", "brand_id", "unit", "period"],
                condition=Q(brand_id__isnull=False),
            ),
            models.UniqueConstraint(
                name="account_once_per_period",
                fields=["holder_id", "holder_kind", "unit", "period"],
                condition=Q(brand_id__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holder_kind} {self.holder_id} in {self.period} ({self.brand_id})"


class Entry(Record):
    """One movement of one account: a grant by a person, or an item's reserve and what closed it.

    `number` counts the account's entries from 1 without a gap. A grant names who gave it and the
    ledger entry that recorded the act; the others name their item.
    """

    account = models.ForeignKey(
        Account, models.PROTECT, related_name="lines", db_index=False, db_constraint=False
    )
    number = models.PositiveBigIntegerField()
    item_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=8, choices=EntryKind.choices)
    amount = models.PositiveBigIntegerField()
    granted_by = models.UUIDField(null=True)
    recorded_as = models.UUIDField(null=True, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="entry_moves_something", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="entry_is_a_grant_or_an_items",
                condition=Q(
                    kind=EntryKind.GRANT,
                    item_id__isnull=True,
                    granted_by__isnull=False,
                    recorded_as__isnull=False,
                )
                | Q(
                    kind__in=[EntryKind.RESERVE, *CLOSING],
                    item_id__isnull=False,
                    granted_by__isnull=True,
                    recorded_as__isnull=True,
                ),
            ),
            models.UniqueConstraint(name="entry_has_its_number", fields=["account", "number"]),
            # Together these two are UNIQUE(item, account, kind), and an item closes only once.
            models.UniqueConstraint(
                name="entry_reserved_once",
                fields=["item_id", "account"],
                condition=Q(kind=EntryKind.RESERVE),
            ),
            models.UniqueConstraint(
                name="entry_closed_once",
                fields=["item_id", "account"],
                condition=Q(kind__in=CLOSING),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}, entry {self.number} of {self.account_id}"
