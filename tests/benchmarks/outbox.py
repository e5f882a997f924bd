"""Prices a hint: waking through the outbox against a bare insert of the same row, in the same run.

Run `python -m tests.benchmarks.outbox`. The second figure is the relay's pace with a broker that
costs nothing.
"""

import json
import sys
import time
from datetime import UTC, datetime

import django

HINTS = 1000


def main() -> None:
    """Print microseconds a hint, each way, their ratio, and the pace of the relay."""
    django.setup()
    from django.db import connection, transaction

    from governance.kernel.ids import uuid7
    from governance.outbox import services

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bare_hint (id text, task text, queue text, kwargs text)")
        start = time.perf_counter()
        with transaction.atomic():
            for _ in range(HINTS):
                services.wake("a.b", queue="cpu", item_id=uuid7())
        ours = (time.perf_counter() - start) / HINTS * 1e6
        start = time.perf_counter()
        with transaction.atomic(), connection.cursor() as cursor:
            for _ in range(HINTS):
                cursor.execute(
                    "INSERT INTO bare_hint VALUES (%s, %s, %s, %s)",
                    [uuid7().hex, "a.b", "cpu", json.dumps({"item_id": str(uuid7())})],
                )
        baseline = (time.perf_counter() - start) / HINTS * 1e6
        start = time.perf_counter()
        sent = 0
        while batch := services.relay(send=lambda *_: None, now=datetime.now(UTC)):
            sent += batch
        pace = sent / (time.perf_counter() - start)
        sys.stdout.write(
            f"{connection.vendor}: wake {ours:.0f} µs, bare insert {baseline:.0f} µs, "
            f"ratio {ours / baseline:.2f}; relay {pace:.0f} hints/s\n"
        )
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
