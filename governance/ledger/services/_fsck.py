"""Rebuilds the tree from the entries' bytes and compares it with everything that is stored."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from governance.kernel import clock
from governance.ledger import merkle, notes, selectors
from governance.ledger.errors import MalformedNote, SignatureInvalid
from governance.ledger.models import Checkpoint, Cosignature, Entry, Leaf, Tile
from governance.ledger.notes import VerifierKey
from governance.ledger.services._anchor import anchors
from governance.ledger.stores import Store

# A report names this many problems one by one; the rest are only counted.
MAX_NAMED = 100


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: `problems` is empty when everything agrees."""

    size: int
    root: bytes
    entries: int
    pending: int
    checkpoints: int
    cosignatures: int
    anchors: int
    problem_count: int
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Tell whether everything agrees."""
        return self.problem_count == 0


@dataclass(slots=True)
class _Findings:
    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        self.count += 1
        if len(self.named) < MAX_NAMED:
            self.named.append(problem)


# What is claimed of the tree at a size: who says so, and which root.
_Claims = dict[int, list[tuple[str, bytes]]]


def fsck(
    *,
    key: VerifierKey | None = None,
    witnesses: Sequence[VerifierKey] = (),
    anchored: Store | None = None,
) -> Report:
    """Check entries, leaves, tiles, head, checkpoints, and what lies outside: the anchors.

    With `key` the log's signatures are verified too, with `witnesses` their cosignatures.
    Reads as a stream and writes nothing. What was consistently recomputed by somebody who holds
    the database *and* the key shows only against an anchor or a checkpoint kept elsewhere.
    Raises: StoreUnavailable.
    """
    findings = _Findings()
    size, root = selectors.size_and_root()
    claims: _Claims = {}
    checkpoints = _read_checkpoints(size, key, claims, findings)
    cosignatures = _read_cosignatures(witnesses, findings)
    anchor_count = 0 if anchored is None else _read_anchors(anchored, size, key, claims, findings)
    _rebuild(size, root, claims, findings)
    extra = Leaf.objects.filter(seq__gte=size).count() - _sequenced_since(size)
    if extra > 0:
        findings.add(f"{extra} leaves lie beyond the head")
    lost = Entry.objects.filter(leaf__isnull=True, pending__isnull=True)
    for entry_id in lost.values_list("id", flat=True)[: MAX_NAMED + 1]:
        findings.add(f"entry {entry_id} has neither a leaf nor a place in the inbox")
    return Report(
        size=size,
        root=root,
        entries=Entry.objects.count(),
        pending=Entry.objects.filter(pending__isnull=False).count(),
        checkpoints=checkpoints,
        cosignatures=cosignatures,
        anchors=anchor_count,
        problem_count=findings.count,
        problems=tuple(findings.named),
    )


def _sequenced_since(size: int) -> int:
    """Return how many leaves the sequencer added since the head was read."""
    return max(0, selectors.size_and_root()[0] - size)


def _read_checkpoints(
    size: int, key: VerifierKey | None, claims: _Claims, findings: _Findings
) -> int:
    """Read every checkpoint's note into the claims, and return how many there are."""
    count = 0
    for row in Checkpoint.objects.order_by("size").iterator(chunk_size=1000):
        count += 1
        root = bytes(row.root)
        head = _opened(f"checkpoint {row.size}", row.note, key, findings)
        if head is not None and (head.size, head.root) != (row.size, root):
            findings.add(f"checkpoint {row.size} does not say what its note says")
        _claim(f"checkpoint {row.size}", row.size, root, size, claims, findings)
    return count


def _read_cosignatures(witnesses: Sequence[VerifierKey], findings: _Findings) -> int:
    """Verify the cosignatures of the witnesses that are known, and return how many there are."""
    keys, count = {key.short: key for key in witnesses}, 0
    rows = Cosignature.objects.order_by("checkpoint_id", "witness").select_related("checkpoint")
    for row in rows.iterator(chunk_size=1000):
        count += 1
        key = keys.get(row.witness)
        try:
            if key is not None:
                notes.confirm_cosigned(row.checkpoint.note + row.line, key)
        except (MalformedNote, SignatureInvalid) as error:
            findings.add(f"cosignature of {row.witness} on {row.checkpoint_id}: {error.detail}")
    return count


def _read_anchors(
    store: Store, size: int, key: VerifierKey | None, claims: _Claims, findings: _Findings
) -> int:
    """Read every anchor into the claims, and return how many there are."""
    count = 0
    try:
        for name, head, note in anchors(store):
            count += 1
            if _opened(f"anchor {name}", note, key, findings) is not None:
                _claim(f"anchor {name}", head.size, head.root, size, claims, findings)
    except MalformedNote as error:
        findings.add(error.detail)
    return count


