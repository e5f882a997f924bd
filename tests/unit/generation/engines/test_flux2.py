"""FLUX.2 takes guidance as its models were distilled, and never loses the prompt in its frame."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generation.engines.flux2 import Flux2Engine
from generation.engines.flux2_klein import Flux2KleinEngine
from generation.engines.modes import Mode
from generation.engines.placement import place
from generation.engines.resident import ResidentEngine
from generation.engines.spec import RunResult
from generation.packs.tiny import flux2, flux2_klein
from generation.weights import snapshot
from governance.kernel.errors import InvalidInput
from tests.packs import shared_pack
from tests.unit.generation.conftest import MakeSpec, spec_maker

Render = Callable[..., RunResult]


def ignore(_done: int, _of: int) -> None:
    """Take no notice of a step."""


def saved(folder: Path) -> dict[str, Any]:
    """Name a model as approved in its present state."""
    return {"folder": folder, "snapshot_sha256": snapshot.digest_folder(folder).sha256}


@pytest.fixture(scope="module")
def dev_spec(tmp_path_factory: pytest.TempPathFactory) -> MakeSpec:
    pack = shared_pack(tmp_path_factory, "flux2")
    return spec_maker(pack, negative_prompt="", guidance=4.0)


@pytest.fixture(scope="module")
def klein_spec(tmp_path_factory: pytest.TempPathFactory) -> MakeSpec:
    pack = shared_pack(tmp_path_factory, "flux2_klein")
    return spec_maker(pack, negative_prompt="", guidance=0.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A klein model that was not distilled."""
    folder = tmp_path_factory.mktemp("klein") / "base"
    flux2_klein.save(folder, 7, is_distilled=False)
    return saved(folder)


class TestDev:
    def test_refuses_guidance_for_a_model_without_the_input(
        self, tmp_path: Path, dev_spec: MakeSpec
    ) -> None:
        flux2.save(tmp_path / "plain", 7, has_guidance=False)
        engine, plain = Flux2Engine(), saved(tmp_path / "plain")
        assert engine.modes_of(plain["folder"]) == {Mode.ADAPTERS, Mode.REFERENCES}
        with pytest.raises(InvalidInput, match="takes no guidance") as refused:
            engine.render(dev_spec(**plain), ignore)
        assert refused.value.pointer == "/guidance"
        assert engine.render(dev_spec(**plain, guidance=0.0), ignore).pixels.std() > 1

    def test_takes_a_configuration_without_the_switch_as_one_with_guidance(
        self, tmp_path: Path, dev_spec: MakeSpec
    ) -> None:
        folder = Path(shutil.copytree(dev_spec().folder, tmp_path / "old"))
        path = folder / "transformer" / "config.json"
        config = json.loads(path.read_text())
        assert config.pop("guidance_embeds") is True
        path.write_text(json.dumps(config))
        engine = Flux2Engine()
        assert Mode.GUIDANCE in engine.modes_of(folder)
        made = engine.render(dev_spec(**saved(folder)), ignore)
        assert made.pixels_sha256 == engine.render(dev_spec(), ignore).pixels_sha256

    def test_refuses_the_mark_that_the_pipeline_would_take_out(self, dev_spec: MakeSpec) -> None:
        with pytest.raises(InvalidInput, match="stands for a picture") as refused:
            Flux2Engine().render(dev_spec(prompt="a mug [IMG]"), ignore)
        assert refused.value.pointer == "/prompt"


class TestKlein:
    def test_that_is_not_distilled_takes_guidance_as_the_plain_pipeline_does(
        self, klein_spec: MakeSpec, base: dict[str, Any]
    ) -> None:
        engine = Flux2KleinEngine()
        assert engine.modes_of(base["folder"]) == {Mode.GUIDANCE, Mode.ADAPTERS, Mode.REFERENCES}
        spec = klein_spec(**base, guidance=4.0)
        made = engine.render(spec, ignore)
        pipeline = engine._obtain(spec, place(spec.device, spec.dtype))
        plain = pipeline(
            prompt=spec.prompt,
            width=spec.width,
            height=spec.height,
            num_inference_steps=spec.steps,
            guidance_scale=spec.guidance,
            max_sequence_length=spec.max_sequence_length,
            generator=torch.Generator("cpu").manual_seed(spec.seed),
        ).images[0]
        assert np.array_equal(np.asarray(plain), made.pixels)
        unguided = engine.render(klein_spec(**base), ignore)
        assert unguided.pixels_sha256 != made.pixels_sha256

    def test_still_takes_no_negative_prompt(
        self, klein_spec: MakeSpec, base: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInput, match="no negative prompt"):
            Flux2KleinEngine().render(
                klein_spec(**base, guidance=4.0, negative_prompt="blurry"), ignore
            )


class TestFrame:
    @pytest.mark.parametrize("name", ["dev_spec", "klein_spec"])
    def test_leaves_room_for_the_prompt(self, name: str, request: pytest.FixtureRequest) -> None:
        make: MakeSpec = request.getfixturevalue(name)
        engine: ResidentEngine = Flux2Engine() if name == "dev_spec" else Flux2KleinEngine()
        with pytest.raises(InvalidInput, match=r"must be above \d+ for this model") as refused:
            engine.render(make(max_sequence_length=1), ignore)
        assert refused.value.pointer == "/max_sequence_length"
        frame = int(refused.value.detail.split("above ")[1].split()[0])
        # One token more, and the first word is heard.
        one, other = (
            engine.render(make(max_sequence_length=frame + 1, prompt=prompt), ignore)
            for prompt in ("red", "blue")
        )
        assert one.pixels_sha256 != other.pixels_sha256
