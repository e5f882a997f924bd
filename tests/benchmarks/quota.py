"""Measures the quota: the price of its guards, a crowd of spenders with kills, a million entries.

- `python -m tests.benchmarks.quota` prices the guards: reserving through them against as many bare
  inserts in the same run. The baseline has no lock, check or trigger, and so would overspend.
- `… --attempts 100000 --processes 8 --kills` lets so many attempts be made by so many processes,
  some of them killed all the time, with a process beside them that checks the books.
- `… --attempts 2000 --processes 8 --without-arbiters` is the negative control of that: the service
  without its lock, the database without its constraint.
- `… --books 1000000` measures the check of the books on that many entries, whole and of what moved.

Each makes a database of its own beside the one that is configured, and drops it.
"""

import statistics
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django

ORDERS, ITEMS = 100, 4
KILL_EVERY_S = 10.0
# One attempt in so many finds room: the accounts stand at their limits for most of the time.
ROOM_SHARE = 20
ACCOUNTS = 2000


def main() -> None:
    """Do what the command line asks."""
    asked = arguments()
    django.setup()
    with scratch_database():
        if asked.books:
            books(asked.books)
        elif asked.attempts:
            crowd(asked)
        else:
            price()


def arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attempts", type=int, default=0)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--kills", action="store_true")
    parser.add_argument("--without-arbiters", action="store_true")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--books", type=int, default=0)
    return parser.parse_args()


@contextmanager
def scratch_database() -> Iterator[None]:
    """Make a database, work in it as the application's role where there is one, and drop it."""
    from django.db import connection

    from tests import databases

    name = connection.settings_dict["NAME"]
    if connection.vendor == "postgresql":
        # Making and dropping a database takes as long as it takes.
        connection.settings_dict["OPTIONS"]["options"] = "-c statement_timeout=0"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    databases.work_as_application()
    try:
        yield
    finally:
        databases.work_as_owner()
        databases.end_other_sessions()
        connection.creation.destroy_test_db(name, verbosity=0)


def price() -> None:
    """Print the median milliseconds of an order, each way, and their ratio."""
    from django.db import connection, transaction

    from governance.kernel.ids import uuid7
    from tests import databases
    from tests.factories.quota import holders

    held = holders(**dict.fromkeys(("user", "brand", "model"), ORDERS * ITEMS))
    with databases.as_owner(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare_entry AS SELECT * FROM quota_entry WHERE 1 = 0")
        if connection.vendor == "postgresql":
            cursor.execute("GRANT ALL ON bare_entry TO PUBLIC")

    def guarded() -> None:
        with transaction.atomic():
            held.reserve(*(uuid7() for _ in range(ITEMS)))

    def bare() -> None:
        rows = [(uuid7().hex, uuid7().hex, uuid7().hex, number) for number in range(3 * ITEMS)]
        with transaction.atomic(), connection.cursor() as cursor:
            for row in rows:
                cursor.execute(
                    "INSERT INTO bare_entry (id, account_id, item_id, number, kind, amount) "
                    "VALUES (%s, %s, %s, %s, 'reserve', 1)",
                    row,
                )

    ours, baseline = (median_ms(act, ORDERS) for act in (guarded, bare))
    say(
        f"{connection.vendor}: reserve {ITEMS} items {ours:.2f} ms, "
        f"bare inserts {baseline:.2f} ms, ratio {ours / baseline:.2f}"
    )


def crowd(asked: Namespace) -> None:
    """Let a crowd spend, print what came of it, and exit 1 unless it is as it should be."""
    from django.db import connection

    from tests import databases
    from tests.promises import crowd as crowds

    if asked.without_arbiters:
        with databases.as_owner():
            crowds.drop_arbiters()
    done = crowds.Crowd(room=asked.attempts // ROOM_SHARE).run(
        attempts=asked.attempts,
        processes=asked.processes,
        kill_every_s=KILL_EVERY_S if asked.kills else 0,
        seed=asked.seed,
        method="unlocked" if asked.without_arbiters else "reserve",
    )
    say(
        f"{connection.vendor}: {done.attempts} attempts by {asked.processes} processes in "
        f"{done.seconds:.0f} s, {done.kills} killed; {done.entries} entries; the brand's account: "
        f"{done.used} of {done.granted} used; overspent accounts: {len(done.overspent)}; items "
        f"closed twice: {done.twice}; the books were looked at {done.looks} times ({done.wholes} "
        f"times as a whole) and differed {len(done.found)} times"
    )
    if done.is_sound == asked.without_arbiters:
        sys.exit(1)


def books(entries: int) -> None:
    """Print how long the check takes on so many entries: whole, unmoved, and with some moved."""
    from django.db import connection

    from governance.quota import selectors, services
    from tests import databases
    from tests.factories.quota import NOW

    with databases.as_owner():
        fill(entries)
    marks = services.BookMarks()
    whole_s = seconds(lambda: services.check_books(marks=marks, now=NOW))
    unmoved_ms = median_ms(lambda: services.check_books(marks=marks, now=NOW), 20)
    moved = list(marks.sums)[:100]
    five_less = {
        account_id: selectors.sums_between(account_id, 0, marks.sums[account_id].entries - 5)
        for account_id in moved
    }

    def look_at_moved() -> None:
        marks.sums.update(five_less)
        assert services.check_books(marks=marks, now=NOW) == ()

    moved_ms = median_ms(look_at_moved, 20)
    say(
        f"{connection.vendor}: {entries} entries in {len(marks.sums)} accounts: whole "
        f"{whole_s:.2f} s, nothing moved {unmoved_ms:.1f} ms, 100 accounts moved by 5 entries "
        f"{moved_ms:.1f} ms"
    )
    say(plan(moved[0]))


def fill(entries: int) -> None:
    """Write accounts with reserves and settles that balance, without the guards: for speed."""
    from django.db import connection

    from governance.kernel.ids import uuid7
    from governance.quota.models import Account, Entry
    from governance.tables import guards
    from tests.factories.quota import NOW, PERIOD

    guards.drop(connection)
    each = entries // ACCOUNTS
    pairs = (each - 1) // 2
    granted = each
    for _ in range(ACCOUNTS):
        brand_id = uuid7()
        account = Account.objects.create(
            created_at=NOW,
            holder_kind="brand",
            holder_id=brand_id,
            brand_id=brand_id,
            period=PERIOD,
            granted=granted,
            spent=pairs,
            entries=1 + 2 * pairs,
            gpu_ms=250 * pairs,
        )
        rows: list[dict[str, Any]] = [
            {"kind": "grant", "amount": granted, "granted_by": uuid7(), "recorded_as": uuid7()}
        ]
        for _ in range(pairs):
            item_id = uuid7()
            rows += [
                {"kind": "reserve", "amount": 1, "item_id": item_id},
                {"kind": "settle", "amount": 1, "item_id": item_id, "gpu_ms": 250},
            ]
        Entry.objects.bulk_create(
            [
                Entry(created_at=NOW, account=account, number=number, **row)
                for number, row in enumerate(rows, start=1)
            ],
            batch_size=500,
        )
    guards.install(connection)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def plan(account_id: Any) -> str:
    """Return how the database reads what moved in one account."""
    from governance.quota.models import Entry

    behind = Entry.objects.filter(account_id=account_id, number__gt=490, number__lte=500)
    return str(behind.values("amount").explain())


def seconds(act: Callable[[], object]) -> float:
    """Measure `act` once."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def median_ms(act: Callable[[], object], times: int) -> float:
    """Measure `act` so many times."""
    return statistics.median(seconds(act) * 1000 for _ in range(times))


def say(line: str) -> None:
    """Print a result at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
