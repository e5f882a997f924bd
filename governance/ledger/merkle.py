"""RFC 6962 tree mathematics over 256-wide tiles; pure, and exact for every size from zero.

Source: RFC 6962, section 2.1 (hashes, paths, consistency); RFC 9162, sections 2.1.3.2 and 2.1.4.2
(verification); C2SP tlog-tiles (tiles: level L holds the roots of full tiles of level L - 1).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
EMPTY_ROOT = hashlib.sha256(b"").digest()

# Reads the hashes of tile (level, number): all that the tree of the asked size has there.
ReadTile = Callable[[int, int], bytes]


class TreeDamaged(ValueError):
    """A tile is missing or too short for the tree that is asked about."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry as a leaf.

    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    r"""Hash two children as their parent.

    >>> node_hash(leaf_hash(b""), leaf_hash(b"\x00")).hex()[:16]
    'fac54203e7cc696c'
    """
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """Return the largest power of two smaller than `size` (which is at least 2).

    >>> [split(n) for n in (2, 3, 4, 5, 8, 9)]
    [1, 2, 2, 4, 4, 8]
    """
    return 1 << ((size - 1).bit_length() - 1)


@dataclass(slots=True)
class Frontier:
    """The right edge of a growing tree: all that is needed to add leaves and know the root.

    `completed` receives each hash that enters a tile, as (tile level, hash), in order.

    >>> edge = Frontier()
    >>> edge.root() == EMPTY_ROOT
    True
    >>> edge.add(leaf_hash(b"a")); edge.add(leaf_hash(b"b"))
    >>> edge.root() == node_hash(leaf_hash(b"a"), leaf_hash(b"b"))
    True
    """

    completed: Callable[[int, bytes], None] | None = None
    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """Add one leaf hash at the right."""
        node, height, carry = leaf, 0, self.size
        if self.completed is not None:
            self.completed(0, node)
        while carry & 1:
            node = node_hash(self.peaks.pop(), node)
            height += 1
            carry >>= 1
            if height % TILE_HEIGHT == 0 and self.completed is not None:
                self.completed(height // TILE_HEIGHT, node)
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of everything added so far."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


def tile_width(size: int, level: int, number: int) -> int:
    """Return how many hashes tile (level, number) has in a tree of `size` leaves (0 to 256).

    >>> [tile_width(70_000, *place) for place in ((0, 272), (0, 273), (1, 1), (2, 0), (3, 0))]
    [256, 112, 17, 1, 0]
    """
    hashes = size >> (TILE_HEIGHT * level)
    return max(0, min(TILE_WIDTH, hashes - number * TILE_WIDTH))


def tiles(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, number, width) of every tile of a tree of `size` leaves.

    >>> list(tiles(257))
    [(0, 0, 256), (0, 1, 1), (1, 0, 1)]
    """
    level = 0
    while (hashes := size >> (TILE_HEIGHT * level)) > 0:
        for number in range((hashes + TILE_WIDTH - 1) // TILE_WIDTH):
            yield level, number, tile_width(size, level, number)
        level += 1


def grow(size: int, leaves: Sequence[bytes], read: ReadTile) -> Mapping[tuple[int, int], bytes]:
    """Return the tiles that change when `leaves` are added to a tree of `size` leaves.

    Reads one partial tile per level at most, so the cost does not grow with the tree.
    """
    changed: dict[tuple[int, int], bytearray] = {}
    levels = {0: list(leaves)}
    level = 0
    while levels.get(level):
        at = size >> (TILE_HEIGHT * level)
        for hashed in levels[level]:
            place = (level, at // TILE_WIDTH)
            if place not in changed:
                changed[place] = bytearray(_tile(read, *place, width=at % TILE_WIDTH))
            changed[place] += hashed
            at += 1
            if at % TILE_WIDTH == 0:
                levels.setdefault(level + 1, []).append(_fold(bytes(changed[place])))
        level += 1
    return {place: bytes(hashes) for place, hashes in changed.items()}


def root(size: int, read: ReadTile) -> bytes:
    """Return the root of the first `size` leaves. Raises: TreeDamaged if a tile is short."""
    return _subtree(0, size, read) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, read: ReadTile) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index` in a tree of `size` leaves, from leaf to root."""
    if not 0 <= index < size:
        message = f"leaf {index} is not in a tree of {size} leaves"
        raise ValueError(message)
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + split(high - low)
        if index < middle:
            path.append(_subtree(middle, high, read))
            high = middle
        else:
            path.append(_subtree(low, middle, read))
            low = middle
    return tuple(reversed(path))


def consistency_path(old: int, new: int, read: ReadTile) -> tuple[bytes, ...]:
    """Return the proof that the tree of `old` leaves is the beginning of the tree of `new`."""
    if not 0 <= old <= new:
        message = f"a tree of {old} leaves cannot begin one of {new}"
        raise ValueError(message)
    if old in (0, new):
        return ()
    path: list[bytes] = []
    low, high, is_whole = 0, new, True
    while old != high:
        middle = low + split(high - low)
        if old <= middle:
            path.append(_subtree(middle, high, read))
            high = middle
        else:
            path.append(_subtree(low, middle, read))
            low, is_whole = middle, False
    if not is_whole:
        path.append(_subtree(low, high, read))
    return tuple(reversed(path))


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> bool:
    """Tell whether `path` leads from `leaf` at `index` to the `expected` root of `size` leaves.

    >>> a, b = leaf_hash(b"a"), leaf_hash(b"b")
    >>> includes(a, 0, 2, [b], node_hash(a, b)), includes(a, 1, 2, [b], node_hash(a, b))
    (True, False)
    """
    if not 0 <= index < size or any(len(step) != HASH_BYTES for step in path):
        return False
    here, last, node = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = node_hash(step, node)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            node = node_hash(node, step)
        here, last = here >> 1, last >> 1
    return last == 0 and node == expected


def extends(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Tell whether `path` proves that the `new` tree begins with the whole `old` tree.

    >>> a, b = leaf_hash(b"a"), leaf_hash(b"b")
    >>> extends(1, 2, [b], a, node_hash(a, b)), extends(1, 2, [a], b, node_hash(a, b))
    (True, False)
    """
    if not 0 <= old <= new or any(len(step) != HASH_BYTES for step in path):
        return False
    if old in (0, new):
        return not path and old_root == (new_root if old else EMPTY_ROOT)
    steps = list(path)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            second = node_hash(second, step)
        here, last = here >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _subtree(low: int, high: int, read: ReadTile) -> bytes:
    count = high - low
    if count & (count - 1) == 0:
        return _perfect(low, count, read)
    middle = low + split(count)
    return node_hash(_subtree(low, middle, read), _subtree(middle, high, read))


def _perfect(low: int, count: int, read: ReadTile) -> bytes:
    """Return the root of an aligned subtree of `count` (a power of two) leaves."""
    level, height = divmod(count.bit_length() - 1, TILE_HEIGHT)
    first = low >> (TILE_HEIGHT * level)
    number, offset = divmod(first, TILE_WIDTH)
    end = offset + (1 << height)
    hashes = _tile(read, level, number, width=end)
    return _fold(hashes[offset * HASH_BYTES : end * HASH_BYTES])


def _tile(read: ReadTile, level: int, number: int, *, width: int) -> bytes:
    if width == 0:
        return b""
    hashes = read(level, number)
    if len(hashes) < width * HASH_BYTES:
        message = f"tile {level}/{number} has fewer than {width} hashes"
        raise TreeDamaged(message)
    return hashes[: width * HASH_BYTES]


def _fold(hashes: bytes) -> bytes:
    row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
