"""The shipped pack is installed whole and unchanged, or not at all."""

from pathlib import Path

import pytest

from generation.packs import manifest, placing, shipped
from generation.weights.snapshot import SnapshotChanged
from tests.packs import SEED, copy_of


@pytest.fixture
def source(
    demo_pack: manifest.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> manifest.Pack:
    """A pack that stands for the shipped one, as a test may break it."""
    pack = copy_of(demo_pack, tmp_path / "shipped")
    monkeypatch.setattr(shipped, "FOLDER", pack.folder)
    return pack


def files(folder: Path) -> dict[str, bytes]:
    """Map each file to its bytes."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


class TestInstall:
    def test_copies_every_byte(self, source: manifest.Pack, tmp_path: Path) -> None:
        placed = shipped.install(tmp_path / "models" / "demo")
        assert not placed.was_kept
        assert files(placed.pack.folder) == files(source.folder)

    def test_keeps_an_intact_copy(self, source: manifest.Pack, tmp_path: Path) -> None:
        folder = tmp_path / "demo"
        shipped.install(folder)
        before = (folder / "pack.json").stat().st_mtime_ns
        assert shipped.install(folder).was_kept
        assert (folder / "pack.json").stat().st_mtime_ns == before

    def test_mends_a_copy_that_was_changed(self, source: manifest.Pack, tmp_path: Path) -> None:
        folder = tmp_path / "demo"
        shipped.install(folder)
        (folder / "clip" / "open_clip_config.json").write_text("{}")
        assert not shipped.install(folder).was_kept
        assert files(folder) == files(source.folder)

    def test_replaces_a_pack_of_random_weights(
        self, source: manifest.Pack, demo_pack: manifest.Pack, tmp_path: Path
    ) -> None:
        told = (source.folder / "pack.json").read_text().replace(f'"seed": {SEED}', '"seed": 8')
        (source.folder / "pack.json").write_text(told)
        folder = copy_of(demo_pack, tmp_path / "demo").folder
        assert not shipped.install(folder).was_kept
        assert manifest.read(folder).seed == 8

    def test_refuses_weights_that_were_changed_where_they_were_shipped(
        self, source: manifest.Pack, tmp_path: Path
    ) -> None:
        path = source.model.folder / "transformer" / "diffusion_pytorch_model.safetensors"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(SnapshotChanged):
            shipped.install(tmp_path / "demo")
        assert not (tmp_path / "demo").exists()

    def test_never_replaces_a_folder_that_is_no_pack(
        self, source: manifest.Pack, tmp_path: Path
    ) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("mine")
        with pytest.raises(placing.PackFolderOccupied):
            shipped.install(tmp_path / "mine")
        assert files(tmp_path / "mine") == {"thesis.txt": b"mine"}
