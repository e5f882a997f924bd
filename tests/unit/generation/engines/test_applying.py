"""Every handling is really applied, keeps the bits that it should keep, or is refused."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from generation.engines import applying, loading, memory
from generation.engines.errors import Cancelled, DeviceUnavailable
from generation.engines.flux import FluxEngine
from generation.engines.handling import STEP_CACHES, Setting, read
from generation.engines.placement import place
from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.spec import RunResult, RunSpec
from generation.packs.manifest import Pack
from governance.kernel.errors import InvalidInput
from tests.unit.generation.conftest import MakeSpec, spec_maker

ATTENTION = "resident+attention_math+own_bits"


def ignore(_done: int, _of: int) -> None:
    """Take no notice of a step."""


@pytest.fixture(scope="module")
def flux(flux_pack: Pack) -> RunSpec:
    return spec_maker(flux_pack, negative_prompt="", guidance=3.5)(steps=8)


@pytest.fixture
def engine() -> Iterator[FluxEngine]:
    made = FluxEngine()
    yield made
    made.unload()


@pytest.fixture
def plain(engine: FluxEngine, flux: RunSpec) -> RunResult:
    return engine.render(flux, ignore)


def load(spec: RunSpec) -> Any:
    return loading.load_pipeline(
        spec.folder, spec.snapshot_sha256, spec.pipeline, place("cpu", "float32", spec.handling)
    )


class TestBits:
    def test_slicing_keeps_them(self, engine: FluxEngine, flux: RunSpec, plain: RunResult) -> None:
        sliced = replace(flux, handling="resident+vae_slicing")
        made = engine.render(sliced, ignore)
        assert made.pixels_sha256 == plain.pixels_sha256
        assert engine._obtain(sliced, place("cpu", "float32", sliced.handling)).vae.use_slicing

    def test_the_recipe_says_how_the_model_was_handled(
        self, engine: FluxEngine, flux: RunSpec, plain: RunResult
    ) -> None:
        assert plain.facts["handling"] == "resident"
        made = engine.render(replace(flux, handling=ATTENTION), ignore)
        assert made.facts["handling"] == ATTENTION

    def test_tiling_is_on_where_it_was_asked_for_and_nowhere_else(self, flux: RunSpec) -> None:
        tiled = load(replace(flux, handling="resident+vae_tiling+own_bits"))
        assert tiled.vae.use_tiling
        assert not load(flux).vae.use_tiling

    def test_attention_is_chosen_for_this_model_only(
        self, engine: FluxEngine, flux: RunSpec, plain: RunResult
    ) -> None:
        made = engine.render(replace(flux, handling=ATTENTION), ignore)
        gap = np.abs(made.pixels.astype(int) - plain.pixels.astype(int)).max()
        assert gap <= 2, "the same sums in another order"
        again = engine.render(flux, ignore)
        assert again.pixels_sha256 == plain.pixels_sha256
        other = engine._obtain(flux, place("cpu", "float32"))
        assert {each._attention_backend for each in other.transformer.attn_processors.values()} == {
            None
        }


class TestOffload:
    def test_bringing_a_few_layers_at_a_time_keeps_the_bits(
        self, engine: FluxEngine, flux: RunSpec, plain: RunResult
    ) -> None:
        """On a CPU both sides are the same memory, and every hook runs all the same."""
        pipeline = load(flux)
        applying.offload_in_groups(pipeline, torch.device("cpu"))
        assert hasattr(pipeline.transformer, "_diffusers_hook")
        loaded = engine._obtain_loaded(flux, place("cpu", "float32"))
        loaded = replace(loaded, pipeline=pipeline)
        with torch.no_grad():
            pixels, _ = engine.make(loaded, flux, loaded.key.placement, ignore)
        assert np.array_equal(pixels, plain.pixels)


class TestStepCaches:
    @pytest.mark.parametrize("setting", sorted(STEP_CACHES))
    def test_makes_another_image_which_repeats_itself_also_after_a_stop(
        self, engine: FluxEngine, flux: RunSpec, plain: RunResult, setting: Setting
    ) -> None:
        cached = replace(flux, handling=f"resident+{setting}+own_bits")

        def stop(done: int, _of: int) -> None:
            if done == 6:
                raise Cancelled

        made = engine.render(cached, ignore)
        with pytest.raises(Cancelled):
            engine.render(replace(cached, seed=99), stop)
        assert engine.render(cached, ignore).pixels_sha256 == made.pixels_sha256
        if setting is Setting.TAYLORSEER_CACHE:
            assert made.pixels_sha256 != plain.pixels_sha256

    def test_is_refused_where_the_loop_does_not_support_it(self, make_spec: MakeSpec) -> None:
        spec = make_spec(handling="resident+first_block_cache+own_bits")
        with pytest.raises(DeviceUnavailable, match="StableDiffusion3Pipeline keeps no steps"):
            StableDiffusion3Engine().render(spec, ignore)


class TestAttention:
    def test_is_refused_where_the_layers_do_not_heed_it(self, make_spec: MakeSpec) -> None:
        with pytest.raises(DeviceUnavailable, match="SD3Transformer2DModel does not heed it"):
            StableDiffusion3Engine().render(make_spec(handling=ATTENTION), ignore)


class TestCompile:
    def test_compiles_the_blocks_that_repeat_also_of_sd3(self, make_spec: MakeSpec) -> None:
        transformer = load(make_spec()).transformer
        assert not transformer._repeated_blocks
        # Without the code generator, which takes half a minute here.
        applying.compile_blocks(transformer, backend="eager", dynamic=False)
        compiled = {
            type(each).__name__
            for each in transformer.modules()
            if each._compiled_call_impl is not None
        }
        assert compiled == {"JointTransformerBlock"}


class TestQuantised:
    @pytest.mark.parametrize("setting", [Setting.INT8_WEIGHTS, Setting.INT8_DYNAMIC])
    def test_the_transformer_takes_a_quarter_and_the_image_stays_close(
        self, engine: FluxEngine, flux: RunSpec, plain: RunResult, setting: Setting
    ) -> None:
        pytest.importorskip("torchao", reason="the extra 'quantised' is not installed")
        small = replace(flux, handling=f"resident+{setting}+own_bits")
        made = engine.render(small, ignore)
        assert made.facts["library.torchao"]
        assert made.pixels_sha256 != plain.pixels_sha256
        gap = np.abs(made.pixels.astype(int) - plain.pixels.astype(int)).mean()
        assert gap < 8
        pipelines = [
            engine._obtain(spec, place("cpu", "float32", spec.handling)) for spec in (flux, small)
        ]
        before, after = (memory.weigh([each]).host_bytes for each in pipelines)
        expected = memory.expect(flux.folder, "float32", read(small.handling), is_graphics=False)
        assert after < before
        assert after == pytest.approx(expected.host_bytes, rel=0.25)


class TestLooks:
    @pytest.mark.parametrize("text", ["compile+own_bits", "first_block_cache+own_bits"])
    def test_are_refused_where_they_might_not_act(
        self, engine: FluxEngine, flux: RunSpec, flux_pack: Pack, text: str
    ) -> None:
        from generation.engines.spec import AdapterRef

        lora = next(each for each in flux_pack.adapters if each.kind == "lora")
        worn = (AdapterRef(lora.folder, lora.snapshot_sha256, 1.0),)
        with pytest.raises(InvalidInput, match="wears no adapters"):
            engine.render(replace(flux, handling=text, adapters=worn), ignore)
