"""Fixtures for engines, scoring and packs: the demo pack, and specs and engines that use it."""

import dataclasses
from collections.abc import Callable

import pytest

from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.spec import RunSpec
from generation.packs.manifest import Pack
from tests.packs import shared_pack

MakeSpec = Callable[..., RunSpec]


@pytest.fixture(scope="session")
def demo_pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return shared_pack(tmp_path_factory)


@pytest.fixture(scope="session")
def make_spec(demo_pack: Pack) -> MakeSpec:
    """Make a small, fast spec for the demo pack; keywords change single fields."""
    return spec_maker(demo_pack, negative_prompt="blurry", guidance=4.0)


@pytest.fixture(scope="session")
def flux_pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return shared_pack(tmp_path_factory, "flux")


def spec_maker(pack: Pack, *, negative_prompt: str, guidance: float) -> MakeSpec:
    """Make small, fast specs for a pack."""
    model = pack.model
    usual = RunSpec(
        folder=model.folder,
        snapshot_sha256=model.snapshot_sha256,
        pipeline=model.pipeline,
        prompt="a red mug on a wooden table",
        negative_prompt=negative_prompt,
        width=128,
        height=128,
        steps=3,
        guidance=guidance,
        seed=11,
        max_sequence_length=32,
        device="cpu",
        dtype="float32",
    )
    return lambda **changes: dataclasses.replace(usual, **changes)


@pytest.fixture(scope="session")
def warm_engine() -> StableDiffusion3Engine:
    """An engine that tests share, as each of them must leave it usable."""
    return StableDiffusion3Engine()
