"""Servers of our own to kill: PostgreSQL, Redis and RabbitMQ in a folder, on ports of their own.

Each can be ended like a power cut (SIGKILL to everything it started), stopped in its tracks
(SIGSTOP) and started again on what it left on disk. Nothing that ran before is touched.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psycopg
import redis

HOST = "127.0.0.1"
START_S = 60.0
POSTGRES_USER = "postgres"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, ask: Callable[[], bool], timeout_s: float = START_S) -> None:
    """Ask until the answer is yes. Raises: TimeoutError."""
    end = time.monotonic() + timeout_s
    while not ask():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {timeout_s:.0f} s")
        time.sleep(0.05)


class Server:
    """One server process; leaving the block ends it and everything that it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()
        self.kill()

    def start(self) -> None:
        """Start on what is on disk, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self.environment(),
                start_new_session=True,
            )
        try:
            wait_for(f"{type(self).__name__} on port {self.port}", self.answers)
        except TimeoutError:
            self.kill()
            raise

    def kill(self) -> None:
        """End it like a power cut: SIGKILL to the whole session, children included."""
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def hang(self) -> None:
        """Stop every one of its processes where it is: it holds its port and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after `hang`."""
        self._signal(signal.SIGCONT)

    def command(self) -> list[str]:
        """Return the command line."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return what the process needs beyond our own environment."""
        return {}

    def answers(self) -> bool:
        """Tell whether it answers."""
        raise NotImplementedError

    def _signal(self, number: int) -> None:
        for pid in _session_of(self.process):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


class Postgres(Server):
    """A PostgreSQL cluster with fsync on; started by root, it runs as the user of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = folder / "data"
        if not self.data.exists():
            if os.geteuid() == 0:
                shutil.chown(folder, POSTGRES_USER)
            self._run("initdb", "-D", self.data, "-U", POSTGRES_USER, "-A", "trust", "-E", "UTF8")

    def command(self) -> list[str]:
        options = ("-h", HOST, "-p", self.port, "-k", self.folder, "-c", "max_connections=100")
        return self._as_user("postgres", "-D", self.data, *options)

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def url(self, database: str, *, port: int | None = None) -> str:
        """Return the URL of a database, by a proxy's port where one is given."""
        return f"postgres://{POSTGRES_USER}@{HOST}:{port or self.port}/{database}"

    def start(self) -> None:
        # What a killed postmaster left would keep the next one from starting.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        super().start()

    def create(self, database: str) -> None:
        """Make a database."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')

    def _run(self, *words: object) -> None:
        subprocess.run(self._as_user(*words), check=True, capture_output=True)

    @staticmethod
    def _as_user(program: object, *words: object) -> list[str]:
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        path = str(found[-1]) if found else str(program)
        user = (
            ("setpriv", f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--clear-groups")
            if os.geteuid() == 0
            else ()
        )
        return [*user, path, *map(str, words)]


class Redis(Server):
    """A Redis that keeps nothing on disk: what it held is gone when it dies, as by default."""

    def command(self) -> list[str]:
        options = ("--bind", HOST, "--port", str(self.port), "--save", "", "--appendonly", "no")
        return ["redis-server", *options, "--dir", str(self.folder)]

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def url(self, *, port: int | None = None) -> str:
        """Return the broker's URL, by a proxy's port where one is given."""
        return f"redis://{HOST}:{port or self.port}/0"


class Rabbit(Server):
    """A RabbitMQ node of its own name, with its own port mapper (epmd) and Erlang cookie."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.distribution = free_port()
        self.mapper = free_port()
        cookie = folder / ".erlang.cookie"
        cookie.write_text("A" * 20, encoding="ascii")
        cookie.chmod(0o400)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {HOST}:{self.port}\nlog.file = false\n", encoding="ascii"
        )

    def command(self) -> list[str]:
        # The mapper would otherwise start as a daemon, and outlive us.
        mapper = f"epmd -port {self.mapper} -address {HOST} & exec"
        return ["sh", "-c", f"{mapper} {self._program('rabbitmq-server')}"]

    def environment(self) -> dict[str, str]:
        here = str(self.folder)
        return {
            "HOME": here,
            "RABBITMQ_NODENAME": f"chaos{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": f"{here}/rabbitmq.conf",
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_MNESIA_BASE": f"{here}/mnesia",
            "RABBITMQ_LOG_BASE": f"{here}/log",
            "RABBITMQ_PID_FILE": f"{here}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{here}/plugins",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"
            ),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_EPMD_PORT": str(self.mapper),
        }

    def answers(self) -> bool:
        from kombu import Connection
        from kombu.exceptions import OperationalError

        try:
            with Connection(self.url(), connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0)
                return True
        except (OSError, OperationalError):
            return False

    def url(self, *, port: int | None = None) -> str:
        """Return the broker's URL, by a proxy's port where one is given."""
        return f"amqp://guest:guest@{HOST}:{port or self.port}//"

    @staticmethod
    def _program(name: str) -> Path:
        # The one on the path changes to a user of its own, who may not reach our folder.
        found = sorted(Path("/usr/lib/rabbitmq/lib").glob(f"*/sbin/{name}"))
        return found[-1] if found else Path(name)

    @classmethod
    def is_installed(cls) -> bool:
        """Tell whether this machine has RabbitMQ."""
        return cls._program("rabbitmq-server").exists()


def _session_of(process: subprocess.Popen[bytes] | None) -> list[int]:
    """Return the ids of all living processes of the session that `process` leads."""
    if process is None:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # After the command's name, in brackets: state, parent, group, session (proc(5)).
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == process.pid and fields[0] != "Z":
            found.append(int(entry.name))
    return found
