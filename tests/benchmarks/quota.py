"""Prices the quota's guards: reserving through them against as many bare inserts, in the same run.

Run `python -m tests.benchmarks.quota`. Both write the same rows in one transaction an order; the
baseline has no lock, no check and no trigger, and so would overspend.
"""

import statistics
import sys
import time
from collections.abc import Callable

import django

ORDERS, ITEMS = 100, 4


def main() -> None:
    """Print the median milliseconds of an order, each way, and their ratio."""
    django.setup()
    from django.db import connection, transaction

    from governance.kernel.ids import uuid7
    from tests.factories.quota import holders

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        held = holders(**dict.fromkeys(("user", "brand", "model"), ORDERS * ITEMS))
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bare_entry AS SELECT * FROM quota_entry WHERE 1 = 0")

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

        ours, baseline = (median_ms(act) for act in (guarded, bare))
        sys.stdout.write(
            f"{connection.vendor}: reserve {ITEMS} items {ours:.2f} ms, "
            f"bare inserts {baseline:.2f} ms, ratio {ours / baseline:.2f}\n"
        )
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def median_ms(act: Callable[[], None]) -> float:
    """Measure `act` once for each order."""
    times = []
    for _ in range(ORDERS):
        start = time.perf_counter()
        act()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
