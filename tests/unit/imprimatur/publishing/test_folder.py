"""The folder destination against links, crashes and a file system that says no."""

import errno
import json
import os
from pathlib import Path

import pytest
from imprimatur.publishing.destinations import folder
from imprimatur.publishing.destinations.folder import FolderDestination
from imprimatur.publishing.destinations.protocol import (
    Delivered,
    DeliveryMissing,
    DestinationConflict,
    DestinationError,
    DestinationRefused,
    DestinationUnreachable,
)

from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput

IMAGE = b"the marked bytes"
KEY = "brand/image.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "published"
    path.mkdir()
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    return path


def put(root: Path, key: str = KEY, data: bytes = IMAGE) -> Delivered:
    return FolderDestination(root).put(
        key, data, sha256=sha256_hex(data), media_type="image/png", metadata={"release-id": "r"}
    )


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


class TestFolder:
    def test_is_never_made_when_it_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DestinationUnreachable):
            put(tmp_path / "not-mounted")
        assert not (tmp_path / "not-mounted").exists()

    def test_tells_a_missing_folder_from_a_missing_file(self, root: Path) -> None:
        with pytest.raises(DestinationUnreachable):
            FolderDestination(root / "not-mounted").verify(KEY, sha256_hex(IMAGE))
        with pytest.raises(DeliveryMissing):
            FolderDestination(root).verify(KEY, sha256_hex(IMAGE))

    def test_leaves_the_file_its_note_and_nothing_else(self, root: Path) -> None:
        put(root)
        assert names(root) == {KEY, KEY + folder.SIDECAR_SUFFIX}
        assert json.loads((root / (KEY + folder.SIDECAR_SUFFIX)).read_text()) == {
            "media_type": "image/png",
            "metadata": {"release-id": "r"},
            "sha256": sha256_hex(IMAGE),
        }

    def test_takes_the_note_away_with_the_file(self, root: Path) -> None:
        put(root)
        FolderDestination(root).remove(KEY, sha256_hex(IMAGE))
        assert names(root) == set()

    def test_puts_the_note_into_quarantine_with_the_file(self, root: Path, outside: Path) -> None:
        put(root)
        moved = FolderDestination(root, outside).quarantine(KEY, "finding")
        assert moved == (outside / "finding").as_uri()
        assert names(root) == set()
        assert names(outside) == {"finding", "finding" + folder.SIDECAR_SUFFIX}

    def test_lists_neither_notes_nor_files_that_are_being_written(self, root: Path) -> None:
        put(root)
        (root / "brand" / f".{'0' * 16}.part").write_bytes(b"half")
        assert [stored.key for stored in FolderDestination(root).list("brand")] == [KEY]

    def test_lists_a_note_that_speaks_of_nothing(self, root: Path) -> None:
        """Else a file could hide from us behind its name."""
        put(root)
        (root / KEY).unlink()
        assert [stored.key for stored in FolderDestination(root).list("brand")] == [
            KEY + folder.SIDECAR_SUFFIX
        ]

    def test_keeps_its_notes_from_being_taken_as_keys(self, root: Path) -> None:
        with pytest.raises(InvalidInput):
            put(root, KEY + folder.SIDECAR_SUFFIX)


