"""Prices the ledger: commits from 8 writers with it and without, and a million entries offline.

Run `python -m tests.benchmarks.ledger [writers | verify]`, with `DATABASE_URL` of a PostgreSQL for
the first. Both kinds of writer take turns in one run: each transaction inserts one row and waits as
long as an act's own work takes; one kind also records an entry, while a sequencer gives leaves.
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

import django

WRITERS, ROUNDS, ROUND_S, WORK_S = 8, 6, 4.0, 0.005
MILLION, CHECKPOINT_EVERY, ENTRY_PADDING = 1_000_000, 1000, 300


@dataclass(frozen=True)
class Figures:
    """What one kind of writer reached in one round: transactions, and each one's milliseconds."""

    commits: int
    times_ms: list[float]


def writers() -> None:
    """Print commits/s and p95 of both kinds, round by round, and their ratio."""
    django.setup()
    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE act (id uuid PRIMARY KEY, what text)")
        rounds = [(_round("with"), _round("without")) for _ in range(ROUNDS)]
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    rates = [(ours.commits / ROUND_S, bare.commits / ROUND_S) for ours, bare in rounds]
    ours = [each for made, _ in rounds for each in made.times_ms]
    bare = [each for _, made in rounds for each in made.times_ms]
    for number, (with_ledger, without) in enumerate(rates):
        _say(f"round {number}: with {with_ledger:.0f}/s, without {without:.0f}/s")
    ratio = statistics.median(with_ledger / without for with_ledger, without in rates)
    _say(
        f"{connection.vendor}, {WRITERS} writers, {WORK_S * 1000:.0f} ms of work: "
        f"ratio {ratio:.2f} (median of {ROUNDS} rounds); "
        f"p95 {_p95(ours):.1f} ms with, {_p95(bare):.1f} ms without, "
        f"{_p95(ours) - _p95(bare):.1f} ms added"
    )


def _round(kind: str) -> Figures:
    """Let all writers of one kind work for a while, with a sequencer beside them."""
    context = multiprocessing.get_context("fork")
    from django.db import connection

    connection.close()
    results = context.SimpleQueue()
    start, stop = context.Barrier(WRITERS), context.Event()
    sequencer = context.Process(target=_sequence, args=(stop,))
    sequencer.start()
    processes = [
        context.Process(target=_write, args=(kind, start, results)) for _ in range(WRITERS)
    ]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    stop.set()
    for process in (*processes, sequencer):
        process.join()
    times = [each for part in found for each in part]
    return Figures(len(times), times)


def _write(kind: str, start: "multiprocessing.Barrier", results: object) -> None:
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
            if kind == "with":
                services.append(
                    actor=actor,
                    event=Event.REVIEW_CASE_OPENED,
                    subject=SubjectRef("review_case", uuid7(), uuid7(), "ab" * 32),
                    now=now(),
                    facts={"policy": str(uuid7()), "stage": "brand", "seconds": 12},
                )

    for _ in range(20):
        act()
    start.wait()
    times, ends = [], time.perf_counter() + ROUND_S
    while (begun := time.perf_counter()) < ends:
        act()
        times.append((time.perf_counter() - begun) * 1000)
    connection.close()
    results.put(times)


def _sequence(stop: object) -> None:
    from django.db import connection

    from governance.kernel.clock import now
    from governance.ledger import services

    while not stop.is_set():
        if not services.sequence(now=now()):
            time.sleep(0.1)
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
    chosen = sys.argv[1:] or ["writers", "verify"]
    for act in chosen:
        {"writers": writers, "verify": verify}[act]()
