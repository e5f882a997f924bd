"""Prices the ledger: what 8 writers commit with it and without, and a million entries offline.

Run `python -m tests.benchmarks.ledger [reviews | inserts | verify]`, with `DATABASE_URL` of a
PostgreSQL for the first two. Writers with the ledger and without take turns in one run, while a
sequencer gives leaves. `reviews` is what people do: open a case, be shown it, decide on it.
`inserts` is the worst case there is: an entry beside one bare row, after 5 ms of other work.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

from tests.benchmarks.quota import scratch_database

WRITERS, ROUNDS, ROUND_S, WORK_S = 8, 6, 8.0, 0.005
MILLION, CHECKPOINT_EVERY, ENTRY_PADDING = 1_000_000, 1000, 300


@dataclass(frozen=True)
class Figures:
    """What the writers reached in one round: each commit's milliseconds, and each append's."""

    commits_ms: list[float]
    appends_ms: list[float]


def reviews() -> None:
    """Price the ledger where it is used: cases opened, shown and decided on."""
    _writers("reviews", _review)


def inserts() -> None:
    """Price the ledger where it weighs most: one row, and one entry."""
    _writers("inserts", _insert)


def _writers(name: str, make: Callable[[], Callable[[], None]]) -> None:
    """Print commits/s and p95 of both kinds, round by round, and their ratio."""
    django.setup()
    from django.db import connection

    with scratch_database():
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE act (id uuid PRIMARY KEY, what text)")
        # New tables have no statistics, so the first round is slow, and counts for neither.
        _round(make, with_ledger=True)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        rounds = [_pair(make, ledger_first=number % 2 == 0) for number in range(ROUNDS)]
        vendor = connection.vendor
    rates = [
        (len(ours.commits_ms) / ROUND_S, len(bare.commits_ms) / ROUND_S) for ours, bare in rounds
    ]
    for number, (with_ledger, without) in enumerate(rates):
        _say(f"round {number}: with {with_ledger:.0f}/s, without {without:.0f}/s")
    ratio = statistics.median(with_ledger / without for with_ledger, without in rates)
    ours = [each for made, _ in rounds for each in made.commits_ms]
    bare = [each for _, made in rounds for each in made.commits_ms]
    appends = [each for made, _ in rounds for each in made.appends_ms]
    _say(
        f"{name}, {vendor}, {WRITERS} writers: ratio {ratio:.2f} (median of {ROUNDS} rounds); "
        f"p95 {_p95(ours):.1f} ms with, {_p95(bare):.1f} ms without; "
        f"{len(appends) / len(ours):.1f} entries an act, an entry "
        f"p50 {statistics.median(appends):.2f} ms, p95 {_p95(appends):.2f} ms"
    )


def _pair(make: Callable[[], Callable[[], None]], *, ledger_first: bool) -> tuple[Figures, Figures]:
    """Let both kinds work, the other one first in every second round: growing tables favor none."""
    first, second = (_round(make, with_ledger=kind) for kind in (ledger_first, not ledger_first))
    return (first, second) if ledger_first else (second, first)


def _round(make: Callable[[], Callable[[], None]], *, with_ledger: bool) -> Figures:
    """Let all writers of one kind work for a while, with a sequencer beside them."""
    context = multiprocessing.get_context("fork")
    from django.db import connection

    connection.close()
    results: Any = context.SimpleQueue()
    start, stop = context.Barrier(WRITERS), context.Event()
    sequencer = context.Process(target=_sequence, args=(stop,))
    sequencer.start()
    processes = [
        context.Process(target=_write, args=(make, with_ledger, start, results))
        for _ in range(WRITERS)
    ]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    stop.set()
    for process in (*processes, sequencer):
        process.join()
    return Figures(
        [each for part, _ in found for each in part], [each for _, part in found for each in part]
    )


def _write(
    make: Callable[[], Callable[[], None]], with_ledger: bool, start: Any, results: Any
) -> None:
    from django.db import connection

    act = make()
    appends_ms = _watch_appends() if with_ledger else _without_ledger()
    for _ in range(5):
        act()
    start.wait()
    appends_ms.clear()
    commits_ms: list[float] = []
    ends = time.perf_counter() + ROUND_S
    while (begun := time.perf_counter()) < ends:
        act()
        commits_ms.append((time.perf_counter() - begun) * 1000)
    connection.close()
    results.put((commits_ms, appends_ms))


def _watch_appends() -> list[float]:
    """Note how long each append takes in this process."""
    from governance.ledger import services

    real, taken_ms = services.append, list[float]()

    def append(**facts: Any) -> Any:
        begun = time.perf_counter()
        entry_id = real(**facts)
        taken_ms.append((time.perf_counter() - begun) * 1000)
        return entry_id

    services.append = append
    return taken_ms


def _without_ledger() -> list[float]:
    """Take the ledger away from every act of this process."""
    from governance.kernel.ids import uuid7
    from governance.ledger import services

    services.append = lambda **_facts: uuid7()
    return []


def _review() -> Callable[[], None]:
    """Return the act of a review's beginning: a case is opened, shown, and decided on."""
    from django.conf import settings
    from django.db import transaction

    from governance.kernel.ids import uuid7
    from tests.factories import review as make

    make.use_sealing_key(settings, Path(tempfile.mkdtemp()))
    team = make.Team(brand_id=uuid7())
    make.approved_policy(team)

    def act() -> None:
        with transaction.atomic():
            case = make.open_case(team)
        make.decide(case, team.brand_reviewer)

    return act


