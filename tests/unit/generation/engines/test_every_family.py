"""What every family's engine keeps to, on the random model of each family that there is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generation.engines import registry
from generation.engines.errors import Cancelled, ModelUnavailable, RenderFailed
from generation.engines.modes import Mode
from generation.engines.placement import place
from generation.engines.resident import ResidentEngine
from generation.engines.spec import AdapterRef, ControlRef, RunResult, RunSpec
from generation.packs.manifest import Pack
from generation.packs.tiny import families
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.packs import shared_pack
from tests.unit.generation.conftest import spec_maker

FAMILIES = sorted(families.discover())
# What a pipeline calls our guidance, where it is another word.
GUIDANCE = {"qwen": "true_cfg_scale"}


def ignore(_done: int, _of: int) -> None:
    """Take no notice of a step."""


@dataclass(frozen=True)
class Family:
    """One family: its random pack, and an engine that the tests share."""

    name: str
    pack: Pack
    engine: ResidentEngine
    spec: RunSpec

    @property
    def modes(self) -> frozenset[Mode]:
        """Return what the pack's model can do."""
        return self.engine.modes_of(self.pack.model.folder)

    def render(self, **changes: Any) -> RunResult:
        """Render with single fields of the spec changed."""
        return self.engine.render(replace(self.spec, **changes), ignore)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    pack = shared_pack(tmp_path_factory, request.param)
    engine = registry.discover()[pack.model.pipeline].engine()
    can = engine.modes_of(pack.model.folder)
    make = spec_maker(
        pack,
        negative_prompt="blurry" if Mode.NEGATIVE_PROMPT in can else "",
        guidance=pack.model.defaults.guidance,
    )
    return Family(request.param, pack, engine, make())


class TestRegistry:
    def test_every_engine_has_a_random_model_to_be_tried_with(self) -> None:
        found = {module.PIPELINE: name for name, module in families.discover().items()}
        assert {pipeline: registry.find(pipeline).family for pipeline in registry.discover()} == (
            found
        )


