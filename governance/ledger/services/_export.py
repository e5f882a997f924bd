"""Writes the whole log to a folder, in the verifier's form: its tree and every checkpoint."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from governance.ledger import exports, keys, selectors
from governance.ledger.errors import NothingSigned
from governance.ledger.models import Checkpoint
from governance.ledger.services._tiles import published_size, write_tree
from governance.ledger.stores import FolderStore


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was exported: everything under the latest checkpoint."""

    size: int
    root: bytes
    checkpoints: int


def export(*, folder: Path) -> ExportSummary:
    """Export everything under the latest checkpoint; `checkpoint` is written last.

    A folder that holds an earlier export of the same log is brought up to date, and what was
    damaged in it is written again.
    Raises: NothingSigned, ExportAhead, LogDamaged, StoreUnavailable.
    """
    latest = selectors.find_checkpoint()
    if latest is None:
        raise NothingSigned("There is no signed checkpoint yet, so there is nothing to export.")
    folder.mkdir(parents=True, exist_ok=True)
    store = FolderStore(folder)
    published_size(store, latest.size)
    write_tree(store, since=0, size=latest.size)
    listed = Checkpoint.objects.filter(size__lte=latest.size)
    keys.write_whole(folder / exports.CHECKPOINTS, _lines(latest.size))
    store.write(exports.CHECKPOINT, selectors.cosigned_note(latest).encode())
    return ExportSummary(latest.size, latest.root, listed.count())


def _lines(size: int) -> Iterator[bytes]:
    rows = Checkpoint.objects.filter(size__lte=size).order_by("size")
    for row in rows.prefetch_related("cosignatures").iterator(chunk_size=1000):
        note = row.note + "".join(sorted(made.line for made in row.cosignatures.all()))
        content = {"at": row.created_at.isoformat(), "note": note}
        yield (json.dumps(content, ensure_ascii=False) + "\n").encode()
