"""A crowd of spenders on the same accounts, some of them killed, with a checker beside them."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BaseConstraint, Count, F, Model, Q

from governance.kernel.ids import uuid7
from governance.quota import guards as quota_guards
from governance.quota import selectors, services
from governance.quota.models import Account, Entry
from governance.tables import guards
from tests import databases
from tests.factories.quota import NOW, PERIOD, Holders

ARBITERS: tuple[tuple[type[Model], str], ...] = (
    (Account, "account_never_overspent"),
    (Entry, "entry_has_its_number"),
)
ROOT = Path(__file__).resolve().parents[2]


def start(**order: Any) -> subprocess.Popen[str]:
    """Start one spender or checker on this process's database."""
    paths = [str(ROOT / "platform"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.promises.spender", json.dumps(order)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": databases.url(), "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def let_go(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Wait until all are ready, then start them together."""
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


@dataclass
class Seat:
    """One place in the crowd: who sits there works off what is left of its attempts."""

    order: dict[str, Any]
    left: int
    process: subprocess.Popen[str]
    got: int = 0
    kills: int = 0
    is_working: bool = True

    def work(self) -> None:
        """Let the process work; one that was killed is followed by another."""
        while True:
            made = got = 0
            with self.process as process:
                for line in process.stdout:
                    made, got = map(int, line.split())
            status = self.process.returncode
            self.left -= made
            self.got += got
            if status == 0 or self.left <= 0:
                return
            assert not self.is_working, f"a spender ended with {status}"
            self.process = start(**self.order, attempts=self.left)
            let_go([self.process])
            self.is_working = True

    def kill(self) -> None:
        """Kill the process in the middle of whatever it does."""
        if self.is_working and self.process.poll() is None:
            self.is_working = False
            self.kills += 1
            self.process.send_signal(signal.SIGKILL)


@dataclass(frozen=True)
class Outcome:
    """What a crowd did, and what the books say of it."""

    attempts: int
    got: int
    kills: int
    seconds: float
    looks: int
    wholes: int
    found: list[str]
    overspent: list[str]
    entries: int
    granted: int
    used: int
    twice: int

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was overspent, and the books balanced at every look."""
        return not self.found and not self.overspent and not self.twice


@dataclass
class Crowd:
    """People of one brand who spend from one model, with room for a part of what they try."""

    room: int
    users: int = 4
    held: Holders = field(default_factory=Holders)
    user_ids: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Grant; the brand's account is the narrowest."""
        self.user_ids = [uuid7() for _ in range(self.users)]
        for user_id in self.user_ids:
            services.grant(
                actor=self.held.admin,
                holder_kind="user",
                holder_id=user_id,
                brand_id=self.held.brand_id,
                period=PERIOD,
                amount=self.room // self.users + self.room // 20 + 1,
                now=NOW,
            )
        self.held.grant("brand", self.room)
        self.held.grant("model", 2 * self.room)

    def run(
        self,
        *,
        attempts: int,
        processes: int,
        kill_every_s: float = 0,
        seed: int = 7,
        method: str = "reserve",
    ) -> Outcome:
        """Let the crowd spend, with a checker beside it; wait for all, and look at the books."""
        order = {
            "method": method,
            "refunds": True,
            "user_ids": [str(user_id) for user_id in self.user_ids],
            "brand_id": str(self.held.brand_id),
            "profile_id": str(self.held.profile_id),
        }
        checker = start(method="check")
        share = -(-attempts // processes)
        seats = [Seat(order, share, start(**order, attempts=share)) for _ in range(processes)]
        let_go([checker, *(seat.process for seat in seats)])
        started = time.monotonic()
        threads = [threading.Thread(target=seat.work) for seat in seats]
        for thread in threads:
            thread.start()
        _kill_now_and_then(threads, seats, kill_every_s, random.Random(seed))
        seconds = time.monotonic() - started
        said, _ = checker.communicate("stop\n", timeout=120)
        assert checker.returncode == 0
        assert all(seat.left <= 0 for seat in seats), "a spender did not come to its end"
        return _outcome(seats, share * processes, seconds, json.loads(said))


def drop_arbiters() -> None:
    """Drop what refuses an overspend, as the owner: the CHECK, and the numbers of the entries."""
    guards.drop(connection, _followers())
    with connection.schema_editor() as editor:
        for model, name in ARBITERS:
            editor.remove_constraint(model, _constraint(model, name))


def restore_arbiters() -> None:
    """Put them back, as the owner."""
    with connection.schema_editor() as editor:
        for model, name in ARBITERS:
            editor.add_constraint(model, _constraint(model, name))
    guards.install(connection)


def _followers() -> Iterator[guards.Guard]:
    return (g for g in quota_guards.GUARDS if g.name == "quota_account_follows_entries")


def _constraint(model: type[Model], name: str) -> BaseConstraint:
    return next(each for each in model._meta.constraints if each.name == name)


def _kill_now_and_then(
    threads: list[threading.Thread], seats: list[Seat], every_s: float, chance: random.Random
) -> None:
    while any(thread.is_alive() for thread in threads):
        if every_s:
            time.sleep(every_s * (0.5 + chance.random()))
            chance.choice(seats).kill()
        else:
            time.sleep(0.05)
    for thread in threads:
        thread.join()


def _outcome(seats: list[Seat], attempts: int, seconds: float, said: dict[str, Any]) -> Outcome:
    brand = Account.objects.get(holder_kind="brand")
    closed_twice = (
        Entry.objects.filter(item_id__isnull=False)
        .values("item_id", "account_id")
        .annotate(
            reserves=Count("id", filter=Q(kind="reserve")),
            closings=Count("id", filter=~Q(kind="reserve")),
        )
        .filter(Q(reserves__gt=1) | Q(closings__gt=1))
    )
    return Outcome(
        attempts=attempts,
        got=sum(seat.got for seat in seats),
        kills=sum(seat.kills for seat in seats),
        seconds=seconds,
        looks=said["looks"],
        wholes=said["wholes"],
        found=[*said["found"], *map(str, selectors.check_books())],
        overspent=[
            str(row) for row in Account.objects.filter(granted__lt=F("reserved") + F("spent"))
        ],
        entries=Entry.objects.count(),
        granted=brand.granted,
        used=brand.reserved + brand.spent,
        twice=closed_twice.count(),
    )
