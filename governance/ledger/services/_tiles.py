"""Publishes the log in the C2SP tlog-tiles layout: bundles and tiles first, `checkpoint` last.

So a crash never leaves a checkpoint without the tiles under it. What is full is never changed.
"""

from itertools import islice

from governance.ledger import exports, merkle, notes, selectors
from governance.ledger.errors import ExportAhead, LogDamaged, MalformedNote
from governance.ledger.models import Leaf, Tile
from governance.ledger.stores import Store


def publish_tiles(*, store: Store) -> int:
    """Bring the published log up to the latest checkpoint; return how many entries were added.

    A checkpoint that got cosignatures meanwhile is written again.
    Raises: ExportAhead, LogDamaged, StoreUnavailable.
    """
    latest = selectors.find_checkpoint()
    if latest is None:
        return 0
    since = published_size(store, latest.size)
    write_tree(store, since=since, size=latest.size)
    store.write(exports.CHECKPOINT, selectors.cosigned_note(latest).encode())
    return latest.size - since


def published_size(store: Store, size: int) -> int:
    """Return how many entries are published there, having made sure that this log extends them.

    Raises: ExportAhead if it does not.
    """
    note = store.read(exports.CHECKPOINT)
    if note is None:
        return 0
    try:
        head = notes.read_tree_head(note.decode())
    except (MalformedNote, UnicodeDecodeError) as error:
        raise ExportAhead(
            "The folder holds a checkpoint file that is not readable; it is not overwritten."
        ) from error
    if head.size > size:
        raise ExportAhead(
            f"The folder holds an export of {head.size} entries; this log has {size} signed. "
            "It is not overwritten."
        )
    if selectors.root_at(head.size) != head.root:
        raise ExportAhead(
            f"The folder holds an export of {head.size} entries that are not the beginning of "
            "this log. It is not overwritten."
        )
    return head.size


def write_tree(store: Store, *, since: int, size: int) -> None:
    """Write the bundles and tiles that a tree of `size` has and one of `since` entries had not.

    Raises: LogDamaged, StoreUnavailable.
    """
    if since < size:
        _write_bundles(store, since // merkle.TILE_WIDTH, size)
        _write_tiles(store, since, size)


def _write_bundles(store: Store, first: int, size: int) -> None:
    written = first * merkle.TILE_WIDTH
    leaves = (
        Leaf.objects.filter(seq__gte=written, seq__lt=size)
        .order_by("seq")
        .values_list("seq", "entry__body")
        .iterator(chunk_size=2000)
    )
    for group in iter(lambda: list(islice(leaves, merkle.TILE_WIDTH)), []):
        if [seq for seq, _ in group] != list(range(written, written + len(group))):
            raise LogDamaged("The leaves have a gap. Run fsck.")
        entries = [bytes(body or b"") for _, body in group]
        path = exports.tile_path("entries", written // merkle.TILE_WIDTH, len(group))
        store.write(path, exports.bundle(entries))
        written += len(group)
    if written != size:
        raise LogDamaged(f"The log has {written} leaves of the {size} that were signed. Run fsck.")


def _write_tiles(store: Store, since: int, size: int) -> None:
    level = 0
    while size >> (merkle.TILE_HEIGHT * level):
        first = (since >> (merkle.TILE_HEIGHT * level)) // merkle.TILE_WIDTH
        rows = Tile.objects.filter(level=level, number__gte=first).order_by("number")
        for number, hashes in rows.values_list("number", "hashes").iterator(chunk_size=200):
            width = merkle.tile_width(size, level, number)
            if width:
                content = bytes(hashes)[: width * merkle.HASH_BYTES]
                store.write(exports.tile_path(level, number, width), content)
        level += 1
