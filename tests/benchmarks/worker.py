"""Prices everything around the device: what a worker loses of its time, and how long a job waits.

Run `python -m tests.benchmarks.worker [throughput] [waits] [cancel] [reuse] [storage]` on
PostgreSQL and Redis. The engine takes a stated time and returns noise of 1024 x 1024 px; the path
is whole: claim by turns, lease, PNG, SHA-256, the formula scorers in their own process,
near-duplicates, assets, quota, ledger, review. The baselines are the same engine in a bare loop,
and a bare Celery task on a bare table.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import django

THROUGHPUT = ((1.0, 60), (0.35, 200))
SIDE_PX, STEPS = 1024, 10
WAITS, CPU_JOBS = 100, 500
CANCELS, REUSED, STORED = 20, 20, 100_000
IN_ONE_ORDER = 8


def main() -> None:
    """Print what was asked for, each figure beside its baseline."""
    django.setup()
    from django.conf import settings
    from django.db import connection

    from tests.factories import jobs as make
    from tests.factories import review

    asked = sys.argv[1:] or ["throughput", "waits", "cancel", "reuse", "storage"]
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with TemporaryDirectory() as var:
            folder = Path(var)
            review.use_sealing_key(settings, folder)
            make.use_blobs(settings, folder / "images")
            shop = make.shop(images=10_000, thresholds=make.CONTRAST)
            if "throughput" in asked:
                for takes_s, images in THROUGHPUT:
                    throughput(shop, takes_s, images)
            if "waits" in asked:
                waits(shop, folder)
            if "cancel" in asked:
                cancel(shop)
            if "reuse" in asked:
                reuse(shop)
            if "storage" in asked:
                storage()
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def throughput(shop: Any, takes_s: float, images: int) -> None:
    """Set a worker's images per second against the bare loop's."""
    from django.conf import settings

    from generation.jobs import judging, rendering, worker
    from generation.jobs.models import JobItem
    from tests.benchmarks.floor.timed import TimedEngine

    engine = TimedEngine(takes_s)
    rendering.engines.find = lambda _pipeline: engine
    figures = {}
    for finishers in (2, 0):
        settings.WORKER_FINISHERS = finishers
        worker._line.cache_clear()
        many = images if finishers else max(10, images // 10)
        shop.order(1, side_px=SIDE_PX, steps=STEPS)
        worker.drain("render.cpu")  # starts the scorers
        for first in range(0, many, IN_ONE_ORDER):
            shop.order(min(IN_ONE_ORDER, many - first), side_px=SIDE_PX, steps=STEPS)
        began = time.perf_counter()
        worker.drain("render.cpu")
        device_s = time.perf_counter() - began
        worker._line().close()
        figures[finishers] = (many, device_s, time.perf_counter() - began)
    made = JobItem.objects.filter(state="in_review").count()
    judging.close_suites()
    many, device_s, whole_s = figures[2]
    inline_many, _inline_device_s, inline_s = figures[0]
    say(
        f"{takes_s:g} s an image, {many} images: {many * takes_s / device_s:.3f} of the bare "
        f"loop's rate on the device, {many * takes_s / whole_s:.3f} until the last is recorded; "
        f"everything in one thread {inline_many * takes_s / inline_s:.3f} ({inline_many} images); "
        f"{made} in review so far"
    )


def waits(shop: Any, folder: Path) -> None:
    """Time the way from an order's commit to the engine's start, and count what a job costs."""
    bare, bare_cpu_ms = floor(folder)
    ours, cpu_ms = governed(shop, folder)
    say(
        f"from commit to start, {WAITS} single orders: p50 {p(ours, 50):.1f} ms, "
        f"p95 {p(ours, 95):.1f} ms; a bare Celery task p50 {p(bare, 50):.1f} ms, "
        f"p95 {p(bare, 95):.1f} ms; ratio {p(ours, 50) / p(bare, 50):.2f} (goal: at most 2.5)"
    )
    parts = ", ".join(f"{name} {ms:.1f}" for name, ms in cpu_ms.items())
    total, bare_total = sum(cpu_ms.values()), sum(bare_cpu_ms.values())
    say(
        f"processor time of one of {CPU_JOBS} jobs outside the engine, 64 x 64 px, in ms: {parts}; "
        f"together {total:.1f}; bare {bare_total:.1f}; ratio {total / bare_total:.2f} (goal: 2.4)"
    )


def cancel(shop: Any) -> None:
    """Time the way from a cancellation's commit to the engine's end, in the middle of a render."""
    from django.conf import settings
    from django.db import connection

    from generation.engines.errors import Cancelled
    from generation.jobs import rendering, services, worker
    from generation.jobs.models import JobItem
    from tests.benchmarks.floor.timed import TimedEngine
    from tests.factories.review import NOW

    step_s = 0.1
    stopped_at: list[float] = []

    class Watched(TimedEngine):
        def render(self, spec: Any, on_step: Any) -> Any:
            try:
                return super().render(spec, on_step)
            except Cancelled:
                stopped_at.append(time.perf_counter())
                raise

    rendering.engines.find = lambda _pipeline: Watched(step_s * 50)
    settings.WORKER_FINISHERS = 2
    worker._line.cache_clear()
    chance, took = random.Random(3), []
    for _ in range(CANCELS):
        item = shop.order(1, side_px=64, steps=50).items[0]
        device = threading.Thread(target=drained)
        device.start()
        while not JobItem.objects.filter(pk=item.id, state="leased").exists():
            time.sleep(0.01)
        time.sleep(0.3 + chance.random())
        services.cancel_item(actor=shop.marketer, item_id=item.id, now=NOW)
        began = time.perf_counter()
        device.join()
        took.append((stopped_at[-1] - began) * 1000)
        connection.close()
    worker._line().close()
    say(
        f"from a cancellation to the engine's end, steps of {step_s * 1000:.0f} ms, {CANCELS} "
        f"times: p50 {p(took, 50):.0f} ms, longest {max(took):.0f} ms (goal: a step and 100 ms)"
    )


def drained() -> None:
    """Make what waits, in a thread of its own."""
    from django.db import connection

    from generation.jobs import worker

    try:
        worker.drain("render.cpu")
    finally:
        connection.close()


def reuse(shop: Any) -> None:
    """Time an image that was made before, and count what judging it costs."""
    from django.conf import settings

    from generation.jobs import rendering, worker
    from tests.benchmarks.floor.timed import TimedEngine

    rendering.engines.find = lambda _pipeline: TimedEngine(1.0)
    settings.WORKER_FINISHERS = 0
    worker._line.cache_clear()
    took = []
    for _ in range(REUSED + 1):
        shop.order(1, side_px=512, steps=STEPS, prompt_digest="d" * 64)
        began = time.perf_counter()
        worker.drain("render.cpu")
        took.append((time.perf_counter() - began) * 1000)
    say(
        f"the same recipe again, 512 x 512 px, from claim to review: p50 {p(took[1:], 50):.0f} ms "
        f"of {REUSED}, against {took[0]:.0f} ms with a render of 1 s; it is judged anew each time"
    )


def storage() -> None:
    """Time storing an image among none and among many."""
    from generation.assets import blobs

    data = random.Random(5).randbytes(200_000)

    def put(number: int, size: int) -> float:
        began = time.perf_counter()
        blobs.put(number.to_bytes(8, "big") + data[:size])
        return (time.perf_counter() - began) * 1000

    empty = [put(number, 200_000) for number in range(200)]
    for number in range(STORED):
        put(10**6 + number, 50)
    full = [put(10**9 + number, 200_000) for number in range(200)]
    say(
        f"storing 200 kB: {median(empty):.2f} ms among none, {median(full):.2f} ms among {STORED}, "
        f"ratio {median(full) / median(empty):.2f} (goal: at most 1.1)"
    )


def governed(shop: Any, folder: Path) -> tuple[list[float], dict[str, float]]:
    """Run a relay and a worker with an engine that takes no time; return waits and costs."""
    from generation.jobs.models import JobItem
    from tests import processes

    with processes.floor(
        folder,
        DJANGO_SETTINGS_MODULE="tests.benchmarks.floor.settings",
        TIMED_ENGINE="1",
    ) as floor:
        started = {name: floor.start(name) for name in ("relay", "worker")}
        log = folder / "engine.log"

        def one() -> float:
            item = shop.order(1, side_px=64).items[0]
            at = time.time()
            floor.wait_for(
                "the image", lambda: JobItem.objects.filter(pk=item.id, state="in_review").exists()
            )
            return (float(log.read_text().split()[-1]) - at) * 1000

        one()
        found = [one() for _ in range(WAITS)]
        with costs({name: p.pid for name, p in started.items()}) as cost:
            for _ in range(CPU_JOBS // IN_ONE_ORDER):
                shop.order(IN_ONE_ORDER, side_px=64)
            floor.wait_for(
                "the images", lambda: not JobItem.objects.filter(state__in=["queued", "leased"])
            )
            time.sleep(0.2)
        made = CPU_JOBS // IN_ONE_ORDER * IN_ONE_ORDER
        return found, {name: ms / made for name, ms in cost.items()}


def floor(folder: Path) -> tuple[list[float], dict[str, float]]:
    """The same of a bare Celery task."""
    from django.conf import settings
    from django.db import connection

    from tests import databases

    os.environ["CELERY_BROKER_URL"] = str(settings.CELERY_BROKER_URL)
    from tests.benchmarks.floor import app

    with connection.cursor() as cursor:
        cursor.execute(app.TABLES)
    environment = os.environ | {
        "IMPRIMATUR_VAR": str(folder),
        "DATABASE_URL": databases.url(),
        "DJANGO_SETTINGS_MODULE": "imprimatur.config.settings.test",
    }
    argv = [sys.executable, "-W", "ignore", "-m", "celery", "--quiet", "-A"]
    argv += ["tests.benchmarks.floor.app", "worker", "--pool", "solo", "-Q", "floor"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    log = folder / "engine.log"
    with (folder / "floor.log").open("wb") as out:
        process = subprocess.Popen(argv, env=environment, stdout=out, stderr=out)
    try:
        numbers = iter(range(1, 10**6))

        def is_done(number: int) -> bool:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM floor_job WHERE id = %s AND state = 'done'", [number])
                return cursor.fetchone() is not None

        def one() -> float:
            number = next(numbers)
            app.order(number)
            at = time.time()
            while not is_done(number):
                time.sleep(0.02)
            return (float(log.read_text().split()[-1]) - at) * 1000

        one()
        found = [one() for _ in range(WAITS)]
        with costs({"worker": process.pid}) as cost:
            for _ in range(CPU_JOBS):
                number = next(numbers)
                app.order(number)
            while not is_done(number):
                time.sleep(0.02)
        return found, {name: ms / CPU_JOBS for name, ms in cost.items()}
    finally:
        process.kill()
        process.wait()


@contextmanager
def costs(pids: dict[str, int]) -> Iterator[dict[str, float]]:
    """Count the processor time of this thread and of processes with their children, in ms."""
    found: dict[str, float] = {}
    before = used(pids)
    own = time.thread_time()
    yield found
    found["order"] = (time.thread_time() - own) * 1000
    for name, ms in used(pids).items():
        found[name] = ms - before.get(name, 0.0)


def used(pids: dict[str, int]) -> dict[str, float]:
    """Return the processor time in ms that processes used, and apart what their children did."""
    names = {pid: name for name, pid in pids.items()}
    found = dict.fromkeys([*pids, "scorers"], 0.0)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ms = (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
        if int(stat.parent.name) in names:
            found[names[int(stat.parent.name)]] += ms
        elif int(fields[1]) in names:
            found["scorers"] += ms
    return found


def p(values: list[float], percent: int) -> float:
    """Return a percentile."""
    ordered = sorted(values)
    return median(values) if percent == 50 else ordered[len(ordered) * percent // 100]


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
