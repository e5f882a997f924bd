"""Previews: learned colors, shown to whoever watches, seldom, and never at an image's cost."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from generation.engines import previews
from generation.engines.previews import Colors, Sketch

# What latents of these tests look like: four channels to RGB.
TRUTH = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1], [0.05, 0.05, 0.0]])
SIDE_PX, PLACES = 64, 8


def latents(seed: int = 1, places: int = PLACES) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 4, places, places, generator=generator)


def pixels(of: torch.Tensor) -> Any:
    """Return the image that these latents become."""
    colors = (of[0].permute(1, 2, 0) @ TRUTH + 0.5).clamp(0, 1)
    scale = SIDE_PX // of.shape[-1]
    large = colors.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    return (large * 255).round().to(torch.uint8).numpy()


def taught(packed: bool = False) -> Colors:
    colors = Colors()
    for seed in range(previews.IMAGES_LEARNED):
        each = latents(seed)
        colors.remember(as_sequence(each) if packed else each)
        colors.learn(pixels(each))
    return colors


def as_sequence(of: torch.Tensor) -> torch.Tensor:
    return of.flatten(2).transpose(1, 2)


class Shown:
    """A screen that keeps what it is shown, watched or not."""

    def __init__(self, *, is_watched: bool = True) -> None:
        self.is_watched = is_watched
        self.steps: list[int] = []

    def show(self, step: int, _pixels: object) -> None:
        self.steps.append(step)


@pytest.fixture
def pipeline() -> Any:
    """Return a pipeline of which the colors are known."""
    made = SimpleNamespace(
        vae=torch.nn.Identity(),
        scheduler=SimpleNamespace(sigmas=torch.linspace(1, 0, 11), step_index=0),
    )
    previews._COLORS[made.vae] = taught()
    return made


def draw(
    pipeline: Any, screen: Shown, *, spec: Any = None, at_step: Callable[[int], None] | None = None
) -> None:
    """Take ten steps."""
    with previews.shown_on(screen):
        sketch = Sketch(
            pipeline, spec or SimpleNamespace(width=SIDE_PX, height=SIDE_PX, steps_taken=10)
        )
    for step in range(1, 11):
        pipeline.scheduler.step_index = step
        if at_step:
            at_step(step)
        sketch.after_step(step, latents(step))


class TestColors:
    @pytest.mark.parametrize("packed", [False, True])
    def test_are_those_of_the_image_within_a_few_levels(self, packed: bool) -> None:
        fresh = latents(99)
        painted = taught(packed).paint(as_sequence(fresh) if packed else fresh, SIDE_PX, SIDE_PX)
        assert painted is not None
        true = pixels(fresh)[4::8, 4::8].astype(int)
        assert painted.shape == true.shape
        assert np.abs(painted.astype(int) - true).max() <= 4

    def test_are_not_known_before_an_image_was_made(self) -> None:
        colors = Colors()
        assert not colors.is_known
        assert colors.paint(latents(), SIDE_PX, SIDE_PX) is None
        colors.learn(pixels(latents()))
        assert not colors.is_known

    def test_are_learned_from_so_many_images_and_no_more(self) -> None:
        colors = taught()
        before = colors.paint(latents(), SIDE_PX, SIDE_PX)
        colors.remember(latents(50))
        colors.learn(255 - pixels(latents(50)))
        assert np.array_equal(before, colors.paint(latents(), SIDE_PX, SIDE_PX))

    def test_are_none_where_places_are_not_the_image_s_alone(self) -> None:
        assert taught(packed=True).paint(torch.zeros(1, 7, 4), 3, 2) is None
        assert taught().paint(torch.zeros(1, 5, 8, 8), SIDE_PX, SIDE_PX) is None

    def test_fill_a_small_picture_at_most(self) -> None:
        painted = taught().paint(torch.zeros(1, 4, 300, 150), 2400, 1200)
        assert painted is not None
        assert painted.shape == (128, 64, 3)


class TestSketch:
    def test_is_shown_twice_a_second_at_most(
        self, pipeline: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = SimpleNamespace(now=100.0)
        monkeypatch.setattr(previews, "monotonic", lambda: clock.now)

        def a_fifth_of_a_second(_step: int) -> None:
            clock.now += 0.2

        screen = Shown()
        draw(pipeline, screen, at_step=a_fifth_of_a_second)
        assert screen.steps == [2, 5, 8]

    def test_computes_nothing_where_nobody_watches(
        self, pipeline: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        computed: list[object] = []
        monkeypatch.setattr(Colors, "paint", lambda *given: computed.append(given))
        draw(pipeline, Shown(is_watched=False))
        assert computed == []
        draw(pipeline, Shown())
        assert computed

    def test_of_a_straight_flow_is_the_image_itself(
        self, pipeline: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        image, noise = latents(1), latents(2)
        seen: list[torch.Tensor] = []
        monkeypatch.setattr(Colors, "paint", lambda _self, guess, *_size: seen.append(guess))
        with previews.shown_on(Shown()):
            sketch = Sketch(
                pipeline, SimpleNamespace(width=SIDE_PX, height=SIDE_PX, steps_taken=10)
            )
        for step in (1, 2):
            pipeline.scheduler.step_index = step
            sigma = pipeline.scheduler.sigmas[step]
            sketch.after_step(step, (1 - sigma) * image + sigma * noise)
        assert torch.allclose(seen[0], image, atol=1e-4)

    def test_that_fails_costs_no_image_and_is_tried_no_more(self, pipeline: Any) -> None:
        del pipeline.scheduler.sigmas
        screen = Shown()
        draw(pipeline, screen)
        assert screen.steps == []
