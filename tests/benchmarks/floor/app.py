"""The floor under a governed job: a bare Celery task on a bare table, nothing else.

`python -m celery -A tests.benchmarks.floor.app worker --pool solo` runs it on the database and the
broker that the environment names.
"""

import os
import sys
import time
from pathlib import Path

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imprimatur.config.settings.test")

app = Celery("floor", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    task_default_queue="floor",
)
TABLES = """
CREATE TABLE floor_quota (id integer PRIMARY KEY, used integer NOT NULL);
CREATE TABLE floor_job (id integer PRIMARY KEY, state text NOT NULL);
CREATE TABLE floor_asset (id integer PRIMARY KEY, sha256 text NOT NULL);
CREATE TABLE floor_audit (id serial PRIMARY KEY, at timestamptz NOT NULL, event text NOT NULL);
INSERT INTO floor_quota VALUES (1, 0);
"""
if "celery" in sys.argv[0] or "-A" in sys.argv:
    django.setup()


@app.task(name="floor.make")
def make(*, number: int) -> None:
    """Make nothing: note when it started, then write down that it was done."""
    from django.db import connection, transaction

    with Path(os.environ["IMPRIMATUR_VAR"], "engine.log").open("a") as log:
        log.write(f"{number} {time.time()}\n")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO floor_asset VALUES (%s, %s)", [number, "0" * 64])
        cursor.execute("INSERT INTO floor_audit (at, event) VALUES (now(), 'made')")
        cursor.execute("UPDATE floor_job SET state = 'done' WHERE id = %s", [number])


def order(number: int) -> None:
    """Write a job with its quota and audit rows, then send the task."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE floor_quota SET used = used + 1 WHERE id = 1")
        cursor.execute("INSERT INTO floor_job VALUES (%s, 'queued')", [number])
        cursor.execute("INSERT INTO floor_audit (at, event) VALUES (now(), 'ordered')")
        transaction.on_commit(lambda: make.apply_async(kwargs={"number": number}))
