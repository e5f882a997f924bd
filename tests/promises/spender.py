"""A process that spends quota as fast as it can, or checks the books, for tests that need one.

Reads one JSON object from its first argument, says "ready", waits for a line, and works. `method`:

- "reserve" uses the service;
- "unlocked" is the service as a careless programmer writes it: it looks, and then inserts;
- "check_then_insert" is the same on a table of the test's own;
- "check" checks the books until its input is closed.

A spender says every `STEP` attempts how many it made and how many of them got something.
"""

import json
import random
import select
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import django

STEP = 20
WHOLE_EVERY_S = 15.0


def main() -> None:
    """Do what the order says."""
    django.setup()
    from django.db import connection

    order = json.loads(sys.argv[1])
    connection.ensure_connection()
    say("ready")
    sys.stdin.readline()
    if order["method"] == "check":
        check(order)
    else:
        spend(order)


def spend(order: dict[str, Any]) -> None:
    """Spend until the attempts are used up, and say how far it came."""
    methods: dict[str, Callable[[dict[str, Any], int], bool]] = {
        "reserve": by_service,
        "unlocked": by_unlocked,
        "check_then_insert": by_check_then_insert,
    }
    attempt_by, attempts, got = methods[order["method"]], order["attempts"], 0
    for attempt in range(attempts):
        got += attempt_by(order, attempt)
        if (attempt + 1) % STEP == 0 or attempt + 1 == attempts:
            say(f"{attempt + 1} {got}")


def by_service(order: dict[str, Any], attempt: int) -> bool:
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
                user_id=UUID(random.choice(order["user_ids"])),
                brand_id=UUID(order["brand_id"]),
                profile_id=UUID(order["profile_id"]),
                now=NOW,
            )
    except QuotaExceeded:
        return False
    if attempt % 3 == 0:
        services.settle(item_id=item_id, now=NOW, gpu_s=0.25)
    if attempt % 3 == 1 and order["refunds"]:
        services.refund(item_id=item_id, now=NOW)
        return False
    return True


def by_unlocked(order: dict[str, Any], attempt: int) -> bool:
    """Look whether all three accounts have room, without a lock, and then insert."""
    from django.db import DatabaseError, transaction

    from governance.kernel.ids import uuid7
    from governance.quota import selectors
    from governance.quota.models import Account
    from governance.quota.services import _items
    from governance.quota.states import EntryKind
    from tests.factories.quota import NOW, PERIOD

    users = UUID(random.choice(order["user_ids"]))
    holders = (users, UUID(order["brand_id"]), UUID(order["profile_id"]))
    try:
        with transaction.atomic():
            accounts = list(
                Account.objects.filter(holder_id__in=holders, period=PERIOD).order_by("id")
            )
            if any(selectors.record_of(account).available < 1 for account in accounts):
                return False
            time.sleep(0.001)
            lines = [(account, [(uuid7(), 1)]) for account in accounts]
            _items._insert(lines, kind=EntryKind.RESERVE, now=NOW)
    except DatabaseError:
        return False
    return True


def by_check_then_insert(order: dict[str, Any], attempt: int) -> bool:
    """Look whether there is room, then take it: the race in two lines."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM careless_entry")
        if cursor.fetchone()[0] >= order["limit"]:
            return False
        cursor.execute("INSERT INTO careless_entry (amount) VALUES (1)")
        return True


def check(order: dict[str, Any]) -> None:
    """Check what moved again and again, and now and then everything; say what was found."""
    from governance.quota import services
    from tests.factories.quota import NOW

    marks, whole_at, looks, wholes = services.BookMarks(), time.monotonic(), 0, 1
    found: set[str] = set()
    while not select.select([sys.stdin], [], [], order.get("pause_s", 0.05))[0]:
        if time.monotonic() - whole_at > WHOLE_EVERY_S:
            marks, whole_at, wholes = services.BookMarks(), time.monotonic(), wholes + 1
        found |= {str(line) for line in services.check_books(marks=marks, now=NOW)}
        found |= overspent()
        looks += 1
    say(json.dumps({"looks": looks, "wholes": wholes, "found": sorted(found)}))


def overspent() -> set[str]:
    """Return the accounts that have spent more than they were granted."""
    from django.db.models import F

    from governance.quota.models import Account

    rows = Account.objects.filter(granted__lt=F("reserved") + F("spent"))
    return {str(row) for row in rows}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
