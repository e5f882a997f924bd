"""The SD3 engine repeats itself exactly, can be stopped, and survives what goes wrong."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generation.engines import sd3
from generation.engines.errors import (
    Cancelled,
    DeviceExhausted,
    DeviceUnavailable,
    ModelUnavailable,
    RenderFailed,
)
from generation.engines.placement import place
from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.spec import RunResult, RunSpec
from governance.kernel.errors import InvalidInput
from tests.unit.generation.conftest import MakeSpec

Render = Callable[..., RunResult]


def ignore(_done: int, _of: int) -> None:
    """Take no notice of a step."""


@pytest.fixture
def render(warm_engine: StableDiffusion3Engine, make_spec: MakeSpec) -> Render:
    """Render with the shared engine; keywords change fields of the spec."""
    return lambda **changes: warm_engine.render(make_spec(**changes), ignore)


class TestRender:
    def test_gives_an_rgb_image_of_the_ordered_size(self, render: Render) -> None:
        made = render(width=192, height=128)
        assert (made.pixels.shape, made.pixels.dtype) == ((128, 192, 3), np.uint8)
        assert made.pixels.std() > 1
        assert made.seconds > 0

    def test_repeats_itself_bit_by_bit(self, render: Render) -> None:
        assert render().pixels_sha256 == render().pixels_sha256

    def test_repeats_itself_after_other_work(self, render: Render) -> None:
        before = render().pixels_sha256
        render(seed=99, width=192, steps=5)
        torch.manual_seed(5)
        assert render().pixels_sha256 == before

    def test_repeats_itself_in_a_newly_loaded_model(
        self, render: Render, make_spec: MakeSpec
    ) -> None:
        again = StableDiffusion3Engine().render(make_spec(), ignore)
        assert again.pixels_sha256 == render().pixels_sha256

    def test_equals_the_plain_pipeline(
        self, render: Render, warm_engine: StableDiffusion3Engine, make_spec: MakeSpec
    ) -> None:
        made, spec = render(), make_spec()
        pipeline = warm_engine._obtain(spec, place(spec.device, spec.dtype))
        plain = pipeline(
            prompt=spec.prompt,
            negative_prompt=spec.negative_prompt,
            width=spec.width,
            height=spec.height,
            num_inference_steps=spec.steps,
            guidance_scale=spec.guidance,
            max_sequence_length=spec.max_sequence_length,
            generator=torch.Generator("cpu").manual_seed(spec.seed),
        ).images[0]
        assert np.array_equal(np.asarray(plain), made.pixels)

    @pytest.mark.parametrize(
        "change",
        [
            {"seed": 12},
            {"prompt": "a blue bottle in the sun"},
            {"negative_prompt": "yellow plant"},
            {"steps": 4},
            {"guidance": 2.0},
            {"max_sequence_length": 8},
        ],
    )
    def test_heeds_every_field(self, render: Render, change: dict[str, Any]) -> None:
        assert render(**change).pixels_sha256 != render().pixels_sha256

    def test_ignores_the_negative_prompt_without_guidance(self, render: Render) -> None:
        one = render(guidance=1.0, negative_prompt="blurry")
        other = render(guidance=1.0, negative_prompt="plant")
        assert one.pixels_sha256 == other.pixels_sha256

    def test_leaves_the_global_random_state_alone(self, render: Render) -> None:
        before = torch.get_rng_state()
        render()
        assert torch.equal(torch.get_rng_state(), before)

    def test_states_what_a_replay_needs(self, render: Render, make_spec: MakeSpec) -> None:
        facts = render().facts
        assert facts["snapshot.sha256"] == make_spec().snapshot_sha256
        assert facts["device"] == "cpu"
        assert facts["dtype"] == "float32"
        assert facts["scheduler"] == "FlowMatchEulerDiscreteScheduler"
        assert facts["torch.deterministic"] == "true"
        assert {"library.diffusers", "library.torch", "torch.threads", "scheduler.sha256"} <= set(
            facts
        )
        assert all(isinstance(value, str) for value in facts.values())

    def test_refuses_a_size_beyond_the_models_positions(self, render: Render) -> None:
        with pytest.raises(InvalidInput, match="at most 1024 px") as refused:
            render(width=1040)
        assert refused.value.pointer == "/width"

    def test_does_not_move_to_another_device(
        self, render: Render, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(DeviceUnavailable):
            render(device="cuda")

    def test_lets_two_threads_take_turns(self, render: Render) -> None:
        """A shared pipeline crashes when two threads use it at once."""
        alone = [render(seed=seed).pixels_sha256 for seed in (1, 2)]
        together: dict[int, str] = {}

        def work(seed: int) -> None:
            together[seed] = render(seed=seed).pixels_sha256

        threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [together[1], together[2]] == alone


class TestOnStep:
    def test_hears_of_every_step_in_order(
        self, warm_engine: StableDiffusion3Engine, make_spec: MakeSpec
    ) -> None:
        heard: list[tuple[int, int]] = []
        warm_engine.render(make_spec(), lambda done, of: heard.append((done, of)))
        assert heard == [(1, 3), (2, 3), (3, 3)]

    def test_stops_the_render_and_leaves_the_engine_usable(
        self, warm_engine: StableDiffusion3Engine, make_spec: MakeSpec, render: Render
    ) -> None:
        before, heard = render().pixels_sha256, []

        def stop(done: int, _of: int) -> None:
            heard.append(done)
            if done == 2:
                raise Cancelled

        with pytest.raises(Cancelled):
            warm_engine.render(make_spec(), stop)
        assert heard == [1, 2]
        assert render().pixels_sha256 == before

    def test_errors_of_the_caller_pass_unchanged(
        self, warm_engine: StableDiffusion3Engine, make_spec: MakeSpec, render: Render
    ) -> None:
        lost = RuntimeError("lease lost")

        def lose(_done: int, _of: int) -> None:
            raise lost

        with pytest.raises(RuntimeError) as raised:
            warm_engine.render(make_spec(), lose)
        assert raised.value is lost
        assert render().pixels_sha256


class TestFailure:
    @pytest.mark.parametrize(
        "shortage",
        [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")],
    )
    def test_exhaustion_is_told_and_survived(
        self,
        make_spec: MakeSpec,
        render: Render,
        monkeypatch: pytest.MonkeyPatch,
        shortage: Exception,
    ) -> None:
        engine = StableDiffusion3Engine()
        before = render().pixels_sha256

        def exhaust(*_: object) -> None:
            raise shortage

        with monkeypatch.context() as patch:
            patch.setattr(sd3, "decode", exhaust)
            with pytest.raises(DeviceExhausted, match="ran out of memory at 128 x 128") as told:
                engine.render(make_spec(), ignore)
        assert told.value.__context__ is None, "the failed frames would keep their tensors alive"
        assert engine._shelf.held == ()
        assert engine.render(make_spec(), ignore).pixels_sha256 == before

    def test_an_error_of_the_library_is_a_failed_render(
        self, make_spec: MakeSpec, render: Render, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_down(*_: object) -> None:
            message = "cannot encode 'a red mug on a wooden table'"
            raise RuntimeError(message)

        with monkeypatch.context() as patch:
            patch.setattr(sd3, "encode", break_down)
            with pytest.raises(RenderFailed) as failed:
                render(prompt="a red mug that was not encoded before")
        assert failed.value.facts == {"cause": "RuntimeError"}
        assert "mug" not in failed.value.detail
        assert render().pixels_sha256

    def test_numbers_that_are_not_finite_make_no_image(
        self, render: Render, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def overflow(_pipeline: object, _spec: RunSpec, _placement: object) -> torch.Tensor:
            return torch.full((1, 16, 16, 16), float("nan"))

        monkeypatch.setattr(sd3, "prepare", overflow)
        with pytest.raises(RenderFailed, match="not finite"):
            render()

    def test_a_missing_folder_leaves_the_engine_usable(
        self, render: Render, tmp_path: Path
    ) -> None:
        before = render().pixels_sha256
        with pytest.raises(ModelUnavailable):
            render(folder=tmp_path / "gone")
        assert render().pixels_sha256 == before


class TestMemory:
    def test_keeps_the_last_model_loaded(
        self, warm_engine: StableDiffusion3Engine, render: Render, make_spec: MakeSpec
    ) -> None:
        render()
        loaded = warm_engine._obtain(make_spec(), place("cpu", "float32"))
        render(seed=3)
        assert warm_engine._obtain(make_spec(), place("cpu", "float32")) is loaded

    def test_loads_another_one_for_another_number_format(
        self, warm_engine: StableDiffusion3Engine, render: Render, make_spec: MakeSpec
    ) -> None:
        render()
        render(dtype="bfloat16")
        one, other = (
            warm_engine._obtain(make_spec(dtype=dtype), place("cpu", dtype))
            for dtype in ("float32", "bfloat16")
        )
        assert one is not other

    def test_gives_the_memory_back(
        self, warm_engine: StableDiffusion3Engine, render: Render
    ) -> None:
        render()
        assert warm_engine._shelf.held
        warm_engine.unload()
        assert warm_engine._shelf.held == ()
