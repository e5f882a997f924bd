"""Gives waiting entries their place: contiguous, once each, all tables in one transaction."""

from datetime import datetime

from django.db import connection, transaction

from governance.kernel.errors import InvalidInput
from governance.ledger import merkle, selectors
from governance.ledger.errors import LogDamaged
from governance.ledger.models import Head, Leaf, Pending, Tile

# Any constant of our own: all sequencers of one database wait for each other on it.
SEQUENCER_LOCK = 0x1D9E_2025
MAX_BATCH = 10_000


def sequence(*, now: datetime, limit: int = 1000) -> int:
    """Sequence up to `limit` waiting entries and return how many got their leaf.

    Dying at any statement changes nothing; the next call takes the same entries again.
    Raises: LogDamaged if the stored tree does not fit the head.
    """
    if not 1 <= limit <= MAX_BATCH:
        raise InvalidInput(f"A batch has 1 to {MAX_BATCH} entries.", pointer="/limit")
    # Nothing waits, nothing to lock for: an idle relay must not hold a writer up.
    if not Pending.objects.exists():
        return 0
    with transaction.atomic():
        _wait_for_other_sequencers()
        waiting = list(
            Pending.objects.order_by("entry_id").values_list(
                "entry_id", "entry__body", "entry__leaf"
            )[:limit]
        )
        fresh = [(entry_id, bytes(body)) for entry_id, body, seq in waiting if seq is None]
        if fresh:
            head = Head.objects.filter(id=1).first()
            size = head.size if head is not None else 0
            hashes = [merkle.leaf_hash(body) for _, body in fresh]
            Leaf.objects.bulk_create(
                Leaf(seq=size + place, entry_id=entry_id, leaf_hash=hashed)
                for place, ((entry_id, _), hashed) in enumerate(zip(fresh, hashes, strict=True))
            )
            _grow_tree(size, hashes, now=now, is_first=head is None)
        Pending.objects.filter(entry_id__in=[entry_id for entry_id, _, _ in waiting]).delete()
    return len(fresh)


def _grow_tree(size: int, hashes: list[bytes], *, now: datetime, is_first: bool) -> None:
    try:
        changed = merkle.grow(size, hashes, selectors.read_tile)
        for (level, number), content in changed.items():
            held = Tile.objects.filter(level=level, number=number)
            if not held.update(hashes=content):
                Tile.objects.create(level=level, number=number, hashes=content)
        new_size = size + len(hashes)
        root = merkle.root(new_size, selectors.read_tile)
    except merkle.TreeDamaged as error:
        raise LogDamaged(f"The log's stored tree is damaged: {error}. Run fsck.") from error
    if is_first:
        Head.objects.create(id=1, size=new_size, root=root, updated_at=now)
    else:
        Head.objects.filter(id=1, size=size).update(size=new_size, root=root, updated_at=now)


def _wait_for_other_sequencers() -> None:
    # SQLite has one writer at a time: BEGIN IMMEDIATE is the lock.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEQUENCER_LOCK])
