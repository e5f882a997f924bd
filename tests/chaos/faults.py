"""The faults that the monkey chooses from, each with how long the recovery took.

Recovery is counted from the moment the fault is over (the server is back, the process is dead and
may be replaced) to the first work of the affected kind that is acknowledged.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.chaos.history import History
from tests.chaos.installation import Installation
from tests.chaos.proxy import FaultProxy
from tests.chaos.services import Postgres, Server

ANY = frozenset({"order", "decide", "publish", "render"})
PATIENCE_S = 75.0


@dataclass
class World:
    """Everything that can be broken."""

    installation: Installation
    postgres: Postgres
    broker: Server
    database_line: FaultProxy
    broker_line: FaultProxy
    history: History
    lease_s: int


@dataclass(frozen=True)
class Fault:
    """One way to break it; `goal_s` is the recovery that is promised, where one is."""

    name: str
    number: str
    act: Callable[[World, random.Random], float | None]
    goal_s: float | None = None


def _kill_worker(world: World, dice: random.Random) -> float | None:
    return _lose_workers(world, [dice.choice(world.installation.pids("worker"))])


def _kill_all_workers(world: World, _dice: random.Random) -> float | None:
    return _lose_workers(world, world.installation.pids("worker"))


def _pause_worker(world: World, dice: random.Random) -> float | None:
    """Stop a worker for longer than its lease, then let it go on with what is no longer its own."""
    pid = dice.choice(world.installation.pids("worker"))
    held = _held_by([pid])
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    recovered = _until(lambda: not _still_held(held))
    time.sleep(max(0.0, world.lease_s + 3 - (time.monotonic() - began)))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return recovered if held else None


def _lose_workers(world: World, pids: list[int]) -> float | None:
    # A kill between two images proves little: wait a moment for one to be held.
    held: dict[object, int] = {}
    until = time.monotonic() + 10
    while not held and time.monotonic() < until:
        held = _held_by(pids)
        time.sleep(0.02)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return _until(lambda: not _still_held(held)) if held else None


def _kill_web(world: World, _dice: random.Random) -> float | None:
    return _kill(world, "web", ANY)


def _kill_relay(world: World, _dice: random.Random) -> float | None:
    for pid in world.installation.pids("relay"):
        os.kill(pid, signal.SIGKILL)
    return _next_claim()


def _kill_publisher(world: World, _dice: random.Random) -> float | None:
    return _kill(world, "publisher", frozenset({"publish"}))


def _kill(world: World, kind: str, proves: frozenset[str]) -> float | None:
    for pid in world.installation.pids(kind):
        os.kill(pid, signal.SIGKILL)
    return _acknowledged(world, proves, time.monotonic())


def _kill_broker(world: World, _dice: random.Random) -> float | None:
    world.broker.kill()
    time.sleep(2)
    world.broker.start()
    return _next_claim()


def _hang_broker(world: World, _dice: random.Random) -> float | None:
    world.broker.hang()
    time.sleep(6)
    world.broker.go_on()
    return _next_claim()


def _cut_broker(world: World, _dice: random.Random) -> float | None:
    world.broker_line.set("reset")
    time.sleep(2)
    world.broker_line.set("pass")
    return _next_claim()


def _kill_postgres(world: World, _dice: random.Random) -> float | None:
    world.postgres.kill()
    time.sleep(0.5)
    began = time.monotonic()
    world.postgres.start()
    return _acknowledged(world, ANY, began)


def _cut_commits(world: World, _dice: random.Random) -> float | None:
    world.database_line.set("cut_commit")
    time.sleep(3)
    world.database_line.set("pass")
    return _acknowledged(world, ANY, time.monotonic())


def _swallow_database(world: World, _dice: random.Random) -> float | None:
    world.database_line.set("blackhole")
    time.sleep(12)
    world.database_line.set("pass")
    return _acknowledged(world, ANY, time.monotonic())


def _cut_database(world: World, _dice: random.Random) -> float | None:
    world.database_line.set("reset")
    time.sleep(1.5)
    world.database_line.set("pass")
    return _acknowledged(world, ANY, time.monotonic())


def _slow_database(world: World, _dice: random.Random) -> float | None:
    world.database_line.set("slow")
    time.sleep(4)
    world.database_line.set("pass")
    return _acknowledged(world, ANY, time.monotonic())


def _roll_over(world: World, dice: random.Random) -> float | None:
    """Replace every process by its next version while the work goes on (SIGTERM, start)."""
    began = time.monotonic()
    for kind in dice.sample(["web", "worker", "relay", "publisher"], 4):
        world.installation.replace(kind)
        time.sleep(1)
    return _acknowledged(world, ANY, began)


FAULTS = (
    Fault("one worker killed", "F1", _kill_worker, 35),
    Fault("all workers killed", "F2", _kill_all_workers, 35),
    Fault("a worker paused past its lease", "F3", _pause_worker, 35),
    Fault("the broker killed, nothing kept", "F4", _kill_broker, 10),
    Fault("the broker hung for 6 s", "F5", _hang_broker, 10),
    Fault("the broker's line cut for 2 s", "F6", _cut_broker, 10),
    Fault("PostgreSQL killed", "F7", _kill_postgres, 10),
    Fault("COMMIT replies cut for 3 s", "F8", _cut_commits),
    Fault("the database swallowed for 12 s", "F9", _swallow_database, 10),
    Fault("the database's line cut for 1.5 s", "F9", _cut_database, 10),
    Fault("the database slow for 4 s", "F9", _slow_database),
    Fault("the publisher killed", "F11", _kill_publisher),
    Fault("the relay killed", "F13", _kill_relay),
    Fault("web killed", "F15", _kill_web),
    Fault("every process rolled over", "F21", _roll_over),
)


def _held_by(pids: list[int]) -> dict[object, int]:
    """Return the items that these processes hold, with their epochs."""
    from generation.jobs.models import JobItem

    leased = JobItem.objects.filter(state="leased").values_list("id", "epoch", "leased_by")
    wanted = {str(pid) for pid in pids}
    # A worker is named host:pid:device.
    return {item: epoch for item, epoch, by in leased if by.split(":")[-2] in wanted}


def _still_held(held: dict[object, int]) -> bool:
    """Tell whether one of these items still waits under the epoch that it had."""
    from generation.jobs.models import JobItem

    rows = JobItem.objects.filter(pk__in=list(held), state__in=["leased", "queued"])
    return any(held[item] == epoch for item, epoch in rows.values_list("id", "epoch"))


def _next_claim() -> float:
    """Wait for a worker to take an item: a hint has come through again; return how long it took."""
    before = _claims()
    return _until(lambda: _claims() > before)


def _claims() -> int:
    from django.db.models import Sum

    from generation.jobs.models import JobItem

    return int(JobItem.objects.aggregate(claims=Sum("epoch"))["claims"] or 0)


def _acknowledged(world: World, kinds: frozenset[str], since: float) -> float | None:
    """Wait for work that began after `since` to be acknowledged; return how long that took."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        ended = world.history.first_ok_after(since, kinds)
        if ended is not None:
            return ended - since
        time.sleep(0.1)
    return None


def _until(is_so: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not is_so() and time.monotonic() - began < PATIENCE_S:
        time.sleep(0.1)
    return time.monotonic() - began
