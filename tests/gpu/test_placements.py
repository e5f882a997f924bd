"""How a model is placed on a graphics device: what should keep the bits keeps them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from generation.engines import memory
from generation.engines.flux import FluxEngine
from generation.engines.handling import QUANTISED, Setting, read
from generation.engines.spec import RunResult, RunSpec
from generation.packs.manifest import Pack
from tests.packs import shared_pack
from tests.unit.generation.conftest import spec_maker

_NEED = {
    "torchao": {each for each in QUANTISED if each is not Setting.NF4},
    "bitsandbytes": {Setting.NF4},
}


@pytest.fixture
def spec(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    pack: Pack = shared_pack(tmp_path_factory, "flux")
    make = spec_maker(pack, negative_prompt="", guidance=3.5)
    return make(device="cuda", dtype="bfloat16", steps=4)


@pytest.fixture
def engine() -> Iterator[FluxEngine]:
    """An engine that leaves nothing on the device."""
    made = FluxEngine()
    yield made
    made.unload()


def render(engine: FluxEngine, spec: RunSpec, text: str) -> RunResult:
    return engine.render(replace(spec, handling=text), lambda _done, _of: None)


@pytest.mark.parametrize("setting", [Setting.MODEL_OFFLOAD, Setting.GROUP_OFFLOAD])
def test_offloading_keeps_the_bits_and_frees_the_device(
    engine: FluxEngine, spec: RunSpec, setting: Setting
) -> None:
    resident = render(engine, spec, "resident")
    one, other = (render(engine, spec, setting) for _ in range(2))
    assert one.pixels_sha256 == other.pixels_sha256 == resident.pixels_sha256
    held = {str(each.key.placement.handling): each.footprint for each in engine._shelf.held}
    assert held["resident"].host_bytes == 0 < held[setting].host_bytes


@pytest.mark.parametrize(
    "setting",
    [
        Setting.VAE_TILING,
        Setting.ATTENTION_MATH,
        Setting.ATTENTION_EFFICIENT,
        Setting.INT8_WEIGHTS,
        Setting.INT8_DYNAMIC,
        Setting.FP8_WEIGHTS,
        Setting.FP8_DYNAMIC,
        Setting.NF4,
    ],
)
def test_other_bits_stay_near_the_picture_and_repeat_themselves(
    engine: FluxEngine, spec: RunSpec, setting: Setting
) -> None:
    text = f"resident+{setting}+own_bits"
    for library, settings in _NEED.items():
        if setting in settings:
            pytest.importorskip(library)
    plain, one, other = (render(engine, spec, each) for each in ("resident", text, text))
    assert one.pixels_sha256 == other.pixels_sha256
    assert np.abs(one.pixels.astype(int) - plain.pixels.astype(int)).mean() < 16


def test_the_files_tell_what_the_device_will_hold(engine: FluxEngine, spec: RunSpec) -> None:
    render(engine, spec, "resident")
    (held,) = engine._shelf.held
    expected = memory.expect(spec.folder, spec.dtype, read("resident"), is_graphics=True)
    assert held.footprint.device_bytes == pytest.approx(expected.device_bytes, rel=0.03)
