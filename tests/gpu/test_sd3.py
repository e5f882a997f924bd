"""The SD3 engine on a graphics device: it repeats itself, and stays near the CPU's picture."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from generation.engines.errors import Cancelled, DeviceExhausted, DeviceUnavailable
from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.spec import RunResult, RunSpec
from generation.packs.manifest import Pack
from generation.scoring.protocol import Sample
from generation.scoring.suite import ScoringSuite


@pytest.fixture
def spec(demo_pack: Pack) -> RunSpec:
    """A spec for the demo pack on the first device."""
    model = demo_pack.model
    return RunSpec(
        folder=model.folder,
        snapshot_sha256=model.snapshot_sha256,
        pipeline=model.pipeline,
        prompt="a red mug on a wooden table",
        negative_prompt="blurry",
        width=256,
        height=256,
        steps=8,
        guidance=4.0,
        seed=11,
        max_sequence_length=77,
        device="cuda",
        dtype="float32",
    )


@pytest.fixture
def engine() -> Iterator[StableDiffusion3Engine]:
    """An engine that leaves nothing on the device."""
    made = StableDiffusion3Engine()
    yield made
    made.unload()


def render(engine: StableDiffusion3Engine, spec: RunSpec, **changes: object) -> RunResult:
    """Render with some fields changed."""
    return engine.render(dataclasses.replace(spec, **changes), lambda _done, _of: None)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_repeats_itself_bit_by_bit(
    engine: StableDiffusion3Engine, spec: RunSpec, dtype: str
) -> None:
    one = render(engine, spec, dtype=dtype)
    engine.unload()
    other = render(engine, spec, dtype=dtype)
    assert one.pixels_sha256 == other.pixels_sha256
    assert one.facts["device.name"] == torch.cuda.get_device_name()


def test_stays_near_the_cpu_in_full_precision(
    engine: StableDiffusion3Engine, spec: RunSpec
) -> None:
    """The noise is drawn on the CPU, so only rounding differs: at most 4 of 255, rarely any."""
    there = render(engine, spec).pixels.astype(np.int16)
    here = render(engine, spec, device="cpu").pixels.astype(np.int16)
    difference = np.abs(there - here)
    assert difference.max() <= 4
    assert (difference > 0).mean() < 0.05


def test_stops_and_stays_usable(engine: StableDiffusion3Engine, spec: RunSpec) -> None:
    before = render(engine, spec).pixels_sha256

    def stop(_done: int, _of: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        engine.render(spec, stop)
    assert render(engine, spec).pixels_sha256 == before


def test_survives_exhaustion_of_the_device(engine: StableDiffusion3Engine, spec: RunSpec) -> None:
    before = render(engine, spec).pixels_sha256

    def exhaust(_done: int, _of: int) -> None:
        torch.cuda.set_per_process_memory_fraction(1e-9)

    try:
        with pytest.raises(DeviceExhausted):
            engine.render(dataclasses.replace(spec, width=1024, height=1024), exhaust)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert render(engine, spec).pixels_sha256 == before


def test_gives_the_devices_memory_back(engine: StableDiffusion3Engine, spec: RunSpec) -> None:
    before = torch.cuda.memory_allocated()
    render(engine, spec)
    assert torch.cuda.memory_allocated() > before
    engine.unload()
    assert torch.cuda.memory_allocated() == before


def test_refuses_a_card_that_is_not_there(engine: StableDiffusion3Engine, spec: RunSpec) -> None:
    with pytest.raises(DeviceUnavailable):
        render(engine, spec, device=f"cuda:{torch.cuda.device_count()}")


def test_scorers_agree_with_the_cpu(demo_pack: Pack) -> None:
    image = Image.effect_noise((256, 256), 60).convert("RGB")
    values = [
        {
            said.scorer: said.measurement.value
            for said in ScoringSuite.from_folder(
                demo_pack.folder, demo_pack.scorers, device=device
            ).measure([Sample(image, "a red mug")])[0]
            if said.measurement
        }
        for device in ("cpu", "cuda")
    ]
    assert values[0].keys() == values[1].keys()
    assert values[0] == pytest.approx(values[1], abs=1e-4)