def _insert() -> Callable[[], None]:
    """Return the act of writing one row after some work, and one entry with it."""
    from django.db import connection, transaction

    from governance.kernel.actors import Actor
    from governance.kernel.clock import now
    from governance.kernel.ids import uuid7
    from governance.kernel.subjects import SubjectRef
    from governance.ledger import services
    from governance.ledger.events import Event

    actor = Actor(id=uuid7())

    def act() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO act (id, what) VALUES (%s, 'x')", [uuid7()])
            time.sleep(WORK_S)
            services.append(
                actor=actor,
                event=Event.REVIEW_CASE_OPENED,
                subject=SubjectRef("review_case", uuid7(), uuid7(), "ab" * 32),
                now=now(),
                facts={"policy": str(uuid7()), "stage": "brand", "seconds": 12},
            )

    return act


def _sequence(stop: Any) -> None:
    from django.conf import settings
    from django.db import connection

    from governance.kernel.clock import now
    from governance.ledger import services

    # As the relay does: what waits gets its leaves together, when a checkpoint is due.
    while not stop.wait(settings.CHECKPOINT_EVERY_S):
        services.sequence(now=now())
    connection.close()


def verify() -> None:
    """Print how long the verifier's own file takes for a million entries, in a fresh process."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from governance.ledger import notes, verifier

    private = Ed25519PrivateKey.generate()
    key = notes.VerifierKey("imprimatur.example/log", private.public_key().public_bytes_raw())
    with tempfile.TemporaryDirectory() as folder:
        size_bytes = _write_export(Path(folder), lambda head: notes.sign(head, private))
        command = [sys.executable, "-I", verifier.__file__, "export", folder, "--key", str(key)]
        for _ in range(3):
            before, start = os.times(), time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            took, after = time.perf_counter() - start, os.times()
            cpu = after.children_user - before.children_user
            _say(f"{MILLION} entries, {size_bytes / 1e6:.0f} MB: {took:.1f} s ({cpu:.1f} s of CPU)")
        _say(done.stdout.strip())


def _write_export(folder: Path, sign: Callable[[object], str]) -> int:
    import json

    from governance.ledger import exports, merkle, notes

    levels: dict[int, bytearray] = {}
    edge = merkle.Frontier(
        completed=lambda level, node: levels.setdefault(level, bytearray()).extend(node)
    )
    lines, group, written = [], [], 0
    for place in range(MILLION):
        entry = b'{"n":%d,"pad":"%s"}' % (place, b"x" * ENTRY_PADDING)
        group.append(entry)
        written += len(entry)
        edge.add(merkle.leaf_hash(entry))
        if len(group) == merkle.TILE_WIDTH or edge.size == MILLION:
            path = exports.tile_path("entries", place // merkle.TILE_WIDTH, len(group))
            _put(folder / path, exports.bundle(group))
            group = []
        if edge.size % CHECKPOINT_EVERY == 0:
            lines.append(sign(notes.TreeHead("imprimatur.example/log", edge.size, edge.root())))
    tile = merkle.TILE_WIDTH * merkle.HASH_BYTES
    for level, hashes in levels.items():
        for at in range(0, len(hashes), tile):
            row = bytes(hashes[at : at + tile])
            _put(folder / exports.tile_path(level, at // tile, len(row) // 32), row)
    text = "".join(json.dumps({"note": note}, ensure_ascii=False) + "\n" for note in lines)
    _put(folder / exports.CHECKPOINTS, text.encode())
    _put(folder / exports.CHECKPOINT, lines[-1].encode())
    return written


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _p95(times_ms: list[float]) -> float:
    return statistics.quantiles(times_ms, n=20)[18]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["reviews", "inserts", "verify"]
    for act in chosen:
        {"reviews": reviews, "inserts": inserts, "verify": verify}[act]()
