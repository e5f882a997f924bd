"""Attacks an export 10,000 times at random, and counts what an offline verifier sees by class.

Run `python -m tests.benchmarks.tampering [COUNT] [SEED]`. The attacker holds everything: the files,
the tree's mathematics and the log's own signing keys. The verifier holds a checkpoint from before,
and runs as the file that auditors get. Every mutation must be seen; the same rewriting *after* that
checkpoint is the control, which nobody can see, and must pass.
"""

import contextlib
import io
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.ledger import exports, merkle, notes, verifier

ORIGIN = "imprimatur.example/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEY = notes.VerifierKey(ORIGIN, PRIVATE.public_key().public_bytes_raw())

Entries = list[bytes]


def entries_of(chance: random.Random) -> Entries:
    """Return a small log's entries; its size crosses a tile now and then."""
    size = chance.choice([2, 3, 8, 17, 40, 257])
    return [b'{"n":%d,"r":%d}' % (place, chance.randrange(10**6)) for place in range(size)]


def tree_head(entries: Sequence[bytes]) -> notes.TreeHead:
    """Return what an honest signer would say of these entries."""
    edge = merkle.Frontier()
    for entry in entries:
        edge.add(merkle.leaf_hash(entry))
    return notes.TreeHead(ORIGIN, len(entries), edge.root())


