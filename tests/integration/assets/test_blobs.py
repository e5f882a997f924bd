"""Content-addressed bytes: under a digest lie the bytes that hash to it, or an error says so."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from generation.assets import blobs
from generation.assets.files import WholeFileStorage
from governance.kernel.digests import sha256_hex
from tests.factories import jobs as make

DATA = b"some pixels" * 1000


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    make.use_blobs(settings, tmp_path / "blobs")
    return tmp_path / "blobs"


def file_of(store: Path, sha256: str) -> Path:
    return store / sha256[:2] / sha256[2:4] / sha256


class TestPut:
    def test_returns_the_digest_under_which_the_bytes_are_found(self, store: Path) -> None:
        sha256 = blobs.put(DATA)
        assert sha256 == sha256_hex(DATA)
        assert blobs.get(sha256) == DATA
        assert file_of(store, sha256).read_bytes() == DATA

    def test_of_the_same_bytes_again_leaves_the_file_as_it_is(self, store: Path) -> None:
        path = file_of(store, blobs.put(DATA))
        before = path.stat()
        blobs.put(DATA)
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert [f for f in store.rglob("*") if f.is_file()] == [path]

    def test_mends_what_a_crash_tore(self, store: Path) -> None:
        path = file_of(store, blobs.put(DATA))
        path.write_bytes(DATA[:100])
        assert blobs.get(blobs.put(DATA)) == DATA

    def test_by_many_at_once_leaves_one_whole_file(self, store: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(blobs.put, [DATA] * 32)) == {sha256_hex(DATA)}
        assert [f.name for f in store.rglob("*") if f.is_file()] == [sha256_hex(DATA)]

    def test_never_takes_away_what_another_writer_put_there_meanwhile(
        self, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other writer comes between our look at the store and our own writing."""
        look = WholeFileStorage.exists

        def look_then_be_overtaken(self: WholeFileStorage, name: str) -> bool:
            found = look(self, name)
            monkeypatch.setattr(WholeFileStorage, "exists", look)
            assert blobs.put(DATA) == sha256_hex(DATA)
            return found

        def taken_away(_self: WholeFileStorage, name: str) -> None:
            pytest.fail(f"{name} was there, whole, and was deleted")

        monkeypatch.setattr(WholeFileStorage, "exists", look_then_be_overtaken)
        monkeypatch.setattr(WholeFileStorage, "delete", taken_away)
        assert blobs.put(DATA) == sha256_hex(DATA)

    def test_leaves_no_part_of_a_file_when_the_disk_is_full(
        self, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_handle: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                blobs.put(DATA)
        assert [f for f in store.rglob("*") if f.is_file()] == []
        assert blobs.get(blobs.put(DATA)) == DATA


class TestGet:
    def test_refuses_bytes_that_changed(self, store: Path) -> None:
        sha256 = blobs.put(DATA)
        path = file_of(store, sha256)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        with pytest.raises(blobs.BlobCorrupt):
            blobs.get(sha256)

    def test_says_that_bytes_are_missing(self) -> None:
        with pytest.raises(blobs.BlobMissing):
            blobs.get(sha256_hex(b"never stored"))
