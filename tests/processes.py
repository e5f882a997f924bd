"""Real processes for tests: started as the installation starts them, each ended by the id it has.

Every `Floor` has its own broker (a folder, or a Redis database of this test process), keys and
images, so two of them never take each other's hints.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from imprimatur.config import processes

from governance.ledger import keys as ledger_keys
from tests import databases

ROOT = Path(__file__).resolve().parents[1]
LAST_REDIS_DATABASE = 15
# Much longer than anything takes here: loading the libraries on a busy machine is what is slow.
TIMEOUT_S = 120.0
T = TypeVar("T")


@dataclass
class Floor:
    """The processes of one test, on its database; leaving the block ends those it started."""

    var: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            if process.poll() is None:
                # A stopped process does not hear anything but this.
                process.kill()
            process.wait()
        self.lose_messages()

    def start(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start the worker, publisher or relay; its log lies in `var`."""
        with (self.var / f"{name}-{len(self.started)}.log").open("wb") as log:
            process = subprocess.Popen(
                processes.argv(name, host="127.0.0.1", port=0),
                cwd=ROOT,
                env=self.environment | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def named(self, pid: int) -> subprocess.Popen[bytes]:
        """Return the process of that id, which was started here."""
        return next(process for process in self.started if process.pid == pid)

    def log_of(self, process: subprocess.Popen[bytes]) -> str:
        """Return what the process has logged."""
        number = self.started.index(process)
        return next(self.var.glob(f"*-{number}.log")).read_text(errors="replace")

    def end(self, process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        """Send a signal to a process that was started here and wait for its end."""
        process.send_signal(number)
        process.wait(30)

    def lose_messages(self) -> int:
        """Empty the broker, as a crash without persistence does; return how many it had."""
        url = self.environment["CELERY_BROKER_URL"]
        if url.startswith("redis"):
            with redis.Redis.from_url(url) as broker:
                had = sum(broker.llen(k) for k in broker.keys("*") if broker.type(k) == b"list")
                broker.flushdb()
            return had
        messages = list((self.var / "broker" / "messages").glob("*.msg"))
        for message in messages:
            message.unlink(missing_ok=True)
        return len(messages)

    def wait_for(self, what: str, ask: Callable[[], T | None], timeout_s: float = TIMEOUT_S) -> T:
        """Ask until there is an answer, or fail with the ends of the logs."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            answer = ask()
            # What another process commits is seen by a new transaction, or a new statement.
            if answer:
                return answer
            time.sleep(0.02)
        message = f"{what} did not come within {timeout_s:.0f} s\n{self.logs()}"
        raise AssertionError(message)

    def logs(self) -> str:
        """Return the end of each process's log."""
        found = sorted(self.var.glob("*.log"))
        return "\n".join(f"== {p.name}\n{p.read_text(errors='replace')[-3000:]}" for p in found)


def floor(var: Path, **environment: object) -> Floor:
    """Lay out a floor under `var`: its keys, and the environment that its processes get."""
    origin = settings.LEDGER_ORIGIN
    ledger_keys.make_checkpoint_key(var / "relay", origin)
    connection.ensure_connection()
    made = Floor(
        var,
        os.environ
        | {
            "IMPRIMATUR_VAR": str(var),
            "DATABASE_URL": databases.url(),
            "CELERY_BROKER_URL": _broker_url(),
            "DJANGO_SETTINGS_MODULE": "imprimatur.config.settings.test",
            "WORKER_FINISHERS": "2",
            "SEALING_KEY_FILE": str(settings.SEALING_KEY_FILE),
            "CHECKPOINT_KEY_FOLDER": str(var / "relay"),
            "MODELS_FOLDER": str(settings.MODELS_FOLDER),
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT / "platform"), str(ROOT), os.environ.get("PYTHONPATH", "")]
            ),
            "PYTHONWARNINGS": "ignore",
            "OMP_NUM_THREADS": "1",
        }
        | {name: str(value) for name, value in environment.items()},
    )
    made.lose_messages()
    return made


def _broker_url() -> str:
    """Return this test process's broker: the last Redis databases are for these, one for each."""
    url = str(settings.CELERY_BROKER_URL)
    if not url.startswith("redis"):
        return url
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return urlsplit(url)._replace(path=f"/{LAST_REDIS_DATABASE - int(worker) % 6}").geturl()
