"""Depth and kinds of things are found by verified models, the same way each time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generation.engines import estimators, sources
from generation.engines.depth import depth_map
from generation.engines.errors import ModelUnavailable, RenderFailed
from generation.engines.placement import place
from generation.engines.preprocessors import ESTIMATED, PLAIN
from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.segmentation import color, segment_map, segment_mask
from generation.engines.spec import (
    ESTIMATING,
    PREPROCESSORS,
    ControlRef,
    EstimatorRef,
    SegmentMask,
    SourceRef,
)
from generation.packs.manifest import Pack
from generation.packs.tiny import parts
from generation.weights import runtime, snapshot
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.unit.generation import photographs
from tests.unit.generation.conftest import MakeSpec

BOX = photographs.box((30, 30, 90, 100))
PIXELS = photographs.pixels(BOX)
CPU = place("cpu", "float32")


def refer(folder: Path) -> EstimatorRef:
    return EstimatorRef(folder, snapshot.digest_folder(folder).sha256)


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> EstimatorRef:
    """A random DPT model in the folder that a real one comes in."""
    folder = tmp_path_factory.mktemp("estimators") / "depth"
    transformers = runtime.load_library("transformers")
    config = transformers.DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=64,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        is_hybrid=False,
    )
    with parts.seeded(3):
        model = transformers.DPTForDepthEstimation(config)
    model.save_pretrained(folder)
    transformers.DPTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return refer(folder)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> EstimatorRef:
    """A random SegFormer model that knows two kinds of things."""
    folder = tmp_path_factory.mktemp("estimators") / "kinds"
    transformers = runtime.load_library("transformers")
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
        id2label={0: "wall", 1: "mug"},
        label2id={"wall": 0, "mug": 1},
    )
    with parts.seeded(5):
        model = transformers.SegformerForSemanticSegmentation(config)
        with torch.no_grad():
            model.decode_head.classifier.weight.normal_(std=4)
    model.save_pretrained(folder)
    transformers.SegformerImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(
        folder
    )
    return refer(folder)


class TestTable:
    def test_has_every_name_that_a_spec_may_say(self) -> None:
        assert PLAIN.keys() | ESTIMATED.keys() == set(PREPROCESSORS)
        assert ESTIMATED.keys() == ESTIMATING


class TestDepth:
    def test_spans_from_black_to_white_and_repeats_itself(self, depth: EstimatorRef) -> None:
        found = depth_map(PIXELS, depth, CPU, {})
        assert (found.shape, found.dtype) == ((128, 128, 3), np.uint8)
        assert (found.min(), found.max()) == (0, 255)
        torch.manual_seed(9)
        assert np.array_equal(depth_map(PIXELS, depth, CPU, {}), found)
        other = photographs.pixels(photographs.box((5, 60, 120, 110)))
        assert not np.array_equal(depth_map(other, depth, CPU, {}), found)

    def test_looks_through_one_loaded_model_and_holds_one(
        self, depth: EstimatorRef, kinds: EstimatorRef
    ) -> None:
        held: dict[str, Any] = {"control x": "stays"}
        depth_map(PIXELS, depth, CPU, held)
        (first,) = (value for name, value in held.items() if "estimator" in name)
        depth_map(PIXELS, depth, CPU, held)
        assert first in held.values()
        segment_map(PIXELS, kinds, CPU, held)
        assert len(held) == 2
        assert first not in held.values()

    def test_of_numbers_that_are_not_finite_is_none(self) -> None:
        with pytest.raises(RenderFailed, match="not finite"):
            estimators.enlarge(torch.full((1, 1, 4, 4), float("nan")), PIXELS)


class TestSegments:
    def test_are_drawn_in_the_colors_of_their_numbers(self, kinds: EstimatorRef) -> None:
        found = segment_map(PIXELS, kinds, CPU, {})
        seen = {tuple(each) for each in found.reshape(-1, 3).tolist()}
        assert seen == {tuple(each) for each in color(np.array([[0, 1]]))[0].tolist()}

    def test_of_one_kind_are_a_mask_and_the_others_the_rest(self, kinds: EstimatorRef) -> None:
        mug, wall = (segment_mask(PIXELS, kinds, name, CPU, {}) for name in ("mug", "wall"))
        assert mug.any()
        assert wall.any()
        assert np.array_equal(mug, 255 - wall)

    def test_of_a_kind_that_is_not_known_are_refused(self, kinds: EstimatorRef) -> None:
        with pytest.raises(InvalidInput, match="knows no 'cat', only mug, wall") as refused:
            segment_mask(PIXELS, kinds, "cat", CPU, {})
        assert refused.value.pointer == "/source/mask"

    def test_become_the_mask_of_a_source(self, kinds: EstimatorRef, make_spec: MakeSpec) -> None:
        source = SourceRef(BOX, sha256_hex(BOX), 1.0, SegmentMask(kinds, "mug"))
        taken = sources.take(source, make_spec(source=source), CPU, {})
        assert taken.mask is not None
        assert np.array_equal(np.asarray(taken.mask), segment_mask(PIXELS, kinds, "mug", CPU, {}))
        assert taken.facts["mask.preprocessor"] == "segmentation/1"
        assert taken.facts["mask.estimator_sha256"] == kinds.snapshot_sha256


class TestFollow:
    @pytest.mark.parametrize("name", sorted(ESTIMATING))
    def test_a_map_that_a_model_drew(
        self,
        name: str,
        depth: EstimatorRef,
        kinds: EstimatorRef,
        warm_engine: StableDiffusion3Engine,
        make_spec: MakeSpec,
        demo_pack: Pack,
    ) -> None:
        net = next(a for a in demo_pack.adapters if a.kind == "controlnet")
        ref = depth if name == "depth/1" else kinds

        def render(engine: StableDiffusion3Engine, **more: Any) -> Any:
            control = ControlRef(net.folder, net.snapshot_sha256, BOX, sha256_hex(BOX), 1.0, **more)
            return engine.render(make_spec(control=control), lambda _done, _of: None)

        made = render(warm_engine, preprocessor=name, estimator=ref)
        assert made.pixels_sha256 != render(warm_engine).pixels_sha256
        drawn = ESTIMATED[name](PIXELS, ref, CPU, {})
        assert made.facts["control.map_sha256"] == sha256_hex(drawn.tobytes())
        assert made.facts["control.preprocessor"] == name
        assert made.facts["control.estimator_sha256"] == ref.snapshot_sha256
        again = render(StableDiffusion3Engine(), preprocessor=name, estimator=ref)
        assert again.pixels_sha256 == made.pixels_sha256


class TestRefusal:
    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            (lambda folder: (folder / "config.json").unlink(), "could not be loaded"),
            (lambda folder: (folder / "run.py").write_text(""), r"run\.py"),
            (lambda folder: rename(folder, "BertModel"), "looks through"),
            (lambda folder: rename(folder, "SegformerForSemanticSegmentation"), "looks through"),
            (lambda folder: cut(folder / "model.safetensors"), "could not be loaded"),
        ],
    )
    def test_of_a_folder_that_is_no_such_model(
        self,
        depth: EstimatorRef,
        tmp_path: Path,
        harm: Callable[[Path], object],
        message: str,
    ) -> None:
        folder = Path(shutil.copytree(depth.folder, tmp_path / "copy"))
        depth_map(PIXELS, refer(folder), CPU, {})
        harm(folder)
        digest = "0" * 64 if (folder / "run.py").exists() else refer(folder).snapshot_sha256
        with pytest.raises(ModelUnavailable, match=message):
            depth_map(PIXELS, EstimatorRef(folder, digest), CPU, {})

    def test_of_bytes_that_changed(self, depth: EstimatorRef) -> None:
        with pytest.raises(ModelUnavailable, match="changed since it was approved"):
            depth_map(PIXELS, EstimatorRef(depth.folder, "0" * 64), CPU, {})

    def test_of_a_model_without_a_digest(self) -> None:
        with pytest.raises(InvalidInput):
            EstimatorRef(Path("x"), "main")


def rename(folder: Path, kind: str) -> None:
    """Let a configuration name another class."""
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": [kind]}))


def cut(path: Path) -> None:
    """Leave half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
