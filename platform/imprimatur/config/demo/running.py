"""The four processes, started and stopped by one that drives them; their logs lie under var/log."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx
from django.conf import settings

from governance.tables import roles
from governance.tables.roles import DatabaseRole
from imprimatur.config import processes
from imprimatur.config.env import env_secret

HOST = "127.0.0.1"
START_S = 90.0
STOP_S = 20.0

T = TypeVar("T")


class NotInTime(RuntimeError):
    """Something that should have happened did not, within its time."""


@contextmanager
def all_processes() -> Iterator[str]:
    """Run web, worker, publisher and relay; yield the address once the installation is ready."""
    port = free_port()
    base_url = f"http://{HOST}:{port}"
    logs = Path(settings.VAR) / "log"
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(
                _process(name, processes.argv(name, host=HOST, port=port), logs / f"{name}.log")
            )
            for name in processes.commands(host=HOST, port=port)
        }
        wait_for("readiness", lambda: _is_ready(base_url, started, logs), START_S)
        yield base_url


def wait_for(what: str, ask: Callable[[], T | None], timeout_s: float) -> T:
    """Ask until there is an answer. Raises: NotInTime."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.2)
    raise NotInTime(f"{what} did not come within {timeout_s:.0f} s; see {settings.VAR}/log")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def environment(process: str) -> dict[str, str]:
    """Return our own environment as `process` is to have it: with its own login, and no other's.

    Where no passwords of roles were given there is one login (SQLite, or a server for development).
    """
    role = processes.ROLES[process]
    hidden = {"DATABASE_OWNER_URL", *(f"DATABASE_{r.upper()}_PASSWORD" for r in DatabaseRole)}
    hidden |= {f"{name}_FILE" for name in hidden}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    password = settings.DATABASE_ROLE_PASSWORDS[role]
    if password:
        there = urlsplit(env_secret("DATABASE_URL"))
        server = there.netloc.rpartition("@")[2]
        login = f"{quote(roles.login(role))}:{quote(password, safe='')}"
        kept["DATABASE_URL"] = there._replace(netloc=f"{login}@{server}").geturl()
        kept.pop("DATABASE_URL_FILE", None)
    return kept


@contextmanager
def _process(name: str, argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv, stdout=output, stderr=subprocess.STDOUT, env=environment(name)
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_ready(base_url: str, started: dict[str, subprocess.Popen[bytes]], logs: Path) -> bool:
    for name, process in started.items():
        if process.poll() is not None:
            tail = (logs / f"{name}.log").read_text(errors="replace")[-2000:]
            raise NotInTime(f"{name} ended with status {process.returncode}:\n{tail}")
    try:
        return httpx.get(f"{base_url}/readyz", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
