"""Anchors checkpoints where the database's owner cannot write, and holds the log against them.

An anchor that is ahead of the log means a restored backup; one of another past means a fork.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from governance.ledger import exports, notes, selectors
from governance.ledger.errors import AnchorAhead, LogForked, MalformedNote, StoreConflict
from governance.ledger.notes import TreeHead, VerifierKey
from governance.ledger.stores import Store


def anchor(*, store: Store, keep: timedelta, now: datetime) -> int:
    """Anchor the latest checkpoint, read it back, and return 1; 0 if it is anchored already.

    Where the place can hold it, nobody deletes the anchor for `keep`.
    Raises: LogForked if another checkpoint of this size is there; StoreUnavailable.
    """
    latest = selectors.find_checkpoint()
    if latest is None:
        return 0
    name = exports.anchor_path(latest.size)
    found = stood = store.created(name)
    if stood is None:
        # If somebody else was first, what they wrote decides.
        with suppress(StoreConflict):
            store.create(name, selectors.cosigned_note(latest).encode(), until=now + keep)
        found = store.created(name)
    head = _head(name, found or b"")
    if (head.size, head.root) != (latest.size, latest.root):
        raise LogForked(
            f"Another checkpoint of {latest.size} entries is anchored than this log's.",
            size=latest.size,
        )
    return int(stood is None)


def anchors(store: Store) -> Iterator[tuple[str, TreeHead, str]]:
    """Yield every anchor: its name, what it says and its note. Raises: MalformedNote."""
    for name in store.names(exports.ANCHORS):
        note = store.created(name) or b""
        yield name, _head(name, note), note.decode()


def last_anchor(*, store: Store) -> TreeHead | None:
    """Return what the last anchor claims; None if there is none. Raises: MalformedNote."""
    name = _last_name(store)
    return None if name is None else _head(name, store.created(name) or b"")


def confirm_anchors(*, store: Store, key: VerifierKey) -> TreeHead | None:
    """Let the relay start, or raise: the log must extend what was anchored last.

    Returns the last anchor; None if there is none.
    Raises: AnchorAhead (a backup was restored), LogForked, SignatureInvalid, StoreUnavailable.
    """
    size, _ = selectors.size_and_root()
    name = _last_name(store)
    if name is None:
        return None
    note = store.created(name) or b""
    _head(name, note)
    head = notes.open_checkpoint(note.decode(), key)
    if head.size > size:
        raise AnchorAhead(
            f"A checkpoint of {head.size} entries is anchored, but the log has {size}: a backup "
            "was restored or the end was cut off. Nothing starts until this is cleared up.",
            anchored_size=head.size,
            size=size,
        )
    if selectors.root_at(head.size) != head.root:
        raise LogForked(
            f"The log's first {head.size} entries are not those that were anchored.",
            size=size,
            anchored_size=head.size,
        )
    return head


def _last_name(store: Store) -> str | None:
    return exports.last_numbered(store, exports.ANCHORS, up_to=selectors.size_and_root()[0])


def _head(name: str, note: bytes) -> TreeHead:
    try:
        head = notes.read_tree_head(note.decode())
    except UnicodeDecodeError as error:
        raise MalformedNote(f"The anchor {name} is not text.") from error
    if exports.anchor_path(head.size) != name:
        raise MalformedNote(f"The anchor {name} is of {head.size} entries.")
    return head
