"""Every transform makes what its step says, the same each time, and leaves its input alone."""

from types import MappingProxyType

import numpy as np
import pytest

from generation.transforms import registry
from generation.transforms.protocol import TransformFailed
from templates.prompts.steps import Box, Crop, Fit, Lanczos, Repaint, Step

NOISE = np.random.default_rng(3).integers(0, 256, (96, 128, 3), dtype=np.uint8)
EVERY: tuple[Step, ...] = (
    Lanczos(2),
    Lanczos(4),
    Crop(box=Box(0.25, 0.0, 1.0, 0.75)),
    Crop(aspect=(4, 5)),
    Fit("story", 108, 192, "cover"),
    Fit("banner", 300, 100, "contain", "#0a141e"),
)


def test_every_kind_without_a_model_is_attempted_here() -> None:
    assert {step.NAME for step in EVERY} == set(registry.discover())


@pytest.mark.parametrize("step", EVERY, ids=str)
class TestApply:
    def test_makes_the_size_that_the_step_says(self, step: Step) -> None:
        made = registry.carry_out(step, NOISE)
        assert (made.shape[1], made.shape[0]) == step.size_after((128, 96))

    def test_makes_the_same_again_and_leaves_its_input(self, step: Step) -> None:
        before = NOISE.tobytes()
        made = [registry.carry_out(step, NOISE).tobytes() for _ in range(2)]
        assert made[0] == made[1]
        assert NOISE.tobytes() == before


def test_a_box_keeps_exactly_its_pixels() -> None:
    made = registry.carry_out(Crop(box=Box(0.25, 0.0, 1.0, 0.75)), NOISE)
    assert np.array_equal(made, NOISE[:72, 32:])


def test_contain_adds_the_stated_ground_and_no_other() -> None:
    made = registry.carry_out(Fit("banner", 300, 100, "contain", "#0a141e"), NOISE)
    assert (made[:, :80] == (10, 20, 30)).all()
    assert (made[:, -80:] == (10, 20, 30)).all()
    assert not (made[:, 140:160] == (10, 20, 30)).all()


def test_enlarging_keeps_what_is_seen() -> None:
    ramp = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None, :, None], 96, axis=0)
    ramp = np.ascontiguousarray(np.repeat(ramp, 3, axis=2))
    again = registry.carry_out(Lanczos(2), ramp)[::2, ::2].astype(int)
    assert np.abs(again - ramp)[:, 4:-4].max() <= 2


class TestRefuses:
    def test_a_step_that_needs_a_model(self) -> None:
        with pytest.raises(TransformFailed, match=r"No transform does the step 'refine/1'"):
            registry.carry_out(Repaint(0.3, 4), NOISE)

    def test_an_output_of_another_size_than_was_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lying = MappingProxyType({Lanczos.NAME: lambda _step, pixels: pixels})
        monkeypatch.setattr(registry, "discover", lambda: lying)
        with pytest.raises(TransformFailed, match="another image than it says"):
            registry.carry_out(Lanczos(2), NOISE)
