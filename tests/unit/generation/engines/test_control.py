"""A ControlNet follows the outlines of a picture, the same way each time, or says why it cannot."""

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generation.engines import pictures
from generation.engines.edges import edge_map
from generation.engines.errors import ModelUnavailable
from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.spec import AdapterRef, ControlRef, EstimatorRef, RunResult
from generation.packs.manifest import Pack
from generation.weights import snapshot
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.unit.generation import photographs
from tests.unit.generation.conftest import MakeSpec

BOX = photographs.box((30, 30, 90, 100))


@pytest.fixture(scope="module")
def folder(demo_pack: Pack) -> Path:
    return next(a.folder for a in demo_pack.adapters if a.kind == "controlnet")


def following(folder: Path, image: bytes = BOX, scale: float = 1.0) -> ControlRef:
    """Name a ControlNet as approved in its present state, and the picture that it follows."""
    digest = snapshot.digest_folder(folder).sha256
    return ControlRef(folder, digest, image, sha256_hex(image), scale)


@pytest.fixture
def render(warm_engine: StableDiffusion3Engine, make_spec: MakeSpec) -> Callable[..., RunResult]:
    """Render with the shared engine; keywords change fields of the spec."""
    return lambda **changes: warm_engine.render(make_spec(**changes), lambda _done, _of: None)


class TestFollow:
    def test_heeds_the_picture_and_how_closely(
        self, render: Callable[..., RunResult], folder: Path
    ) -> None:
        images = {
            render(control=control).pixels_sha256
            for control in (
                None,
                following(folder),
                following(folder, scale=0.5),
                following(folder, photographs.box((10, 60, 120, 110))),
            )
        }
        assert len(images) == 4

    def test_repeats_itself_although_the_map_is_encoded_by_a_draw(
        self,
        render: Callable[..., RunResult],
        folder: Path,
        make_spec: MakeSpec,
    ) -> None:
        bare, made = render().pixels_sha256, render(control=following(folder)).pixels_sha256
        torch.manual_seed(99)
        torch.rand(3)
        state = torch.get_rng_state()
        assert render(control=following(folder)).pixels_sha256 == made
        assert torch.equal(torch.get_rng_state(), state)
        assert render().pixels_sha256 == bare
        again = StableDiffusion3Engine().render(
            make_spec(control=following(folder)), lambda _done, _of: None
        )
        assert again.pixels_sha256 == made

    def test_states_the_map_that_was_followed(
        self, render: Callable[..., RunResult], folder: Path
    ) -> None:
        facts = render(control=following(folder)).facts
        drawn = edge_map(np.asarray(Image.open(BytesIO(BOX))))
        assert facts["control.map_sha256"] == sha256_hex(drawn.tobytes())
        assert facts["control.preprocessor"] == "edges/1"
        assert "control.map_sha256" not in render().facts

    def test_goes_together_with_a_lora(
        self, render: Callable[..., RunResult], folder: Path, demo_pack: Pack
    ) -> None:
        lora = next(a for a in demo_pack.adapters if a.kind == "lora")
        worn = (AdapterRef(lora.folder, lora.snapshot_sha256, 1.0),)
        both = render(control=following(folder), adapters=worn).pixels_sha256
        assert both not in {
            render(control=following(folder)).pixels_sha256,
            render(adapters=worn).pixels_sha256,
        }

    def test_takes_a_picture_of_another_size(
        self, render: Callable[..., RunResult], folder: Path
    ) -> None:
        made = render(control=following(folder), width=192, height=128)
        assert made.pixels.shape == (128, 192, 3)


class TestRefusal:
    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"image": b""}, "required"),
            ({"image_sha256": "0" * 64}, "sha256"),
            ({"snapshot_sha256": "main"}, "sha256"),
            ({"scale": 0.0}, "range"),
            ({"scale": -1.0}, "range"),
            ({"scale": 2.5}, "range"),
            ({"preprocessor": "dreams/1"}, "choice"),
            ({"preprocessor": "depth/1"}, "estimator"),
            ({"estimator": EstimatorRef(Path("x"), "0" * 64)}, "estimator"),
        ],
    )
    def test_of_a_control_that_is_none(self, changes: dict[str, Any], rule: str) -> None:
        usual: dict[str, Any] = {
            "folder": Path("x"),
            "snapshot_sha256": "0" * 64,
            "image": BOX,
            "image_sha256": sha256_hex(BOX),
            "scale": 1.0,
        }
        assert ControlRef(**usual)
        with pytest.raises(InvalidInput) as refused:
            ControlRef(**usual | changes)
        assert (refused.value.pointer, refused.value.facts["rule"]) == ("/control", rule)

    @pytest.mark.parametrize("image", [b"no picture", BOX[:200], b"GIF89a"])
    def test_of_a_file_that_is_no_picture(
        self, render: Callable[..., RunResult], folder: Path, image: bytes
    ) -> None:
        with pytest.raises(InvalidInput, match="cannot be read") as refused:
            render(control=following(folder, image))
        assert refused.value.pointer == "/control"

    def test_of_a_picture_beyond_the_limit(
        self, render: Callable[..., RunResult], folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pictures, "PICTURE_MAX_PX", 128 * 128 - 1)
        with pytest.raises(InvalidInput, match="at most"):
            render(control=following(folder))

    def test_of_one_for_another_transformer(
        self, render: Callable[..., RunResult], folder: Path, tmp_path: Path
    ) -> None:
        other = Path(shutil.copytree(folder, tmp_path / "other"))
        config = other / "config.json"
        config.write_text(config.read_text().replace('"in_channels": 16', '"in_channels": 4'))
        with pytest.raises(ModelUnavailable, match="in_channels") as refused:
            render(control=following(other))
        assert refused.value.facts["reason"] == "adapter_mismatch"
        config.write_text(config.read_text().replace("SD3Control", "FluxControl"))
        with pytest.raises(ModelUnavailable, match="made for another model"):
            render(control=following(other))

    def test_of_one_that_lacks_weights(
        self, render: Callable[..., RunResult], folder: Path, tmp_path: Path
    ) -> None:
        before = render().pixels_sha256
        other = Path(shutil.copytree(folder, tmp_path / "other"))
        path = other / "diffusion_pytorch_model.safetensors"
        weights = load_file(path)
        weights.pop(max(weights))
        save_file(weights, path, metadata={"format": "pt"})
        with pytest.raises(ModelUnavailable, match="lacks 1 of its weights"):
            render(control=following(other))
        assert render().pixels_sha256 == before

    def test_of_bytes_that_changed(
        self, render: Callable[..., RunResult], folder: Path, tmp_path: Path
    ) -> None:
        other = Path(shutil.copytree(folder, tmp_path / "other"))
        (other / "README.md").write_text("another card")
        named = following(other)
        (other / "README.md").write_text("yet another")
        with pytest.raises(ModelUnavailable, match="changed since it was approved"):
            render(control=named)