class TestRender:
    def test_gives_an_rgb_image_of_the_ordered_size(self, family: Family) -> None:
        made = family.render(width=192, height=128)
        assert (made.pixels.shape, made.pixels.dtype) == ((128, 192, 3), np.uint8)
        assert made.pixels.std() > 1

    def test_repeats_itself_bit_by_bit_also_when_newly_loaded(self, family: Family) -> None:
        before = family.render().pixels_sha256
        family.render(seed=99, width=192, steps=5)
        torch.manual_seed(5)
        assert family.render().pixels_sha256 == before
        newly_loaded = registry.discover()[family.spec.pipeline].engine()
        assert newly_loaded.render(family.spec, ignore).pixels_sha256 == before

    def test_leaves_the_global_random_state_alone(self, family: Family) -> None:
        before = torch.get_rng_state()
        family.render()
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_equals_the_plain_pipeline(self, family: Family, dtype: str) -> None:
        spec = replace(family.spec, dtype=dtype)
        made = family.engine.render(spec, ignore)
        pipeline = family.engine._obtain(spec, place(spec.device, spec.dtype))
        asked: dict[str, Any] = {GUIDANCE.get(family.name, "guidance_scale"): spec.guidance}
        if Mode.NEGATIVE_PROMPT in family.modes:
            asked["negative_prompt"] = spec.negative_prompt
        plain = pipeline(
            prompt=spec.prompt,
            width=spec.width,
            height=spec.height,
            num_inference_steps=spec.steps,
            max_sequence_length=spec.max_sequence_length,
            generator=torch.Generator("cpu").manual_seed(spec.seed),
            **asked,
        ).images[0]
        assert np.array_equal(np.asarray(plain), made.pixels)

    @pytest.mark.parametrize(
        "change",
        [
            {"seed": 12},
            {"prompt": "a blue bottle in the sun"},
            {"steps": 4},
            {"max_sequence_length": 16},
            {"width": 144},
            {"guidance": 2.0},
            {"negative_prompt": "yellow plant"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_heeds_every_field_or_refuses_it(self, family: Family, change: dict[str, Any]) -> None:
        (field,) = change
        # Long enough that sixteen tokens cut it, whatever the family puts around it.
        wordy = {"prompt": "a red mug on a wooden table in the morning with a small green plant"}
        before = family.render(**wordy).pixels_sha256
        if field in set(Mode) - family.modes:
            with pytest.raises(InvalidInput) as refused:
                family.render(**wordy | change)
            assert refused.value.pointer == f"/{field}"
        else:
            assert family.render(**wordy | change).pixels_sha256 != before

    def test_states_what_a_replay_needs(self, family: Family) -> None:
        facts = family.render().facts
        assert facts["engine"] == family.engine.name
        assert facts["pipeline"] == family.pack.model.pipeline
        assert facts["snapshot.sha256"] == family.spec.snapshot_sha256
        assert facts["generator"] == "torch.Generator(cpu)"
        assert all(isinstance(value, str) for value in facts.values())


class TestWhatItCannotDo:
    def test_refuses_a_picture_to_follow(self, family: Family) -> None:
        if Mode.CONTROL in family.modes:
            pytest.skip("follows pictures: test_control.py")
        control = ControlRef(Path("x"), "0" * 64, b"png", sha256_hex(b"png"), 1.0)
        with pytest.raises(InvalidInput, match="follows no picture"):
            family.render(control=control)

    def test_refuses_a_lora_of_another_family(
        self, family: Family, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        other = shared_pack(tmp_path_factory, "flux" if family.name == "sd3" else "sd3")
        lora = lora_of(other)
        before = family.render().pixels_sha256
        with pytest.raises(ModelUnavailable, match="made for another model") as refused:
            family.render(adapters=(lora,))
        assert refused.value.facts["reason"] == "adapter_mismatch"
        assert family.render().pixels_sha256 == before

    def test_wears_a_lora_of_its_own_and_takes_it_off_without_a_trace(self, family: Family) -> None:
        lora = lora_of(family.pack)
        before = family.render().pixels_sha256
        worn = family.render(adapters=(lora,)).pixels_sha256
        lightly = family.render(adapters=(replace(lora, weight=0.5),)).pixels_sha256
        assert len({before, worn, lightly}) == 3
        assert family.render(adapters=(lora,)).pixels_sha256 == worn
        assert family.render().pixels_sha256 == before


class TestFailure:
    def test_stops_at_a_step_and_stays_usable(self, family: Family) -> None:
        before, heard = family.render().pixels_sha256, []

        def stop(done: int, of: int) -> None:
            heard.append((done, of))
            if done == 2:
                raise Cancelled

        with pytest.raises(Cancelled):
            family.engine.render(family.spec, stop)
        assert heard == [(1, 3), (2, 3)]
        assert family.render().pixels_sha256 == before

    def test_numbers_that_are_not_finite_make_no_image(
        self, family: Family, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = registry.discover()[family.spec.pipeline]
        plain: Callable[..., torch.Tensor] = module.prepare

        def overflow(*asked: object) -> torch.Tensor:
            return torch.full_like(plain(*asked), float("nan"))

        monkeypatch.setattr(module, "prepare", overflow)
        with pytest.raises(RenderFailed, match="not finite"):
            family.render()

    def test_a_black_image_is_none(self, family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
        black = np.zeros((128, 128, 3), np.uint8)
        module = registry.discover()[family.spec.pipeline]
        monkeypatch.setattr(module, "decode", lambda *_: black)
        with pytest.raises(RenderFailed, match="black all over"):
            family.render()
        black[0, 0, 0] = 1
        assert family.render().pixels is black


def lora_of(pack: Pack) -> AdapterRef:
    """Name a pack's LoRA as it would be worn at full strength."""
    lora = next(each for each in pack.adapters if each.kind == "lora")
    return AdapterRef(lora.folder, lora.snapshot_sha256, 1.0)