def _opened(
    what: str, note: str, key: VerifierKey | None, findings: _Findings
) -> notes.TreeHead | None:
    try:
        return notes.read_tree_head(note) if key is None else notes.open_checkpoint(note, key)
    except (MalformedNote, SignatureInvalid) as error:
        findings.add(f"{what}: {error.detail}")
        return None


def _claim(
    what: str, at: int, root: bytes, size: int, claims: _Claims, findings: _Findings
) -> None:
    if at <= size:
        claims.setdefault(at, []).append((what, root))
    elif at > selectors.size_and_root()[0]:
        findings.add(f"{what} is ahead of the log, which has {size} leaves")


def _rebuild(size: int, root: bytes, claims: _Claims, findings: _Findings) -> None:
    tiles = _TileChecker(findings)
    edge = merkle.Frontier(completed=tiles.take)
    for seq, entry_id, stored, entry in _leaves(size):
        if seq != edge.size:
            findings.add(f"the leaves jump from {edge.size} to {seq}")
            return
        if entry is None:
            findings.add(f"leaf {seq}: its entry {entry_id} is missing")
            hashed = stored
        else:
            hashed = merkle.leaf_hash(bytes(entry["body"]))
            if hashed != stored:
                findings.add(f"leaf {seq}: the bytes of entry {entry_id} have changed")
            for problem in _differences(entry):
                findings.add(f"entry {entry_id}: {problem}")
        edge.add(hashed)
        for what, claimed in claims.get(edge.size, ()):
            if claimed != edge.root():
                findings.add(f"{what} has another root than its entries")
    tiles.finish()
    if edge.size != size:
        findings.add(f"the head says {size} leaves, there are {edge.size}")
    elif edge.root() != root:
        findings.add("the head has another root than the entries")


def _leaves(size: int) -> Iterator[tuple[int, UUID, bytes, dict[str, Any] | None]]:
    columns = (
        "id",
        "created_at",
        "event",
        "brand_id",
        "subject_kind",
        "subject_id",
        "actor_id",
        "body",
    )
    rows = (
        Leaf.objects.filter(seq__lt=size)
        .order_by("seq")
        .values_list("seq", "entry_id", "leaf_hash", *(f"entry__{name}" for name in columns))
    )
    for seq, entry_id, stored, *values in rows.iterator(chunk_size=2000):
        entry = dict(zip(columns, values, strict=True)) if values[0] is not None else None
        yield seq, entry_id, bytes(stored), entry


def _differences(entry: dict[str, Any]) -> Iterator[str]:
    """Yield what the columns claim and the body does not say."""
    try:
        content = json.loads(bytes(entry["body"]))
        said = {
            "id": content["id"],
            "created_at": content["at"],
            "event": content["event"],
            "brand_id": content["brand"],
            "subject_kind": content["subject"]["kind"],
            "subject_id": content["subject"]["id"],
            "actor_id": content["actor"]["id"],
        }
    except (ValueError, KeyError, TypeError):
        yield "its body is not readable"
        return
    for column, value in said.items():
        held = entry[column]
        if column == "created_at":
            held = clock.isoformat(held)
        elif held is not None:
            held = str(held)
        if held != value:
            yield f"the column {column} does not say what the body says"


class _TileChecker:
    """Compares each tile with the rebuilt hashes as soon as it is full, and the rest at the end."""

    def __init__(self, findings: _Findings) -> None:
        self._findings = findings
        self._rows: dict[int, tuple[int, bytearray]] = {}

    def take(self, level: int, hashed: bytes) -> None:
        number, hashes = self._rows.setdefault(level, (0, bytearray()))
        hashes += hashed
        if len(hashes) == merkle.TILE_WIDTH * merkle.HASH_BYTES:
            self._compare(level, number, bytes(hashes))
            self._rows[level] = (number + 1, bytearray())

    def finish(self) -> None:
        for level, (number, hashes) in self._rows.items():
            if hashes:
                self._compare(level, number, bytes(hashes))
        last = {level: number for level, (number, _) in self._rows.items()}
        stored = Tile.objects.order_by("level", "number").values_list("level", "number")
        for level, number in stored.iterator(chunk_size=2000):
            if number > last.get(level, -1) and not selectors.size_and_root()[0] >> (8 * level):
                self._findings.add(f"tile {level}/{number} belongs to no leaf")

    def _compare(self, level: int, number: int, hashes: bytes) -> None:
        if selectors.read_tile(level, number)[: len(hashes)] != hashes:
            self._findings.add(f"tile {level}/{number} has other hashes than the entries")
