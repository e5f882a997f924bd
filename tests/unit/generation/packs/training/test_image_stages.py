"""The parts of an image model, trained one by one, make a pipeline that wears and follows."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from generation.packs import manifest, shipped
from generation.packs.training import adapters, assemble, autoencoder, compose, denoiser, look
from generation.weights import runtime

_MOMENT = 0.01


@pytest.fixture(scope="module")
def whole(work: Path) -> Path:
    """The working folder with transformer and autoencoder."""
    plan = denoiser.Plan(seed=3, minutes=60, steps=2, batch=4)
    denoiser.train(work / "transformer", work / "corpus", work / "text", plan)
    facts = autoencoder.train(
        work / "autoencoder", work / "corpus", seed=3, minutes=_MOMENT, images=8
    )
    assert {"decoder_db", "linear_db", "encoder_error"} <= set(facts)
    return work


@pytest.fixture(scope="module")
def model(whole: Path) -> Path:
    """The finished model in its standard layout."""
    assemble.save_pipeline(whole, whole / "sd3")
    return whole / "sd3"


class TestLora:
    def test_can_be_worn_and_taken_off(self, model: Path, tmp_path: Path) -> None:
        adapters.train_lora(model, tmp_path, seed=3, minutes=_MOMENT, images=8)
        pipeline = runtime.load_library("diffusers").StableDiffusion3Pipeline.from_pretrained(
            model, local_files_only=True
        )
        before = pipeline.transformer.transformer_blocks[0].attn.to_q.weight.clone()
        pipeline.load_lora_weights(tmp_path)
        assert pipeline.get_active_adapters() == ["default_0"]
        pipeline.unload_lora_weights()
        assert bool((pipeline.transformer.transformer_blocks[0].attn.to_q.weight == before).all())


class TestControlNet:
    def test_learned_to_say_something(self, model: Path, tmp_path: Path) -> None:
        adapters.train_controlnet(model, tmp_path, seed=3, minutes=_MOMENT, images=8)
        controlnet = runtime.load_library("diffusers").SD3ControlNetModel.from_pretrained(
            tmp_path, local_files_only=True
        )
        # It begins with outputs that are exactly zero.
        assert any(bool(block.weight.any()) for block in controlnet.controlnet_blocks)
        assert controlnet.config.extra_conditioning_channels == 0


class TestCompose:
    def test_lists_every_part_and_quotes_the_figures(self, whole: Path, tmp_path: Path) -> None:
        for name in ("clip", "safety", "aesthetic"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / "controlnet-edges").mkdir()
        (tmp_path / "controlnet-edges" / "config.json").write_text("{}")
        (whole / "figures.md").write_text("Measured: everything.\n")
        pack = compose.compose(whole, tmp_path, seed=3)
        assert pack.calibrated
        assert [adapter.slug for adapter in pack.adapters] == ["outlines"]
        card = (pack.model.folder / "README.md").read_text()
        assert "Measured: everything." in card
        assert "8 pictures seen in 2" in card
        again = manifest.read(tmp_path)
        assert again == pack
        (pack.model.folder / "README.md").write_text(card + "and more")
        with pytest.raises(Exception, match="has changed"):
            again.verify()

    def test_the_shipped_pack_was_made_by_it(self) -> None:
        told = json.loads((shipped.FOLDER / manifest.FILE_NAME).read_text())
        assert (told["name"], told["builder"]) == (compose.NAME, compose.BUILDER)
        assert told["model"]["defaults"] == compose._DEFAULTS


class TestLook:
    def test_frames_in_cream_and_warms_what_is_inside(self) -> None:
        grey = np.full((64, 64, 3), 128, np.uint8)
        printed = look.apply(grey).astype(int)
        assert printed[0, 0].tolist() == printed[63, 20].tolist() == [247, 240, 226]
        red, _, blue = printed[32, 32]
        assert red > blue + 10
        assert printed[10, 10].sum() < printed[32, 32].sum()


def test_the_third_text_encoder_says_nothing(whole: Path) -> None:
    pipeline = assemble.load_pipeline(whole)
    ids = pipeline.tokenizer_3("a red mug", return_tensors="pt").input_ids
    with torch.no_grad():
        assert not bool(pipeline.text_encoder_3(ids)[0].any())
