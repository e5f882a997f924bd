"""`python -m tests.chaos`: one seeded chaos run, a table of recoveries, and the history's verdict.

    python -m tests.chaos --seed 7 --minutes 5 [--broker rabbitmq] [--history FILE] [--logs DIR]

PostgreSQL and the broker are its own, on free ports, and reached through proxies that can break the
line. Every fault is played once in the seed's order, then at random until the time is up. Then all
is mended, the work is finished, and the checker compares what clients were told with what is there.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

LEASE_S = 20
QUIET_S = 240.0
BETWEEN_S = (1.0, 4.0)
GRANT = 100_000


def main() -> int:
    """Break, mend, check; 0 only if nothing was lost, doubled or let out."""
    asked = _arguments()
    # Told to end, it ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imprimatur-chaos-")))
        world, office = _begin(stack, var, asked)
        began = time.monotonic()
        recoveries = _break(world, asked, began + asked.minutes * 60)
        print(f"Mending, after {time.monotonic() - began:.0f} s.", flush=True)
        found = _finish(world, office, var)
        if asked.history:
            world.history.write(asked.history)
        if asked.logs:
            shutil.copytree(var / "imprimatur" / "log", asked.logs, dirs_exist_ok=True)
    _report(world, recoveries, found)
    missed = _missed(recoveries)
    for line in [*found, *missed]:
        print(f"VIOLATED: {line}")
    verdict = {
        "ok": not found,
        "seed": asked.seed,
        "faults": sum(map(len, recoveries.values())),
        "operations": len(world.history.operations),
        "violations": len(found),
        "recovery_goals_missed": len(missed),
        "restarts": world.installation.restarts,
    }
    print(json.dumps(verdict))
    return 1 if found or missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--broker", choices=("redis", "rabbitmq"), default="redis")
    parser.add_argument("--history", type=Path, help="where to write the history, as JSON lines")
    parser.add_argument("--logs", type=Path, help="where to leave what the processes logged")
    return parser.parse_args()


def _begin(stack: ExitStack, var: Path, asked: argparse.Namespace) -> tuple[Any, Any]:
    from tests.chaos import installation as floor
    from tests.chaos.proxy import FaultProxy
    from tests.chaos.services import Postgres, Rabbit, Redis

    # PostgreSQL's own user has to pass through.
    var.chmod(0o755)
    folders = {name: var / name for name in ("postgresql", "broker", "imprimatur")}
    for folder in folders.values():
        folder.mkdir()
    postgres = stack.enter_context(Postgres(folders["postgresql"]))
    kind = Redis if asked.broker == "redis" else Rabbit
    broker = stack.enter_context(kind(folders["broker"]))
    database_line = stack.enter_context(FaultProxy(postgres.port))
    broker_line = stack.enter_context(FaultProxy(broker.port))
    postgres.create("chaos")
    direct = postgres.url("chaos")
    env = floor.environment(
        folders["imprimatur"],
        database_url=postgres.url("chaos", port=database_line.port),
        broker_url=broker.url(port=broker_line.port),
        lease_s=LEASE_S,
    )
    print(f"Preparing an installation; seed {asked.seed}, {asked.broker}.", flush=True)
    floor.prepare(env, direct_url=direct)
    os.environ.update(env | {"DATABASE_URL": direct})
    sys.path[:0] = [str(floor.ROOT / "platform"), str(floor.ROOT)]

    import django

    django.setup()
    from imprimatur.config.demo import seed

    from tests.chaos import faults
    from tests.chaos.clients import Office
    from tests.chaos.history import History

    seeded = seed.seed(now=datetime.now(UTC))
    _grant_plenty(seeded.brand_id)
    history = History()
    running = stack.enter_context(floor.Installation(folders["imprimatur"], env))
    office = Office(
        running.base_url,
        seeded.passwords,
        history,
        asked.seed,
        str(seeded.destinations["folder"]),
    )
    office.open()
    world = faults.World(running, postgres, broker, database_line, broker_line, history, LEASE_S)
    return world, office


def _grant_plenty(brand_id: Any) -> None:
    """Let the demo's marketer order as much as a run needs."""
    from imprimatur.accounts import selectors as people
    from imprimatur.config.demo.seed import PROFILE

    from generation.registry import selectors as registry
    from governance.quota import services as quota

    now = datetime.now(UTC)
    ada, marta = people.get_actor_by_username("ada"), people.get_actor_by_username("marta")
    period = now.strftime("%Y-%m")
    for kind, holder, brand in (
        ("user", marta.id, brand_id),
        ("brand", brand_id, brand_id),
        ("model", registry.current_profile(PROFILE).id, None),
    ):
        quota.grant(
            actor=ada,
            holder_kind=kind,
            holder_id=holder,
            brand_id=brand,
            period=period,
            amount=GRANT,
            now=now,
        )


