"""Runs the whole suite embedded, and what uses a database on PostgreSQL and Redis, if they answer.

    python -m tests.run [pytest arguments]

What is left out for want of a service is said on one line. With IMPRIMATUR_REQUIRE_SERVICES=1
(as in CI) a service that does not answer is a failure instead.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psycopg
import redis

ROOT = Path(__file__).resolve().parents[1]
OWNER_URL = os.environ.get(
    "IMPRIMATUR_TEST_OWNER_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)
REDIS_URL = os.environ.get("IMPRIMATUR_TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
APPLICATION_ROLE = "imprimatur_test_app"
APPLICATION_PASSWORD = "only-for-tests"
NOTHING_COLLECTED = 5


@dataclass(frozen=True)
class Run:
    """One pass over the suite, or a part of it, in an environment of its own."""

    name: str
    environment: dict[str, str]
    arguments: tuple[str, ...] = ()
    # A pass that waits for a server most of the time has room for more processes.
    processes: int = 2


def main() -> int:
    """Run what can be run and return the exit status."""
    services = {"PostgreSQL": _postgresql(), "Redis": _redis()}
    missing = [name for name, answers in services.items() if not answers]
    required = os.environ.get("IMPRIMATUR_REQUIRE_SERVICES") == "1"
    if missing and required:
        print(f"FAILED: {' and '.join(missing)} must answer, and does not.")
        return 1
    extra = tuple(sys.argv[1:])
    runs = [Run("embedded (SQLite, file broker)", {}, extra)]
    if not missing:
        arguments = ("--database-only", *extra)
        runs.append(Run("PostgreSQL and Redis", _services_environment(), arguments, processes=3))
    statuses = [_run(run) for run in runs]
    if missing:
        names = " and ".join(missing)
        print(f"Left out, because {names} did not answer: the suite on PostgreSQL and Redis.")
    return max(statuses)


def _run(run: Run) -> int:
    print(f"== {run.name}", flush=True)
    began = time.monotonic()
    with TemporaryDirectory(prefix="imprimatur-test-") as var:
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *_workers(run), *run.arguments],
            cwd=ROOT,
            env={**os.environ, "IMPRIMATUR_VAR": var, "OMP_NUM_THREADS": "1", **run.environment},
            check=False,
        ).returncode
    print(f"== {run.name}: status {status}, {time.monotonic() - began:.0f} s", flush=True)
    return 0 if status == NOTHING_COLLECTED and run.arguments else status


def _workers(run: Run) -> tuple[str, ...]:
    many = os.environ.get("IMPRIMATUR_TEST_WORKERS", str(run.processes))
    return ("-n", many, "--dist", "loadgroup")


def _services_environment() -> dict[str, str]:
    # A database of its own for this run, so that runs beside each other do not meet.
    name = f"imprimatur_{os.getpid()}"
    parts = urlsplit(OWNER_URL)
    return {
        "DATABASE_URL": parts._replace(path=f"/{name}").geturl(),
        "CELERY_BROKER_URL": REDIS_URL,
        "IMPRIMATUR_TEST_APPLICATION_ROLE": APPLICATION_ROLE,
        "IMPRIMATUR_TEST_APPLICATION_PASSWORD": APPLICATION_PASSWORD,
    }


def _postgresql() -> bool:
    try:
        with psycopg.connect(OWNER_URL, connect_timeout=3):
            return True
    except psycopg.OperationalError:
        return False


def _redis() -> bool:
    try:
        return bool(redis.Redis.from_url(REDIS_URL, socket_connect_timeout=3).ping())
    except redis.RedisError:
        return False


if __name__ == "__main__":
    sys.exit(main())
