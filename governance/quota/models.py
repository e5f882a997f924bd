"""The quota's books: entries are only added, and the database itself moves the balances.

Beside them stand the requests for more, each decided by somebody else.
"""

from django.db import models
from django.db.models import F, Q

from governance.quota.states import EntryKind, HolderKind, RequestState, Unit
from governance.sealing.fields import SealedField
from governance.tables.records import Record

CLOSING = (EntryKind.SETTLE.value, EntryKind.REFUND.value)


class Account(Record):
    """What one holder may use in one period; a trigger on the entries moves the balances.

    A user's account belongs to one brand, a brand's account to itself, and a model's account is
    the installation's: it has no brand. `entries` counts the entries: the number of the last.
    `gpu_ms` is how long devices worked for what is spent, in milliseconds; it has no limit.
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
    gpu_ms = models.PositiveBigIntegerField(default=0, db_default=0)

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

    `number` counts the account's entries from 1 without a gap. A grant names who gave it, the
    ledger entry that recorded the act and the request that it answers, if any; the others name
    their item, and a settle says how long the device worked (`gpu_ms`).
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
    request_id = models.UUIDField(null=True)
    gpu_ms = models.PositiveBigIntegerField(default=0, db_default=0)

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
                    request_id__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="entry_time_of_what_was_made",
                condition=Q(gpu_ms=0) | Q(kind=EntryKind.SETTLE, gpu_ms__gt=0),
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
            models.UniqueConstraint(
                name="entry_answers_a_request_once",
                fields=["request_id"],
                condition=Q(request_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}, entry {self.number} of {self.account_id}"


class Request(Record):
    """One person's wish for more on one account; somebody else grants it, or declines it.

    `brand_id` is the brand it is asked for, also where the account is a model's. The texts are
    sealed: `reason` under the requester's key, `answer` under the decider's.
    """

    brand_id = models.UUIDField()
    requested_by = models.UUIDField()
    holder_kind = models.CharField(max_length=8, choices=HolderKind.choices)
    holder_id = models.UUIDField()
    period = models.CharField(max_length=7)
    amount = models.PositiveBigIntegerField()
    reason = SealedField()
    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.OPEN)
    decided_by = models.UUIDField(null=True)
    decided_at = models.DateTimeField(null=True)
    granted = models.PositiveBigIntegerField(null=True)
    answer = SealedField(null=True)

    class Meta:
        verbose_name = "quota request"
        constraints = [
            models.CheckConstraint(name="request_asks_for_something", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="request_decided_by_another",
                condition=Q(
                    state=RequestState.OPEN, decided_by__isnull=True, decided_at__isnull=True
                )
                | Q(
                    state=RequestState.WITHDRAWN,
                    decided_by=F("requested_by"),
                    decided_at__isnull=False,
                )
                | (
                    Q(
                        state__in=[RequestState.GRANTED, RequestState.DECLINED],
                        decided_by__isnull=False,
                        decided_at__isnull=False,
                    )
                    & ~Q(decided_by=F("requested_by"))
                ),
            ),
            models.CheckConstraint(
                name="request_grants_at_most_what_was_asked",
                condition=Q(state=RequestState.GRANTED, granted__gt=0, granted__lte=F("amount"))
                | (~Q(state=RequestState.GRANTED) & Q(granted__isnull=True)),
            ),
            models.CheckConstraint(
                name="request_declined_with_a_reason",
                condition=~Q(state=RequestState.DECLINED) | Q(answer__isnull=False),
            ),
            models.UniqueConstraint(
                name="request_open_once",
                fields=["requested_by", "holder_kind", "holder_id", "brand_id", "period"],
                condition=Q(state=RequestState.OPEN),
            ),
        ]
        indexes = [
            models.Index(name="request_of_brand", fields=["brand_id", "id"]),
            models.Index(name="request_of_requester", fields=["requested_by", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.amount} for {self.holder_kind} {self.holder_id} in {self.period} ({self.id})"
