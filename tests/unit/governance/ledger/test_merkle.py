"""The tree's mathematics against a naive recomputation and RFC 6962's own numbers."""

import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.ledger import bodies, exports, merkle, notes, verifier
from governance.sealing import envelopes

# The reference implementation's eight inputs and the roots of their first n (RFC 6962 test data).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = [1, 2, 3, 7, 8, 9, 255, 256, 257, 300, 511, 512, 513, 700]


def naive_root(leaves: list[bytes]) -> bytes:
    """Compute the root straight from the definition."""
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    half = merkle.split(len(leaves))
    return merkle.node_hash(naive_root(leaves[:half]), naive_root(leaves[half:]))


class Tiles:
    """Tiles in memory, grown in batches."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def read(self, level: int, number: int) -> bytes:
        return self.rows.get((level, number), b"")

    def grow(self, leaves: list[bytes]) -> None:
        self.rows.update(merkle.grow(self.size, leaves, self.read))
        self.size += len(leaves)


LEAVES = [merkle.leaf_hash(place.to_bytes(2, "big")) for place in range(700)]
WHOLE = Tiles()
WHOLE.grow(LEAVES)


@pytest.mark.parametrize("module", [merkle, notes, bodies, exports, envelopes])
def test_examples_in_docstrings_are_true(module: object) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed


class TestReferenceTree:
    @pytest.mark.parametrize("size", range(1, 9))
    def test_has_the_published_roots(self, size: int) -> None:
        leaves = [merkle.leaf_hash(entry) for entry in INPUTS[:size]]
        tiles = Tiles()
        tiles.grow(leaves)
        edge = merkle.Frontier()
        for leaf in leaves:
            edge.add(leaf)
        assert merkle.root(size, tiles.read).hex() == ROOTS[size - 1]
        assert edge.root().hex() == ROOTS[size - 1]

    def test_gives_the_published_path(self) -> None:
        tiles = Tiles()
        tiles.grow([merkle.leaf_hash(entry) for entry in INPUTS])
        path = merkle.inclusion_path(5, 8, tiles.read)
        assert [step.hex() for step in path] == [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]


class TestGrowing:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(1, 300), min_size=1, max_size=5))
    def test_gives_the_same_tree_in_any_batches(self, batches: list[int]) -> None:
        tiles = Tiles()
        for batch in batches:
            if tiles.size + batch <= len(LEAVES):
                tiles.grow(LEAVES[tiles.size : tiles.size + batch])
                assert merkle.root(tiles.size, tiles.read) == naive_root(LEAVES[: tiles.size])
        expected = {(level, number): width for level, number, width in merkle.tiles(tiles.size)}
        assert {place: len(row) // 32 for place, row in tiles.rows.items()} == expected

    def test_reads_no_more_than_one_partial_tile_per_level(self) -> None:
        read: list[tuple[int, int]] = []

        def counting(level: int, number: int) -> bytes:
            read.append((level, number))
            return WHOLE.read(level, number)

        merkle.grow(700, LEAVES[:10], counting)
        assert read == [(0, 2)]

    def test_says_so_when_a_tile_is_short(self) -> None:
        with pytest.raises(merkle.TreeDamaged):
            merkle.root(700, lambda level, number: WHOLE.read(level, number)[:-32])


class TestProofs:
    @pytest.mark.parametrize("size", SIZES)
    def test_of_inclusion_hold_in_both_verifiers(self, size: int) -> None:
        root = naive_root(LEAVES[:size])
        for index in {0, 1, size // 3, size // 2, size - 2, size - 1} & set(range(size)):
            path = merkle.inclusion_path(index, size, WHOLE.read)
            assert merkle.includes(LEAVES[index], index, size, path, root)
            assert verifier.includes(LEAVES[index], index, path, (size, root, set()))

    @pytest.mark.parametrize("new", SIZES)
    def test_of_consistency_hold(self, new: int) -> None:
        root = naive_root(LEAVES[:new])
        for old in {0, 1, 2, new // 3, new // 2, new - 1, new} & set(range(new + 1)):
            path = merkle.consistency_path(old, new, WHOLE.read)
            assert merkle.extends(old, new, path, naive_root(LEAVES[:old]), root)

    def test_agree_exhaustively_on_small_trees(self) -> None:
        for size in range(1, 34):
            root = naive_root(LEAVES[:size])
            paths = [merkle.inclusion_path(index, size, WHOLE.read) for index in range(size)]
            for claimed in range(size):
                for index, path in enumerate(paths):
                    holds = merkle.includes(LEAVES[index], claimed, size, path, root)
                    head = (size, root, set())
                    assert holds == verifier.includes(LEAVES[index], claimed, path, head)
                    assert holds == (claimed == index)

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_of_inclusion_cannot_be_forged(self, data: st.DataObject) -> None:
        size = data.draw(st.sampled_from([2, 5, 8, 33, 257, 700]))
        index = data.draw(st.integers(0, size - 1))
        path = list(merkle.inclusion_path(index, size, WHOLE.read))
        root, leaf = naive_root(LEAVES[:size]), LEAVES[index]
        act = data.draw(st.sampled_from(["flip", "drop", "add", "swap", "leaf", "index", "size"]))
        place = data.draw(st.integers(0, max(0, len(path) - 1)))
        if act == "flip":
            path[place] = bytes([path[place][0] ^ 1]) + path[place][1:]
        elif act == "drop":
            del path[place]
        elif act == "add":
            path.insert(place, data.draw(st.sampled_from([bytes(32), root, leaf, path[place]])))
        elif act == "swap":
            path.append(path.pop(0))
            if path == list(merkle.inclusion_path(index, size, WHOLE.read)):
                return
        elif act == "leaf":
            leaf = data.draw(st.sampled_from([root, path[0], merkle.leaf_hash(leaf)]))
        elif act == "index":
            index = data.draw(st.integers(-1, size + 1).filter(lambda other: other != index))
        else:
            index += size
        assert not merkle.includes(leaf, index, size, path, root)
        assert not verifier.includes(leaf, index, path, (size, root, set()))

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_of_consistency_cannot_be_forged(self, data: st.DataObject) -> None:
        new = data.draw(st.sampled_from([3, 8, 33, 257, 700]))
        old = data.draw(st.integers(1, new - 1))
        path = list(merkle.consistency_path(old, new, WHOLE.read))
        old_root, new_root = naive_root(LEAVES[:old]), naive_root(LEAVES[:new])
        act = data.draw(st.sampled_from(["flip", "drop", "add", "fork", "shrunk"]))
        place = data.draw(st.integers(0, len(path) - 1))
        if act == "flip":
            path[place] = bytes([path[place][0] ^ 1]) + path[place][1:]
        elif act == "drop":
            del path[place]
        elif act == "add":
            path.append(path[place])
        elif act == "fork":
            old_root = naive_root([*LEAVES[: old - 1], merkle.leaf_hash(b"other")])
        else:
            old, new, old_root, new_root = new, old, new_root, old_root
        assert not merkle.extends(old, new, path, old_root, new_root)

    def test_of_what_is_not_there_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="not in a tree"):
            merkle.inclusion_path(5, 5, WHOLE.read)
        with pytest.raises(ValueError, match="cannot begin"):
            merkle.consistency_path(6, 5, WHOLE.read)

    def test_from_nothing_need_no_hashes(self) -> None:
        assert merkle.consistency_path(0, 9, WHOLE.read) == ()
        assert merkle.extends(0, 9, (), merkle.EMPTY_ROOT, naive_root(LEAVES[:9]))
        assert not merkle.extends(0, 9, (), bytes(32), naive_root(LEAVES[:9]))
