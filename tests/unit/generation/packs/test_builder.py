"""The pack is the same for the same seed, small, whole, and never replaces other files."""

import json
from pathlib import Path

import pytest

from generation.packs import builder, manifest, placing
from generation.packs.__main__ import main
from generation.packs.tiny import families
from generation.weights import snapshot
from tests.packs import SEED, copy_of, shared_pack


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> manifest.Pack:
    """A pack of another seed."""
    return builder.build(tmp_path_factory.mktemp("packs") / "another", seed=SEED + 1).pack


def digests(pack: manifest.Pack) -> list[str]:
    """List the digests of a pack's folders."""
    return [pack.model.snapshot_sha256, *(scorer.snapshot_sha256 for scorer in pack.scorers)]


class TestBuild:
    def test_same_seed_gives_the_same_bytes(self, demo_pack: manifest.Pack, tmp_path: Path) -> None:
        again = builder.build(tmp_path / "elsewhere" / "pack", seed=SEED)
        assert not again.was_kept
        assert digests(again.pack) == digests(demo_pack)
        assert (again.pack.folder / "pack.json").read_bytes() == (
            demo_pack.folder / "pack.json"
        ).read_bytes()

    @pytest.mark.parametrize("family", sorted(families.discover()))
    def test_of_every_family_is_the_same_again_and_small(
        self, family: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        made = shared_pack(tmp_path_factory, family).model.folder
        again = tmp_path / family
        families.discover()[family].save(again, SEED)
        (again / "README.md").write_text((made / "README.md").read_text())
        assert snapshot.digest_folder(again).sha256 == snapshot.digest_folder(made).sha256
        assert snapshot.digest_folder(again).size_bytes < 6_000_000

    def test_another_seed_gives_other_weights(
        self, demo_pack: manifest.Pack, another: manifest.Pack
    ) -> None:
        assert not set(digests(another)) & set(digests(demo_pack))

    def test_is_small_and_holds_no_path_of_this_machine(self, demo_pack: manifest.Pack) -> None:
        files = [path for path in demo_pack.folder.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 10_000_000
        marker = str(demo_pack.folder.parent).encode()
        assert not [path for path in files if marker in path.read_bytes()]

    def test_labels_itself_uncalibrated_everywhere(self, demo_pack: manifest.Pack) -> None:
        assert demo_pack.calibrated is False
        assert "uncalibrated" in demo_pack.name
        for name in ("sd3", "clip", "safety"):
            card = (demo_pack.folder / name / "README.md").read_text()
            assert "uncalibrated" in card
            assert "license: cc0-1.0" in card

    def test_keeps_an_intact_pack(self, demo_pack: manifest.Pack) -> None:
        before = (demo_pack.folder / "pack.json").stat().st_mtime_ns
        kept = builder.build(demo_pack.folder, seed=SEED)
        assert kept.was_kept
        assert (demo_pack.folder / "pack.json").stat().st_mtime_ns == before

    @pytest.mark.parametrize("harm", ["byte", "extra", "gone", "manifest"])
    def test_makes_a_broken_pack_again(
        self, demo_pack: manifest.Pack, tmp_path: Path, harm: str
    ) -> None:
        broken = copy_of(demo_pack, tmp_path / "pack").folder
        match harm:
            case "byte":
                path = broken / "clip" / "open_clip_model.safetensors"
                data = bytearray(path.read_bytes())
                data[-1] ^= 1
                path.write_bytes(data)
            case "extra":
                (broken / "sd3" / "vae" / "evil.py").write_text("")
            case "gone":
                (broken / "safety" / "config.json").unlink()
            case "manifest":
                (broken / "pack.json").write_text("{")
        made = builder.build(broken, seed=SEED)
        assert not made.was_kept
        made.pack.verify()
        assert digests(made.pack) == digests(demo_pack)
        assert [path.name for path in tmp_path.iterdir()] == ["pack"]

    def test_replaces_a_pack_of_another_seed(
        self, demo_pack: manifest.Pack, tmp_path: Path
    ) -> None:
        folder = copy_of(demo_pack, tmp_path / "pack").folder
        assert builder.build(folder, seed=SEED + 1).pack.seed == SEED + 1

    def test_a_failure_leaves_what_was_there(
        self, demo_pack: manifest.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = copy_of(demo_pack, tmp_path / "pack").folder

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(builder.scorers, "save_clip", fail)
        with pytest.raises(OSError, match="No space left"):
            builder.build(folder, seed=SEED + 1)
        manifest.read(folder).verify()
        assert [path.name for path in tmp_path.iterdir()] == ["pack"]

    def test_never_replaces_a_folder_that_is_no_pack(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("mine")
        with pytest.raises(placing.PackFolderOccupied):
            builder.build(tmp_path, seed=SEED)
        assert (tmp_path / "thesis.txt").read_text() == "mine"

    def test_yields_to_a_builder_that_was_faster(
        self, demo_pack: manifest.Pack, tmp_path: Path
    ) -> None:
        folder = tmp_path / "pack"

        def make_late(beside: Path, seed: int, _family: str) -> None:
            copy_of(demo_pack, beside)
            copy_of(demo_pack, folder)
            assert seed == SEED

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(builder, "_make", make_late)
            builder.build(folder, seed=SEED).pack.verify()
        assert [path.name for path in tmp_path.iterdir()] == ["pack"]


class TestManifest:
    def test_says_how_the_model_is_run(self, demo_pack: manifest.Pack) -> None:
        defaults = demo_pack.model.defaults
        assert demo_pack.model.pipeline == "StableDiffusion3Pipeline"
        assert (defaults.sizes[0].width, defaults.sizes[0].height) == (256, 256)
        assert all(size.width % 16 == size.height % 16 == 0 for size in defaults.sizes)
        kinds = {"concepts", "prompt_match", "safety"}
        assert {scorer.kind for scorer in demo_pack.scorers} == kinds

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("schema",), 2),
            (("model", "folder"), "../sd3"),
            (("model", "folder"), "/etc"),
            (("model", "snapshot_sha256"), "main"),
            (("model", "defaults"), None),
            (("scorers",), [{"kind": "safety"}]),
            (("seed",), "seven"),
        ],
    )
    def test_refuses_one_that_is_not_ours(
        self, demo_pack: manifest.Pack, tmp_path: Path, path: tuple[str, ...], value: object
    ) -> None:
        data = json.loads((demo_pack.folder / "pack.json").read_text())
        inner = data
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        (tmp_path / "pack.json").write_text(json.dumps(data))
        with pytest.raises(manifest.PackUnreadable):
            manifest.read(tmp_path)

    def test_says_that_there_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(manifest.PackUnreadable, match="Build the pack again"):
            manifest.read(tmp_path)


class TestCommandLine:
    def test_builds_and_reports_one_json_line(
        self, demo_pack: manifest.Pack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["build", str(demo_pack.folder), "--random", "sd3", "--seed", str(SEED)]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["outcome"] == "kept"
        assert told["model_sha256"] == demo_pack.model.snapshot_sha256

    def test_verify_fails_on_a_changed_pack(
        self, demo_pack: manifest.Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = copy_of(demo_pack, tmp_path / "pack").folder
        assert main(["verify", str(folder)]) == 0
        (folder / "clip" / "README.md").write_text("calibrated!")
        assert main(["verify", str(folder)]) == 1
        assert "has changed since it was approved" in capsys.readouterr().err

    def test_digests_can_be_recomputed(self, demo_pack: manifest.Pack) -> None:
        found = snapshot.digest_folder(demo_pack.model.folder).sha256
        assert found == demo_pack.model.snapshot_sha256