def _break(world: Any, asked: argparse.Namespace, until: float) -> dict[str, list[float | None]]:
    from django.db import close_old_connections

    from tests.chaos.faults import FAULTS

    dice = random.Random(asked.seed)
    recoveries: dict[str, list[float | None]] = defaultdict(list)
    for place, fault in enumerate(_order_of(FAULTS, dice)):
        if place >= len(FAULTS) and time.monotonic() > until:
            break
        time.sleep(dice.uniform(*BETWEEN_S))
        close_old_connections()
        began = time.monotonic()
        recovered = fault.act(world, dice)
        recoveries[fault.name].append(recovered)
        told = "no measure" if recovered is None else f"recovered in {recovered:.1f} s"
        print(
            f"{fault.number:>4} {fault.name}: {told} ({time.monotonic() - began:.0f} s)", flush=True
        )
    return recoveries


def _order_of(faults: Any, dice: random.Random) -> Iterator[Any]:
    yield from dice.sample(faults, len(faults))
    while True:
        yield dice.choice(faults)


def _finish(world: Any, office: Any, var: Path) -> list[str]:
    """Stop ordering, let the work come to its end, and return what does not hold."""
    from django.db import close_old_connections

    from tests.chaos.history import violations

    close_old_connections()
    office.no_more_orders.set()
    until = time.monotonic() + QUIET_S
    with _settled(world):
        while not _is_quiet() and time.monotonic() < until:
            time.sleep(1)
    office.close()
    # What the last decisions and publications wrote is sequenced and delivered too.
    end = time.monotonic() + 30
    while not _is_quiet() and time.monotonic() < end:
        time.sleep(0.5)
    return violations(world.history, var / "imprimatur" / "published")


@contextmanager
def _settled(world: Any) -> Iterator[None]:
    world.database_line.set("pass")
    world.broker_line.set("pass")
    yield


def _is_quiet() -> bool:
    from imprimatur.publishing.models import Publication

    from generation.jobs.models import JobItem
    from governance.ledger.models import Pending
    from governance.release.models import Due, Release
    from governance.review.models import Case

    return not (
        JobItem.objects.filter(state__in=["queued", "leased"]).exists()
        or Case.objects.filter(state="open", subject__kind="asset").exists()
        or Due.objects.exists()
        or Publication.objects.exclude(state="published").exists()
        or Publication.objects.count() < Release.objects.count()
        or Pending.objects.exists()
    )


def _missed(recoveries: dict[str, list[float | None]]) -> list[str]:
    from tests.chaos.faults import FAULTS

    return [
        f"{fault.name}: {_p99(measured):.1f} s, the promise is {fault.goal_s:.0f} s"
        for fault in FAULTS
        if fault.goal_s is not None
        and (measured := [each for each in recoveries[fault.name] if each is not None])
        and _p99(measured) > fault.goal_s
    ]


def _p99(measured: list[float]) -> float:
    return quantiles(measured, n=100)[-1] if len(measured) > 1 else measured[0]


def _report(world: Any, recoveries: dict[str, list[float | None]], found: list[str]) -> None:
    from tests.chaos.faults import FAULTS

    print(f"\n{'fault':<36} {'times':>5} {'p50 s':>7} {'max s':>7} {'goal s':>7}")
    for fault in FAULTS:
        times = recoveries[fault.name]
        measured = sorted(each for each in times if each is not None)
        p50 = f"{measured[len(measured) // 2]:.1f}" if measured else "-"
        worst = f"{measured[-1]:.1f}" if measured else "-"
        goal = f"{fault.goal_s:.0f}" if fault.goal_s else "-"
        print(f"{fault.name:<36} {len(times):>5} {p50:>7} {worst:>7} {goal:>7}")
    print()
    for kind, counted in world.history.counts().items():
        print(f"{kind:<8} {counted}")
    print(f"{len(found)} invariants violated.\n")


if __name__ == "__main__":
    sys.exit(main())
