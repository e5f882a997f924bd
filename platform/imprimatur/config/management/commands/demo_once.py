"""Drives the main job once on real processes, prints what happened, and leaves nothing running."""

import json
import signal
import sys
import time
import traceback
from contextlib import ExitStack
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from governance.kernel.clock import now
from imprimatur.config.demo import main_job, seed
from imprimatur.config.demo.running import all_processes

ENDED_BY_SIGTERM = 128 + signal.SIGTERM


class Command(BaseCommand):
    """Exits 0 only if every step held."""

    help = "Drive the main job once, print a table and one JSON line; status 0 if every step held."

    def handle(self, *args: Any, **options: Any) -> None:
        # Told to end, it ends the processes that it started, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED_BY_SIGTERM))
        report, began, held = main_job.Report(), time.monotonic(), False
        try:
            seeded = seed.seed(now=now())
            with ExitStack() as running:
                with report.timed("start"):
                    base_url = running.enter_context(all_processes())
                main_job.run(base_url, seeded, report)
            held = True
        except Exception:  # noqa: BLE001  whatever failed, the report says how far it came
            traceback.print_exc()
        width = max((len(step) for step, _ in report.rows), default=0)
        for step, text in report.rows:
            self.stdout.write(f"{step:<{width}}  {text}")
        report.seconds["total"] = round(time.monotonic() - began, 2)
        facts = {"ok": held, "database": connection.vendor, **report.facts}
        self.stdout.write(json.dumps({**facts, "seconds": report.seconds}))
        if not held:
            sys.exit(1)
