"""Prices an item's life, and shows that the sweeper's queries cost what is due, not what there is.

Run `python -m tests.benchmarks.jobs`. Claim, heartbeat and fenced finish (asset, score, quota,
case, ledger) are set against three bare UPDATEs by primary key in the same run. On PostgreSQL the
plans of the sweeper's queries are then asked for with a million items in the table.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django

ITEMS = 200
IN_ONE_ORDER = 8
MILLION = 1_000_000
# One item in a hundred waits and one in a hundred is in work; of each, one in a hundred is due.
ROWS = """
INSERT INTO jobs_jobitem (
  id, created_at, job_id, brand_id, requester_id, number, queue, prompt, negative_prompt, seed,
  width_px, height_px, steps, guidance, fingerprint, state, epoch, attempts, lease_until, leased_by,
  hinted_at, cancel_requested_at, steps_done, render_s, failure, refusal_id, finished_at)
SELECT
  ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, now(),
  ('00000000-0000-7000-9000-' || lpad(to_hex(n / 1000), 12, '0'))::uuid,
  brand_id, requester_id, 1 + n %% 1000, queue, prompt, negative_prompt, seed,
  width_px, height_px, steps, guidance, fingerprint,
  CASE n %% 100 WHEN 0 THEN 'queued' WHEN 1 THEN 'leased' ELSE 'in_review' END, 1, 1,
  CASE WHEN n %% 100 = 1
    THEN now() + interval '1 hour' * CASE WHEN n %% 10000 = 1 THEN -1 ELSE 1 END END,
  'worker', now() - interval '1 hour' * CASE WHEN n %% 10000 = 0 THEN 1 ELSE 0 END,
  NULL, 0, NULL, '', NULL,
  CASE WHEN n %% 100 > 1 THEN now() END
FROM generate_series(1, %s) AS n, (SELECT * FROM jobs_jobitem LIMIT 1) AS model
"""
ORDERS = """
INSERT INTO jobs_generationjob (
  id, created_at, brand_id, requester_id, template_id, template_version_id, template_version_sha256,
  template_name, profile_id, scoring_policy_id, variables, idempotency_key)
SELECT
  ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, now(), brand_id, requester_id,
  template_id, template_version_id, template_version_sha256, template_name, profile_id,
  scoring_policy_id, variables, 'order ' || n
FROM generate_series(0, %s) AS n, (SELECT * FROM jobs_generationjob LIMIT 1) AS model
"""


def main() -> None:
    """Print items a second, each way, their ratio, and the plans."""
    django.setup()
    from django.conf import settings
    from django.db import connection

    from tests.factories import jobs as make
    from tests.factories import review

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with TemporaryDirectory() as folder:
            review.use_sealing_key(settings, Path(folder))
            make.use_blobs(settings, Path(folder) / "blobs")
            price(make.shop(images=ITEMS))
            if connection.vendor == "postgresql":
                plans()
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def price(shop: Any) -> None:
    """Take every item through its life, and a bare table through as many updates."""
    from django.db import connection

    from generation.jobs import services
    from tests.factories import jobs as make

    items = [i for _ in range(ITEMS // IN_ONE_ORDER) for i in shop.order(IN_ONE_ORDER).items]
    start = time.perf_counter()
    claims = [make.claimed(item) for item in items]
    for claim in claims:
        services.heartbeat(item_id=claim.item_id, epoch=claim.epoch)
    cheap = time.perf_counter() - start
    ready = [(claim, make.rendered(claim)) for claim in claims]
    start = time.perf_counter()
    for claim, rendered in ready:
        services.finish(claim=claim, rendered=rendered, contributors={}, now=make.NOW)
    finished = time.perf_counter() - start
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare_item (id integer PRIMARY KEY, state text, epoch integer)")
        for number in range(ITEMS):
            cursor.execute("INSERT INTO bare_item VALUES (%s, 'queued', 0)", [number])
        start = time.perf_counter()
        for state in ("leased", "leased", "in_review"):
            for number in range(ITEMS):
                cursor.execute(
                    "UPDATE bare_item SET state = %s, epoch = epoch + 1 WHERE id = %s",
                    [state, number],
                )
        bare = time.perf_counter() - start
    sys.stdout.write(
        f"{connection.vendor}, {ITEMS} items, one worker: claim + heartbeat {ITEMS / cheap:.0f}/s, "
        f"finish {ITEMS / finished:.0f}/s, all three {ITEMS / (cheap + finished):.0f}/s; "
        f"three bare updates {ITEMS / bare:.0f}/s, ratio {(cheap + finished) / bare:.1f}\n"
    )


def plans() -> None:
    """Fill the table to a million items, then explain and time what the sweeper asks."""
    from django.db import connection

    from generation.jobs.services import _sweep

    with connection.cursor() as cursor:
        for table, sql, count in (
            ("jobs_generationjob", ORDERS, MILLION // 1000),
            ("jobs_jobitem", ROWS, MILLION),
        ):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(sql, [count])
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("ANALYZE jobs_jobitem")
    for rows in _sweep.due():
        plan = rows.values_list("pk", flat=True)[:200].explain(analyze=True, buffers=True)
        sys.stdout.write(f"\n{plan}\n")
        assert "Seq Scan" not in plan, "the sweeper reads the whole table"
        assert "Index" in plan


if __name__ == "__main__":
    main()
