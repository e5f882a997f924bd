"""A model folder that is missing, changed, unsafe or broken is refused in plain words."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.engines import loading
from generation.engines.errors import ModelUnavailable
from generation.engines.placement import place
from generation.engines.sd3 import StableDiffusion3Engine
from generation.packs.manifest import Pack
from generation.weights import runtime, snapshot
from tests.packs import copy_of
from tests.unit.generation.conftest import MakeSpec

PIPELINE = "StableDiffusion3Pipeline"


@pytest.fixture
def folder(demo_pack: Pack, tmp_path: Path) -> Path:
    """A model folder of its own, to be broken."""
    return copy_of(demo_pack, tmp_path / "pack").model.folder


def load(folder: Path, sha256: str | None = None) -> Any:
    """Load a folder as approved in its present state, unless a digest is given."""
    approved = sha256 or snapshot.digest_folder(folder).sha256
    return loading.load_pipeline(folder, approved, PIPELINE, place("cpu", "float32"))


def refusal(folder: Path, sha256: str | None = None) -> ModelUnavailable:
    """Return the error that loading a folder ends in."""
    with pytest.raises(ModelUnavailable) as refused:
        load(folder, sha256)
    return refused.value


class TestLoadPipeline:
    def test_loads_an_approved_folder(self, demo_pack: Pack) -> None:
        loaded = load(demo_pack.model.folder, demo_pack.model.snapshot_sha256)
        assert type(loaded).__name__ == PIPELINE
        assert not loaded.transformer.training

    def test_says_that_a_folder_is_missing(self, tmp_path: Path, demo_pack: Pack) -> None:
        error = refusal(tmp_path / "gone", demo_pack.model.snapshot_sha256)
        assert error.facts["reason"] == "snapshot_missing"
        assert "does not exist" in error.detail

    def test_says_that_a_byte_changed(self, folder: Path, demo_pack: Pack) -> None:
        path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        error = refusal(folder, demo_pack.model.snapshot_sha256)
        assert error.facts["reason"] == "snapshot_changed"
        assert "changed since it was approved" in error.detail

    def test_says_that_weights_are_truncated(self, folder: Path) -> None:
        path = folder / "vae" / "diffusion_pytorch_model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        error = refusal(folder)
        assert error.facts["reason"] == "unloadable"
        assert "incomplete or damaged" in error.detail

    @pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "text_encoder_3"])
    def test_refuses_to_run_with_random_weights(self, folder: Path, part: str) -> None:
        path = next((folder / part).glob("*.safetensors"))
        weights = load_file(path)
        weights.pop(max(weights))
        save_file(weights, path, metadata={"format": "pt"})
        error = refusal(folder)
        assert error.facts["reason"] == "weights_missing"
        assert f"'{part}'" in error.detail

    @pytest.mark.parametrize("part", ["vae", "text_encoder"])
    def test_says_that_a_weights_file_is_gone(self, folder: Path, part: str) -> None:
        next((folder / part).glob("*.safetensors")).unlink()
        assert refusal(folder).facts["reason"] == "unloadable"

    def test_never_runs_code_from_the_folder(self, folder: Path, tmp_path: Path) -> None:
        trap = tmp_path / "sprung"
        (folder / "pipeline.py").write_text(f"open({str(trap)!r}, 'w')")
        error = refusal(folder, "0" * 64)
        assert error.facts["reason"] == "unsafe_snapshot"
        assert not trap.exists()

    def test_refuses_a_pickle(self, folder: Path) -> None:
        (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
        assert refusal(folder, "0" * 64).facts["reason"] == "unsafe_snapshot"

    @pytest.mark.parametrize(
        "entry",
        [
            ["os", "system"],
            ["transformer", "Custom"],
            ["diffusers", "NoSuchModel"],
            ["transformers", "models.clip"],
            ["diffusers"],
            [None, "CLIPTextModel"],
        ],
    )
    def test_refuses_a_component_of_another_library(
        self, folder: Path, entry: list[object]
    ) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        index["transformer"] = entry
        (folder / "model_index.json").write_text(json.dumps(index))
        assert refusal(folder).facts["reason"] == "unknown_component"

    def test_refuses_a_folder_of_another_pipeline(self, folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        index["_class_name"] = "FluxPipeline"
        (folder / "model_index.json").write_text(json.dumps(index))
        assert refusal(folder).facts["reason"] == "other_pipeline"

    def test_refuses_a_folder_without_an_index(self, folder: Path) -> None:
        (folder / "model_index.json").unlink()
        assert refusal(folder).facts["reason"] == "no_index"

    def test_notices_a_change_between_hashing_and_loading(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load_model = loading.load_model

        def swap_and_load(*arguments: Any) -> Any:
            (folder / "README.md").write_text("another one")
            return load_model(*arguments)

        monkeypatch.setattr(loading, "load_model", swap_and_load)
        assert "changed while it was being loaded" in refusal(folder).detail

    def test_lets_exhaustion_of_memory_pass_through(
        self, demo_pack: Pack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def exhaust(*_: Any) -> None:
            raise MemoryError

        monkeypatch.setattr(loading, "load_model", exhaust)
        with pytest.raises(MemoryError):
            load(demo_pack.model.folder, demo_pack.model.snapshot_sha256)


class TestRealWorldFolders:
    def test_loads_sharded_encoders_in_bfloat16(self, folder: Path, make_spec: MakeSpec) -> None:
        """SD 3.5 Large ships T5 in two shards and runs in bfloat16."""
        transformers = runtime.load_library("transformers")
        encoder = transformers.T5EncoderModel.from_pretrained(folder / "text_encoder_3")
        (folder / "text_encoder_3" / "model.safetensors").unlink()
        encoder.to(torch.bfloat16).save_pretrained(
            folder / "text_encoder_3", max_shard_size="100KB"
        )
        shards = list((folder / "text_encoder_3").glob("model-*.safetensors"))
        assert len(shards) > 1
        spec = make_spec(
            folder=folder,
            snapshot_sha256=snapshot.digest_folder(folder).sha256,
            dtype="bfloat16",
        )
        made = StableDiffusion3Engine().render(spec, lambda _done, _of: None)
        assert made.pixels.shape == (128, 128, 3)
        assert made.pixels.std() > 1


class TestIsOutOfMemory:
    @pytest.mark.parametrize(
        ("error", "answer"),
        [
            (MemoryError(), True),
            (torch.OutOfMemoryError("CUDA out of memory."), True),
            (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
            (RuntimeError("CUDA error: out of memory"), True),
            (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
            (ValueError("out of memory"), False),
            (threading.BrokenBarrierError(), False),
        ],
    )
    def test_tells_exhaustion_from_other_errors(self, error: Exception, answer: bool) -> None:
        assert loading.is_out_of_memory(error) is answer
