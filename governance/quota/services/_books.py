"""Checks the books again and again: each time only what moved since, and now and then everything.

Entries are only added, so what was added up once need not be added up again. Whoever could edit an
old entry all the same (the tables' owner) is seen by the whole check, which comes once a day.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import SYSTEM
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.quota import selectors
from governance.quota.records import Discrepancy, Figures

ALL_AGAIN_AFTER = timedelta(days=1)


@dataclass(slots=True)
class BookMarks:
    """How far each account was added up, and to what; whoever checks again and again keeps it."""

    sums: dict[UUID, Figures] = field(default_factory=dict)
    whole_at: datetime | None = None
    reported: set[Discrepancy] = field(default_factory=set)


def check_books(*, marks: BookMarks, now: datetime) -> tuple[Discrepancy, ...]:
    """Compare every account with its entries, reading only the entries that are new to `marks`.

    What differs is recorded in the ledger, each difference once; balanced books leave nothing.
    """
    if marks.whole_at is None or not timedelta() <= now - marks.whole_at < ALL_AGAIN_AFTER:
        marks.sums = selectors.add_up()
        marks.whole_at = now
    found: list[Discrepancy] = []
    for account_id, says in selectors.balances_now():
        known = marks.sums.get(account_id, Figures())
        if says.entries > known.entries:
            known += selectors.sums_between(account_id, known.entries, says.entries)
            marks.sums[account_id] = known
        found += selectors.differences(account_id, says, known)
    _report([line for line in found if line not in marks.reported], now)
    marks.reported = set(found)
    return tuple(found)


def _report(found: list[Discrepancy], now: datetime) -> None:
    if not found:
        return
    with transaction.atomic():
        for line in found:
            ledger.append(
                actor=SYSTEM,
                event=Event.QUOTA_BOOKS_DIFFER,
                subject=SubjectRef("quota_account", line.account_id),
                now=now,
                facts={
                    "figure": line.figure,
                    "account_says": line.account_says,
                    "entries_say": line.entries_say,
                },
            )
