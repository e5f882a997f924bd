"""Delivers entries as JSON lines to the customer's own place: in order, once, in immutable files.

What was delivered is read from the names at the destination, so a crash repeats nothing and leaves
nothing out.
"""

from governance.ledger import exports, selectors
from governance.ledger.errors import ExportAhead, LogDamaged
from governance.ledger.models import Leaf
from governance.ledger.stores import Store

MAX_LINES = 1000


def delivered_events(*, store: Store) -> int:
    """Return how many entries lie at the destination. Raises: ExportAhead, StoreUnavailable."""
    size, _ = selectors.size_and_root()
    name = exports.last_numbered(store, exports.EVENTS, up_to=size)
    delivered = 0 if name is None else exports.events_end(name)
    if delivered > size:
        raise ExportAhead(
            f"{delivered} events were delivered, but the log has {size} entries: a backup was "
            "restored. Nothing is delivered until this is cleared up.",
            delivered=delivered,
            size=size,
        )
    return delivered


def deliver_events(*, store: Store, since: int) -> int:
    """Deliver the entries from place `since` on, one file at most; return where to go on.

    Raises: StoreConflict if somebody else delivered from this place; LogDamaged, StoreUnavailable.
    """
    leaves = (
        Leaf.objects.filter(seq__gte=since)
        .order_by("seq")
        .values_list("seq", "leaf_hash", "entry__body")[:MAX_LINES]
    )
    lines = [_line(seq, bytes(leaf_hash), bytes(body or b"")) for seq, leaf_hash, body in leaves]
    if not lines:
        return since
    end = since + len(lines)
    if [seq for seq, _, _ in leaves] != list(range(since, end)):
        raise LogDamaged("The leaves have a gap. Run fsck.")
    store.create(exports.events_path(since, end - 1), b"".join(lines))
    return end


def _line(seq: int, leaf_hash: bytes, body: bytes) -> bytes:
    """Write one line around the entry's exact bytes, which are a JSON object without a newline."""
    if b"\n" in body or not body.startswith(b"{"):
        raise LogDamaged(f"The entry at place {seq} is not one line of JSON. Run fsck.")
    return b'{"seq":%d,"leaf_hash":"%s","entry":%s}\n' % (seq, leaf_hash.hex().encode(), body)
