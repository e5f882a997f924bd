"""A weight file's header says what it fits, without being loaded; odd files are refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.packs.manifest import Pack
from generation.weights import layers


def lora_of(pack: Pack) -> Path:
    return next(each.folder for each in pack.adapters if each.kind == "lora")


class TestReadShapes:
    def test_reads_names_and_shapes(self, tmp_path: Path) -> None:
        save_file({"a": torch.zeros(2, 3), "b": torch.zeros(5)}, tmp_path / "x.safetensors")
        assert layers.read_shapes(tmp_path / "x.safetensors") == {"a": (2, 3), "b": (5,)}

    @pytest.mark.parametrize(
        "data",
        [b"", b"\x00" * 8, b"\xff" * 64, b"\x05" + b"\x00" * 7 + b"[1,2]", b"\x02" + b"\x00" * 9],
    )
    def test_refuses_what_is_no_safetensors_file(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "x.safetensors").write_bytes(data)
        with pytest.raises(layers.AdapterUnreadable):
            layers.read_shapes(tmp_path / "x.safetensors")


class TestReadLora:
    def test_lists_each_layer_with_its_rank(self, demo_pack: Pack) -> None:
        found = layers.read_lora(lora_of(demo_pack))
        assert {(each.part, each.rank) for each in found} == {("transformer", 4)}
        assert "transformer_blocks.0.attn.to_q" in {each.layer for each in found}

    def test_names_the_tensor_that_it_does_not_read(self, demo_pack: Pack, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(lora_of(demo_pack), tmp_path / "lora"))
        weights = load_file(folder / layers.LORA_FILE)
        save_file(weights | {"transformer.x.alpha": torch.ones(1)}, folder / layers.LORA_FILE)
        with pytest.raises(layers.AdapterUnreadable, match=r"transformer\.x\.alpha"):
            layers.read_lora(folder)


class TestRequireLoraFits:
    def test_lets_pass_what_was_made_for_the_model(self, demo_pack: Pack) -> None:
        assert layers.require_lora_fits(lora_of(demo_pack), demo_pack.model.folder)

    def test_names_the_first_layer_that_differs(self, demo_pack: Pack, flux_pack: Pack) -> None:
        with pytest.raises(layers.AdapterMismatch, match="made for another model"):
            layers.require_lora_fits(lora_of(demo_pack), flux_pack.model.folder)
        with pytest.raises(layers.AdapterMismatch):
            layers.require_lora_fits(lora_of(flux_pack), demo_pack.model.folder)


class TestRequireControlnetFits:
    @pytest.mark.parametrize(
        "beyond", ["extra_conditioning_channels", "extra_condition_channels", "num_mode"]
    )
    def test_refuses_what_wants_more_than_a_map(
        self, flux_pack: Pack, tmp_path: Path, beyond: str
    ) -> None:
        net = next(each.folder for each in flux_pack.adapters if each.kind == "controlnet")
        folder = Path(shutil.copytree(net, tmp_path / "net"))
        model = flux_pack.model.folder
        assert layers.require_controlnet_fits(folder, model) == "FluxControlNetModel"
        config = json.loads((folder / "config.json").read_bytes())
        (folder / "config.json").write_text(json.dumps(config | {beyond: 4}))
        with pytest.raises(layers.AdapterMismatch, match=beyond):
            layers.require_controlnet_fits(folder, model)
