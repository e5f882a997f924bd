"""Runs the four processes in the foreground under one manager, with one labelled log."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from honcho.manager import Manager

from governance.kernel.clock import now
from imprimatur.config import processes
from imprimatur.config.demo import examples, running, seed

STOPPED_BY_CTRL_C = 130


class Command(BaseCommand):
    """Starts web, worker, publisher and relay; Ctrl-C stops all of them."""

    help = "Run web, worker, publisher and relay together; Ctrl-C stops all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        examples.order_once(now=now())
        self._greet(host, port)
        manager = Manager()
        for name in processes.commands(host=host, port=port):
            argv = processes.argv(name, host=host, port=port, device=settings.WORKER_DEVICE)
            manager.add_process(name, shlex.join(argv), env=running.environment(name), quiet=False)
        manager.loop()
        # Ctrl-C is how the demo is meant to end; anything else is a process that fell over.
        sys.exit(0 if manager.returncode == STOPPED_BY_CTRL_C else manager.returncode)

    def _greet(self, host: str, port: int) -> None:
        path = Path(settings.VAR) / "demo" / "people.json"
        passwords = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        lines = ["", f"Imprimatur runs at http://{host}:{port}/  (Ctrl-C stops it)", ""]
        lines += [
            f"  {person.username:<8} {passwords.get(person.username, ''):<14} {person.title}"
            for person in (*seed.MEMBERS, *seed.ADMINS)
        ]
        lines += [
            "",
            "  The first pictures are being painted: a small model, trained on a drawn world of",
            f"  products, runs in the worker. Sign in as marta or bruno. Files: {settings.VAR}",
            "",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()
