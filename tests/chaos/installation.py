"""A whole installation to break: prepared as the README does, its processes kept alive.

A process that ends is started again after a second, as a container's supervisor would.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from tests.chaos.services import HOST, free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
START_S = 120.0
RESTART_AFTER_S = 1.0
PROCESSES = ("web", "relay", "publisher", "worker", "worker")


def environment(var: Path, *, database_url: str, broker_url: str, lease_s: int) -> dict[str, str]:
    """Return the environment of every process of the installation, this one included."""
    return {
        "IMPRIMATUR_VAR": str(var),
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": broker_url,
        "DJANGO_SETTINGS_MODULE": "imprimatur.config.settings.embedded",
        "LEASE_S": str(lease_s),
        "HINT_AGAIN_S": "5",
        "LOG_JSON": "True",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "PYTHONWARNINGS": "ignore",
    }


def prepare(env: Mapping[str, str], *, direct_url: str) -> None:
    """Make keys and models, migrate, collect what web serves, seed the demo.

    `direct_url` reaches the database without the proxy: this part is not to be broken.
    """
    var = env["IMPRIMATUR_VAR"]
    for words in (
        ("manage.py", "keys"),
        ("-m", "generation.packs", "build", f"{var}/models/demo", "--random", "sd3"),
        ("manage.py", "migrate", "--skip-checks", "--verbosity", "0"),
        ("manage.py", "collectstatic", "--no-input", "--verbosity", "0"),
        ("manage.py", "demo_seed"),
    ):
        subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=os.environ | env | {"DATABASE_URL": direct_url},
            check=True,
            stdout=subprocess.DEVNULL,
        )


class Installation:
    """The processes, supervised; leaving the block ends all of them."""

    def __init__(self, var: Path, env: Mapping[str, str]) -> None:
        self.port = free_port()
        self.base_url = f"http://{HOST}:{self.port}"
        self._log = var / "log"
        self._log.mkdir(exist_ok=True)
        self._env = os.environ | dict(env)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep_alive, daemon=True, name="keeper")
        self.restarts = 0

    def __enter__(self) -> Self:
        for place, name in enumerate(PROCESSES):
            self._start(f"{name}-{place}")
        self._keeper.start()
        wait_for("readiness", self.is_ready, START_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeper.join()
        for process in self._running.values():
            process.kill()
            process.wait()

    def pids(self, kind: str) -> list[int]:
        """Return the ids of the living processes of one kind."""
        with self._lock:
            return [
                process.pid
                for name, process in self._running.items()
                if name.startswith(kind) and process.poll() is None
            ]

    def is_ready(self) -> bool:
        """Tell whether web says that everything it needs is well."""
        try:
            return httpx.get(f"{self.base_url}/readyz", timeout=15).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def replace(self, kind: str, **environment: str) -> None:
        """Roll one kind of process over as a deploy does: told to end, started anew."""
        with self._lock:
            names = [name for name in self._running if name.startswith(kind)]
        self._env |= environment
        for name in names:
            self._running[name].terminate()

    def _start(self, name: str) -> None:
        from imprimatur.config import processes

        argv = processes.argv(name.partition("-")[0], host=HOST, port=self.port)
        with (self._log / f"{name}.log").open("ab") as log:
            started: Any = subprocess.Popen(
                argv, cwd=ROOT, env=self._env, stdout=log, stderr=subprocess.STDOUT
            )
        with self._lock:
            self._running[name] = started

    def _keep_alive(self) -> None:
        while not self._over.wait(0.2):
            for name, process in list(self._running.items()):
                if process.poll() is not None and not self._over.is_set():
                    time.sleep(RESTART_AFTER_S)
                    self.restarts += 1
                    self._start(name)
