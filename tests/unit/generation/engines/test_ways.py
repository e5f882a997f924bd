"""Siblings share what is loaded, wear what it wears, and refuse what they cannot keep to."""

from dataclasses import replace

import pytest

from generation.engines.flux import FluxEngine
from generation.engines.placement import place
from generation.engines.spec import AdapterRef, BoxMask, RunSpec, SourceRef
from generation.packs.manifest import Pack
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.unit.generation import photographs
from tests.unit.generation.conftest import spec_maker

BOX = photographs.box((30, 30, 90, 100))
START = SourceRef(BOX, sha256_hex(BOX), 0.6)


def ignore(_done: int, _of: int) -> None:
    """Take no notice of a step."""


@pytest.fixture(scope="module")
def engine() -> FluxEngine:
    """An engine that tests share, as each of them must leave it usable."""
    return FluxEngine()


@pytest.fixture(scope="module")
def spec(flux_pack: Pack) -> RunSpec:
    return spec_maker(flux_pack, negative_prompt="", guidance=3.5)(source=START)


class TestSiblings:
    def test_are_made_once_and_load_nothing(self, engine: FluxEngine, spec: RunSpec) -> None:
        inpaint = replace(spec, source=replace(START, mask=BoxMask(0.0, 0.0, 0.5, 1.0)))
        for each in (spec, inpaint, spec):
            engine.render(each, ignore)
        loaded = engine._obtain_loaded(spec, place(spec.device, spec.dtype))
        assert set(loaded.siblings) == {"FluxImg2ImgPipeline", "FluxInpaintPipeline"}
        for sibling in loaded.siblings.values():
            for name, part in loaded.pipeline.components.items():
                assert getattr(sibling, name) is part

    def test_wear_what_the_model_wears(
        self, engine: FluxEngine, spec: RunSpec, flux_pack: Pack
    ) -> None:
        lora = next(a for a in flux_pack.adapters if a.kind == "lora")
        worn = (AdapterRef(lora.folder, lora.snapshot_sha256, 1.0),)
        bare = engine.render(spec, ignore).pixels_sha256
        assert engine.render(replace(spec, adapters=worn), ignore).pixels_sha256 != bare
        assert engine.render(spec, ignore).pixels_sha256 == bare

    def test_refuse_what_only_the_models_own_pipeline_knows(
        self, engine: FluxEngine, spec: RunSpec
    ) -> None:
        cached = replace(spec, handling="first_block_cache+own_bits")
        with pytest.raises(InvalidInput, match="neither starts from nor follows") as refused:
            engine.render(cached, ignore)
        assert refused.value.pointer == "/source"
        assert engine.render(replace(cached, source=None), ignore).pixels.any()
