"""The processes of an installation, as data: the demo, the containers and their test read it."""

import sys
from collections.abc import Collection, Mapping

_CELERY = ("-m", "celery", "--quiet", "-A", "imprimatur.config.celery", "worker", "--pool", "solo")
PUBLISHER_QUEUE = "publisher"
# The database role that each process logs in as: what one may write, the others may not.
ROLES: Mapping[str, str] = {
    "web": "reviewer",
    "worker": "app",
    "publisher": "publisher",
    "relay": "sequencer",
}
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


def commands(*, host: str, port: int, device: str = "cpu") -> Mapping[str, list[str]]:
    """Return each process's command line after the Python interpreter, by its name.

    >>> sorted(commands(host="127.0.0.1", port=8000))
    ['publisher', 'relay', 'web', 'worker']
    """
    return {
        "web": [
            *("-m", "uvicorn", "imprimatur.config.asgi:application"),
            *("--host", host, "--port", str(port), "--no-access-log", "--no-server-header"),
            # Streams of events would keep a process that is told to stop for minutes.
            *("--timeout-graceful-shutdown", "5"),
        ],
        "worker": [
            *_CELERY,
            *("-Q", f"render.{device}", "-I", "generation.jobs.tasks", "-n", "worker@%h", *_QUIET),
        ],
        "publisher": [
            *_CELERY,
            *(
                "-Q",
                PUBLISHER_QUEUE,
                "-I",
                "imprimatur.publishing.tasks",
                "-n",
                "publisher@%h",
                *_QUIET,
            ),
        ],
        "relay": ["-m", "django", "relay"],
    }


def consumer_of(queues: Collection[str]) -> str:
    """Return which process consumes these queues.

    >>> consumer_of(["publisher"]), consumer_of(["render.cpu"]), consumer_of(["publisher", "more"])
    ('publisher', 'worker', 'worker')
    """
    return "publisher" if set(queues) == {PUBLISHER_QUEUE} else "worker"


def argv(name: str, *, host: str, port: int, device: str = "cpu") -> list[str]:
    """Return one process's whole command line."""
    return [sys.executable, *commands(host=host, port=port, device=device)[name]]
