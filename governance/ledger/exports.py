"""Where things lie outside the database: C2SP tlog-tiles, checkpoints, anchors, events."""

import re
from collections.abc import Iterator

from governance.ledger.stores import Store

CHECKPOINT = "checkpoint"
CHECKPOINTS = "checkpoints.jsonl"
ANCHORS = "checkpoints/"
EVENTS = "events/"
DIGITS = 20
NUMBER = re.compile(rf"[0-9]{{{DIGITS}}}")
LENGTH_BYTES = 2


def tile_path(level: int | str, number: int, width: int) -> str:
    """Return the path of a tile, or of an entry bundle when `level` is "entries".

    >>> tile_path(0, 1234067, 256), tile_path("entries", 0, 7)
    ('tile/0/x001/x234/067', 'tile/entries/000.p/7')
    """
    name = f"{number % 1000:03d}"
    while number := number // 1000:
        name = f"x{number % 1000:03d}/{name}"
    return f"tile/{level}/{name}" if width == 256 else f"tile/{level}/{name}.p/{width}"  # noqa: PLR2004


def bundle(entries: list[bytes]) -> bytes:
    r"""Join entries, each after its length as two bytes.

    >>> bundle([b"a", b"bc"])
    b'\x00\x01a\x00\x02bc'
    """
    return b"".join(len(entry).to_bytes(LENGTH_BYTES, "big") + entry for entry in entries)


def anchor_path(size: int) -> str:
    """Return where the checkpoint of `size` entries is anchored; names sort as sizes do.

    >>> anchor_path(70)
    'checkpoints/00000000000000000070'
    """
    return f"{ANCHORS}{size:0{DIGITS}d}"


def events_path(first: int, last: int) -> str:
    """Return where the entries from place `first` to `last`, both included, are delivered.

    >>> events_path(0, 9)
    'events/00000000000000000000-00000000000000000009.jsonl'
    """
    return f"{EVENTS}{first:0{DIGITS}d}-{last:0{DIGITS}d}.jsonl"


def events_end(name: str) -> int:
    """Return the place after the last entry of a delivered file.

    >>> events_end(events_path(3, 9))
    10
    """
    return int(name.removeprefix(EVENTS).removesuffix(".jsonl").split("-")[1]) + 1


def last_numbered(store: Store, prefix: str, *, up_to: int) -> str | None:
    """Return the name with the largest number; of those that are larger than `up_to`, the first.

    Names begin with their number. It asks for what comes from a number on, halving the range: a
    listing of years is never read whole.
    """
    found, low, high = None, 0, up_to + 1
    while low <= high:
        middle = (low + high + 1) // 2
        name = next(_numbered(store, prefix, middle), None)
        if name is None:
            high = middle - 1
        else:
            found, low = name, int(name[len(prefix) :][:DIGITS]) + 1
    return found


def _numbered(store: Store, prefix: str, number: int) -> Iterator[str]:
    """Yield the names from `number` on; what has no number is somebody else's."""
    # "~" sorts after everything that follows a number.
    after = f"{prefix}{number - 1:0{DIGITS}d}~" if number else prefix
    names = store.names(prefix, after=after)
    return (name for name in names if NUMBER.match(name, len(prefix)))
