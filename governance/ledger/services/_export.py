"""Writes the log, as a stream, in the verifier's form: exact bytes, tiles, every checkpoint."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from governance.ledger import exports, keys, merkle, notes, selectors
from governance.ledger.errors import (
    ExportAhead,
    LogDamaged,
    MalformedNote,
    NothingSigned,
)
from governance.ledger.models import Checkpoint, Leaf, Tile


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was exported: everything under the latest checkpoint."""

    size: int
    root: bytes
    checkpoints: int


def export(*, folder: Path) -> ExportSummary:
    """Export everything under the latest checkpoint; `checkpoint` is written last.

    A folder that holds an earlier export of the same log is brought up to date; full tiles and
    bundles are immutable and are not written twice.
    Raises: NothingSigned, ExportAhead, LogDamaged.
    """
    latest = selectors.find_checkpoint()
    if latest is None:
        raise NothingSigned("There is no signed checkpoint yet, so there is nothing to export.")
    earlier_size = _size_exported(folder)
    if earlier_size > latest.size:
        raise ExportAhead(
            f"The folder holds an export of {earlier_size} entries; this log has {latest.size} "
            "signed. It is not overwritten."
        )
    _write_bundles(folder, latest.size)
    _write_tiles(folder, latest.size)
    count = _write_checkpoints(folder, latest.size)
    _write(folder, exports.CHECKPOINT, latest.note.encode())
    return ExportSummary(latest.size, latest.root, count)


def _write_bundles(folder: Path, size: int) -> None:
    leaves = (
        Leaf.objects.filter(seq__lt=size)
        .order_by("seq")
        .values_list("seq", "entry__body")
        .iterator(chunk_size=2000)
    )
    written = 0
    groups = iter(lambda: list(islice(leaves, merkle.TILE_WIDTH)), [])
    for number, group in enumerate(groups):
        entries = [bytes(body or b"") for _, body in group]
        if [seq for seq, _ in group] != list(range(written, written + len(group))):
            raise LogDamaged("The leaves have a gap. Run fsck.")
        written += len(group)
        path = exports.tile_path("entries", number, len(group))
        _write(folder, path, exports.bundle(entries))
    if written != size:
        raise LogDamaged(f"The log has {written} leaves of the {size} that were signed. Run fsck.")


def _write_tiles(folder: Path, size: int) -> None:
    stored = Tile.objects.order_by("level", "number").values_list("level", "number", "hashes")
    for level, number, hashes in stored.iterator(chunk_size=200):
        width = merkle.tile_width(size, level, number)
        if width:
            content = bytes(hashes)[: width * merkle.HASH_BYTES]
            _write(folder, exports.tile_path(level, number, width), content)


def _write_checkpoints(folder: Path, size: int) -> int:
    lines = list(_checkpoint_lines(size))
    _write(folder, exports.CHECKPOINTS, "".join(lines).encode())
    return len(lines)


def _checkpoint_lines(size: int) -> Iterator[str]:
    rows = Checkpoint.objects.filter(size__lte=size).order_by("size")
    for row in rows.iterator(chunk_size=1000):
        content = {"at": row.created_at.isoformat(), "note": row.note}
        yield json.dumps(content, ensure_ascii=False) + "\n"


def _size_exported(folder: Path) -> int:
    try:
        note = (folder / exports.CHECKPOINT).read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0
    try:
        return notes.read_tree_head(note).size
    except MalformedNote as error:
        raise ExportAhead(
            "The folder holds a checkpoint file that is not readable; it is not overwritten."
        ) from error


def _write(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    keys.write_whole(path, content)
