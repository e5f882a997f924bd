"""A process that spends quota as fast as it can, for tests that need real ones.

Reads one JSON object from its first argument, says "ready", waits for a line, works, and prints
what it got. `method`: "reserve" uses the service; "check_then_insert" is what a careless
programmer writes, on a table of the test's own.
"""

import json
import sys
from uuid import UUID

import django


def main() -> None:
    """Spend until the attempts are used up."""
    django.setup()
    from django.db import connection

    order = json.loads(sys.argv[1])
    spend = {"reserve": by_service, "check_then_insert": by_check_then_insert}[order["method"]]
    connection.ensure_connection()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    got = sum(spend(order, attempt) for attempt in range(order["attempts"]))
    sys.stdout.write(f"{got}\n")


def by_service(order: dict, attempt: int) -> bool:
    """Reserve one image, then settle or refund every third of them."""
    from django.db import transaction

    from governance.kernel.ids import uuid7
    from governance.quota import services
    from governance.quota.errors import QuotaExceeded
    from tests.factories.quota import NOW

    item_id = uuid7()
    try:
        with transaction.atomic():
            services.reserve(
                item_ids=[item_id],
                user_id=UUID(order["user_id"]),
                brand_id=UUID(order["brand_id"]),
                profile_id=UUID(order["profile_id"]),
                now=NOW,
            )
    except QuotaExceeded:
        return False
    if attempt % 3 == 0:
        services.settle(item_id=item_id, now=NOW)
    if attempt % 3 == 1 and order["refunds"]:
        services.refund(item_id=item_id, now=NOW)
        return False
    return True


def by_check_then_insert(order: dict, attempt: int) -> bool:
    """Look whether there is room, then take it: the race in two lines."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM careless_entry")
        if cursor.fetchone()[0] >= order["limit"]:
            return False
        cursor.execute("INSERT INTO careless_entry (amount) VALUES (1)")
        return True


if __name__ == "__main__":
    main()