class TestLinks:
    def test_in_the_way_are_not_followed_out_of_the_folder(self, root: Path, outside: Path) -> None:
        (root / "brand").symlink_to(outside, target_is_directory=True)
        with pytest.raises(DestinationRefused):
            put(root)
        assert names(outside) == set()

    def test_at_the_key_are_not_written_through(self, root: Path, outside: Path) -> None:
        (root / "brand").mkdir()
        (root / KEY).symlink_to(outside / "target")
        with pytest.raises(DestinationRefused):
            put(root)
        assert names(outside) == set()

    def test_at_the_key_are_not_read_through(self, root: Path, outside: Path) -> None:
        (outside / "same").write_bytes(IMAGE)
        (root / "brand").mkdir()
        (root / KEY).symlink_to(outside / "same")
        with pytest.raises(DestinationRefused):
            put(root)
        with pytest.raises(DestinationRefused):
            FolderDestination(root).verify(KEY, sha256_hex(IMAGE))

    def test_at_the_note_are_not_written_through(self, root: Path, outside: Path) -> None:
        (root / "brand").mkdir()
        (root / (KEY + folder.SIDECAR_SUFFIX)).symlink_to(outside / "target")
        put(root)
        assert names(outside) == set()

    def test_are_no_bytes_of_ours_to_remove(self, root: Path, outside: Path) -> None:
        (outside / "kept").write_bytes(IMAGE)
        (root / "brand").mkdir()
        (root / KEY).symlink_to(outside / "kept")
        with pytest.raises(DestinationRefused):
            FolderDestination(root).remove(KEY, sha256_hex(IMAGE))
        assert names(outside) == {"kept"}
        assert names(root) == {KEY}

    def test_are_listed_and_moved_themselves(
        self, root: Path, outside: Path, tmp_path: Path
    ) -> None:
        (outside / "kept").write_bytes(IMAGE)
        (root / "brand").mkdir()
        (root / KEY).symlink_to(outside / "kept")
        (tmp_path / "ward").mkdir()
        destination = FolderDestination(root, tmp_path / "ward")
        assert [(stored.key, stored.etag) for stored in destination.list("brand")] == [(KEY, "")]
        destination.quarantine(KEY, "finding")
        assert (names(root), names(outside)) == (set(), {"kept"})
        assert (tmp_path / "ward" / "finding").is_symlink()

    def test_to_folders_are_listed_and_not_entered(self, root: Path, outside: Path) -> None:
        (outside / "kept").write_bytes(IMAGE)
        (root / "brand").mkdir()
        (root / "brand" / "shelf").symlink_to(outside, target_is_directory=True)
        found = [stored.key for stored in FolderDestination(root).list("brand")]
        assert found == ["brand/shelf"]

    def test_to_the_folder_itself_are_the_operators_choice(
        self, root: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "link").symlink_to(root, target_is_directory=True)
        put(tmp_path / "link")
        assert (root / KEY).read_bytes() == IMAGE


class TestOtherThingsInTheWay:
    def test_a_file_where_a_folder_should_be_is_refused(self, root: Path) -> None:
        (root / "brand").write_bytes(b"a file")
        with pytest.raises(DestinationRefused):
            put(root)

    def test_a_folder_where_the_file_should_be_is_refused(self, root: Path) -> None:
        (root / KEY).mkdir(parents=True)
        with pytest.raises(DestinationRefused):
            put(root)
        with pytest.raises(DestinationRefused):
            FolderDestination(root).remove(KEY, sha256_hex(IMAGE))

    def test_a_pipe_where_the_file_should_be_does_not_block(self, root: Path) -> None:
        (root / "brand").mkdir()
        os.mkfifo(root / KEY)
        with pytest.raises(DestinationConflict):
            put(root)


class TestCrash:
    def test_before_the_name_appears_leaves_no_file_under_it(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(*_args: object, **_kwargs: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "link", die)
            with pytest.raises(KeyboardInterrupt):
                put(root)
        assert names(root) == set()
        put(root)

    def test_before_the_note_is_mended_by_the_next_try(self, root: Path) -> None:
        put(root)
        (root / (KEY + folder.SIDECAR_SUFFIX)).unlink()
        put(root)
        assert names(root) == {KEY, KEY + folder.SIDECAR_SUFFIX}

    def test_with_a_part_left_behind_does_not_hinder_the_next_try(self, root: Path) -> None:
        (root / "brand").mkdir()
        (root / "brand" / ".0123456789abcdef.part").write_bytes(IMAGE[:3])
        put(root)
        assert (root / KEY).read_bytes() == IMAGE


class TestFailures:
    @pytest.mark.parametrize(
        ("number", "expected"),
        [
            (errno.ENOSPC, DestinationUnreachable),
            (errno.EIO, DestinationUnreachable),
            (errno.EROFS, DestinationRefused),
            (errno.EACCES, DestinationRefused),
        ],
    )
    def test_of_the_file_system_are_named_and_leave_nothing(
        self,
        root: Path,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        expected: type[DestinationError],
    ) -> None:
        def fail(_handle: int) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(expected):
                put(root)
        assert names(root) == set()
