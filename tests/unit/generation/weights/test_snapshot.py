"""The digest of a model folder is exact, and whatever could run code is refused."""

import hashlib
import json
from pathlib import Path

import pytest

from generation.weights import snapshot


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two inert files, one of them nested."""
    root = tmp_path / "model"
    (root / "vae").mkdir(parents=True)
    (root / "vae" / "weights.safetensors").write_bytes(b"\x00\x01\x02")
    (root / "config.json").write_text('{"layers": 2}')
    return root


class TestDigestFolder:
    def test_lists_every_file_with_its_own_digest(self, folder: Path) -> None:
        found = snapshot.digest_folder(folder)
        assert [(f.path, f.size) for f in found.files] == [
            ("config.json", 13),
            ("vae/weights.safetensors", 3),
        ]
        assert found.files[1].sha256 == hashlib.sha256(b"\x00\x01\x02").hexdigest()
        assert found.size_bytes == 16

    def test_is_the_sha256_of_the_sorted_canonical_list(self, folder: Path) -> None:
        found = snapshot.digest_folder(folder)
        listing = [{"path": f.path, "sha256": f.sha256, "size": f.size} for f in found.files]
        text = json.dumps({"files": listing}, sort_keys=True, separators=(",", ":"))
        assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()

    def test_changes_with_a_renamed_file(self, folder: Path) -> None:
        before = snapshot.digest_folder(folder).sha256
        (folder / "config.json").rename(folder / "settings.json")
        assert snapshot.digest_folder(folder).sha256 != before

    def test_changes_with_an_added_file(self, folder: Path) -> None:
        before = snapshot.digest_folder(folder).sha256
        (folder / "notes.md").write_text("")
        assert snapshot.digest_folder(folder).sha256 != before

    def test_does_not_depend_on_where_the_folder_is(self, folder: Path) -> None:
        before = snapshot.digest_folder(folder).sha256
        moved = folder.rename(folder.with_name("elsewhere"))
        assert snapshot.digest_folder(moved).sha256 == before

    @pytest.mark.parametrize(
        "name",
        ["evil.py", "model.bin", "model.pt", "model.ckpt", "model.pkl", "lib.so", ".hidden", "raw"],
    )
    def test_refuses_a_file_that_is_not_inert(self, folder: Path, name: str) -> None:
        (folder / "vae" / name).write_bytes(b"x")
        with pytest.raises(snapshot.UnsafeSnapshot) as refused:
            snapshot.digest_folder(folder)
        assert f"'vae/{name}'" in refused.value.detail
        assert refused.value.facts["path"] == f"vae/{name}"

    def test_refuses_a_link_to_a_file_outside(self, folder: Path, tmp_path: Path) -> None:
        outside = tmp_path / "outside.safetensors"
        outside.write_bytes(b"x")
        (folder / "more.safetensors").symlink_to(outside)
        with pytest.raises(snapshot.UnsafeSnapshot, match=r"symbolic link 'more\.safetensors'"):
            snapshot.digest_folder(folder)

    def test_refuses_a_link_to_a_folder(self, folder: Path, tmp_path: Path) -> None:
        (folder / "unet").symlink_to(tmp_path, target_is_directory=True)
        with pytest.raises(snapshot.UnsafeSnapshot, match="symbolic link 'unet'"):
            snapshot.digest_folder(folder)

    @pytest.mark.parametrize(
        "config",
        [
            {"auto_map": {"AutoModel": "modeling.Evil"}},
            {"custom_pipeline": "someone/pipeline"},
            {"text_config": {"_attn_implementation": "someone/kernels"}},
            {"layers": [{"_attn_implementation_internal": "someone/kernels"}]},
        ],
    )
    def test_refuses_a_configuration_that_asks_for_code(
        self, folder: Path, config: dict[str, object]
    ) -> None:
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(snapshot.UnsafeSnapshot, match="asks for code from elsewhere"):
            snapshot.digest_folder(folder)

    def test_finds_the_request_behind_padding(self, folder: Path) -> None:
        config = json.dumps({"auto_map": {"AutoModel": "modeling.Evil"}})
        (folder / "config.json").write_text(" " * 3_000_000 + config)
        with pytest.raises(snapshot.UnsafeSnapshot, match="asks for code from elsewhere"):
            snapshot.digest_folder(folder)

    @pytest.mark.parametrize("depth", [400, 100_000])
    def test_finds_the_request_at_any_depth(self, folder: Path, depth: int) -> None:
        (folder / "config.json").write_text("[" * depth + '{"auto_map": "x.Y"}' + "]" * depth)
        with pytest.raises(snapshot.UnsafeSnapshot):
            snapshot.digest_folder(folder)

    def test_accepts_a_vocabulary_with_such_a_token(self, folder: Path) -> None:
        (folder / "vocab.json").write_text('{"auto_map": 31, "_attn_implementation": 7}')
        assert len(snapshot.digest_folder(folder).files) == 3

    def test_refuses_json_that_is_none(self, folder: Path) -> None:
        (folder / "config.json").write_text("{")
        with pytest.raises(snapshot.UnsafeSnapshot, match="not valid JSON"):
            snapshot.digest_folder(folder)

    def test_says_that_the_folder_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(snapshot.SnapshotMissing, match="does not exist"):
            snapshot.digest_folder(tmp_path / "nowhere")

    def test_says_that_the_folder_is_empty(self, tmp_path: Path) -> None:
        with pytest.raises(snapshot.SnapshotMissing, match="is empty"):
            snapshot.digest_folder(tmp_path)


class TestVerify:
    def test_accepts_the_approved_bytes(self, folder: Path) -> None:
        approved = snapshot.digest_folder(folder)
        assert snapshot.verify(folder, approved.sha256) == approved

    def test_refuses_one_changed_byte(self, folder: Path) -> None:
        approved = snapshot.digest_folder(folder)
        (folder / "vae" / "weights.safetensors").write_bytes(b"\x00\x01\x03")
        with pytest.raises(snapshot.SnapshotChanged, match="has changed since it was approved"):
            snapshot.verify(folder, approved.sha256)


class TestFingerprint:
    def test_stays_while_nothing_is_written(self, folder: Path) -> None:
        assert snapshot.fingerprint(folder) == snapshot.fingerprint(folder)

    def test_changes_when_a_file_is_replaced_by_one_of_the_same_size(self, folder: Path) -> None:
        before = snapshot.fingerprint(folder)
        other = folder / "vae" / "other.safetensors"
        other.write_bytes(b"\x00\x01\x03")
        other.replace(folder / "vae" / "weights.safetensors")
        assert snapshot.fingerprint(folder) != before