def write_export(
    folder: Path, entries: Entries, sizes: Sequence[int], private: Ed25519PrivateKey = PRIVATE
) -> None:
    """Write a perfect export: tiles recomputed, a checkpoint signed at each of these sizes."""
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    files = {
        exports.tile_path(level, number, len(row) // 32): row
        for (level, number), row in merkle.grow(0, leaves, lambda *_: b"").items()
    }
    for first in range(0, len(entries), 256):
        group = entries[first : first + 256]
        files[exports.tile_path("entries", first // 256, len(group))] = exports.bundle(group)
    signed = [notes.sign(tree_head(entries[:size]), private) for size in sorted(sizes)]
    files[exports.CHECKPOINT] = signed[-1].encode()
    lines = [json.dumps({"note": note}, ensure_ascii=False) for note in signed]
    files[exports.CHECKPOINTS] = "\n".join(lines).encode()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def edited(entries: Entries, kept: int, chance: random.Random) -> Entries:
    """Change one entry that the kept checkpoint covers."""
    place = chance.randrange(kept)
    return [*entries[:place], b'{"n":"edited"}', *entries[place + 1 :]]


def deleted(entries: Entries, kept: int, chance: random.Random) -> Entries:
    """Leave one out."""
    place = chance.randrange(kept)
    return entries[:place] + entries[place + 1 :]


def inserted(entries: Entries, kept: int, chance: random.Random) -> Entries:
    """Put one in."""
    place = chance.randrange(kept)
    return [*entries[:place], b'{"n":"inserted"}', *entries[place:]]


def reordered(entries: Entries, kept: int, chance: random.Random) -> Entries:
    """Exchange two."""
    one, other = chance.sample(range(kept), 2)
    changed = list(entries)
    changed[one], changed[other] = changed[other], changed[one]
    return changed


def truncated(entries: Entries, kept: int, chance: random.Random) -> Entries:
    """Cut the end off, below what the kept checkpoint covers."""
    return entries[: chance.randrange(1, kept)]


def rolled_back(entries: Entries, kept: int, chance: random.Random) -> Entries:
    """Go back to an older state and go on from there, as a restored backup does."""
    old = chance.randrange(1, kept)
    more = chance.randrange(1, kept + 3)
    return entries[:old] + [b'{"since":"the backup %d"}' % place for place in range(more)]


def forked(entries: Entries, kept: int, chance: random.Random) -> Entries:
    """Show somebody another continuation of the same length."""
    place = chance.randrange(kept)
    return entries[:place] + [b'{"fork":%d}' % at for at in range(place, len(entries))]


def recomputed(entries: Entries, _kept: int, chance: random.Random) -> Entries:
    """Write a whole new history."""
    return [b'{"all":"new %d"}' % chance.randrange(10**9) for _ in entries]


REWRITES: dict[str, Callable[[Entries, int, random.Random], Entries]] = {
    "edit": edited,
    "delete": deleted,
    "insert": inserted,
    "reorder": reordered,
    "truncate": truncated,
    "roll back": rolled_back,
    "fork": forked,
    "full recomputation": recomputed,
}
RE_SIGN = "re-sign"
FLIP = "flip a bit of a file"
CLASSES = (*REWRITES, RE_SIGN, FLIP)


@dataclass
class Outcome:
    """How often a class was tried, seen, and how often its control passed."""

    tried: int = 0
    seen: int = 0
    controls: int = 0
    controls_passed: int = 0
    missed: list[str] = field(default_factory=list)


def attack(name: str, seed: int, folder: Path, outcome: Outcome) -> None:
    """Attack once with this class and seed, and once with its control."""
    chance = random.Random(f"{name} {seed}")
    entries = entries_of(chance)
    kept = chance.randrange(2, len(entries) + 1)
    (folder / "kept").write_text(notes.sign(tree_head(entries[:kept]), PRIVATE))
    log = folder / "log"
    sizes = {kept, len(entries)}
    outcome.tried += 1
    outcome.controls += 1
    if name == FLIP:
        write_export(log, entries, list(sizes))
        outcome.controls_passed += holds(log, folder / "kept")
        flip(log, chance)
        is_seen = not holds(log, folder / "kept")
    elif name == RE_SIGN:
        write_export(log, entries, list(sizes), STRANGER)
        is_seen = not holds(log, folder / "kept")
        write_export(log, entries, list(sizes), PRIVATE)
        outcome.controls_passed += holds(log, folder / "kept")
    else:
        forged = REWRITES[name](entries, kept, chance)
        write_export(log, forged, [len(forged)])
        is_seen = not holds(log, folder / "kept")
        # Nobody kept a checkpoint of this past: the one class that nothing can show.
        outcome.controls_passed += holds(log, None)
    outcome.seen += is_seen
    if not is_seen:
        outcome.missed.append(f"{name} {seed}")


def flip(log: Path, chance: random.Random) -> None:
    """Change one bit of one file of an export."""
    path = chance.choice(sorted(path for path in log.rglob("*") if path.is_file()))
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def holds(log: Path, kept: Path | None) -> bool:
    """Run the verifier on an export."""
    more = [] if kept is None else ["--earlier", str(kept)]
    with contextlib.redirect_stdout(io.StringIO()):
        return verifier.main(["export", str(log), "--key", str(KEY), *more]) == 0


def run(count: int, seed: int = 0) -> dict[str, Outcome]:
    """Attack `count` times, in turn with each class; return what each class came to."""
    outcomes = {name: Outcome() for name in CLASSES}
    for number in range(count):
        name = CLASSES[number % len(CLASSES)]
        with tempfile.TemporaryDirectory() as folder:
            attack(name, seed + number, Path(folder), outcomes[name])
    return outcomes


def main(arguments: Sequence[str]) -> int:
    """Print what each class came to; exit status 1 if anything was missed."""
    given = [int(each) for each in arguments]
    count, seed = (*given, *(10_000, 0)[len(given) :])
    outcomes = run(count, seed)
    sys.stdout.write(f"{'class':24}{'tried':>8}{'seen':>8}{'controls':>10}{'passed':>8}" + "\n")
    for name, o in outcomes.items():
        sys.stdout.write(
            f"{name:24}{o.tried:8}{o.seen:8}{o.controls:10}{o.controls_passed:8}" + "\n"
        )
    missed = [each for outcome in outcomes.values() for each in outcome.missed]
    blind = [name for name, o in outcomes.items() if o.controls_passed != o.controls]
    sys.stdout.write(f"missed: {missed or 'none'}; controls that failed: {blind or 'none'}" + "\n")
    return 1 if missed or blind else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
