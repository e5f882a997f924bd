"""Where things lie in an export: the C2SP tlog-tiles layout, and all checkpoints beside it."""

CHECKPOINT = "checkpoint"
CHECKPOINTS = "checkpoints.jsonl"
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
