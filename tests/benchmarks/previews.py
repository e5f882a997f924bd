"""What a preview costs at 1024 x 1024 px: painted from latents and encoded, CPU time of one thread.

python -m tests.benchmarks.previews [--times 200]

The latents are random: what is timed does not look at their values. The share is of a step of
`STEP_MS`, at two previews a second at most.
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from types import SimpleNamespace
from typing import Any

import django
import numpy as np
import torch

from generation.engines import previews
from generation.engines.previews import Sketch
from generation.weights import runtime

SIDE_PX = 1024
# The form in which each family's loop has its latents.
FORMS = {
    "sd3: 16 x 128 x 128": (1, 16, 128, 128),
    "flux, qwen: 4096 x 64": (1, 4096, 64),
    "flux2: 4096 x 128": (1, 4096, 128),
}
# A step of 28 for an image in ten seconds.
STEP_MS = 357.0


class _Screen:
    """Takes what it is shown; whether it is watched is told."""

    def __init__(self, *, is_watched: bool) -> None:
        self.is_watched = is_watched

    def show(self, _step: int, _pixels: object) -> None:
        """Drop it."""


def main() -> None:
    """Print the median CPU time of each part for each form of latents."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imprimatur.config.settings.test")
    django.setup()
    from generation.jobs.previewing import encode

    runtime.set_threads(1)
    for name, shape in FORMS.items():
        latents, pipeline = torch.randn(shape), _pipeline()
        image = np.random.default_rng(1).integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        colors = previews.colors_of(pipeline)
        colors.remember(latents)
        colors.learn(image)
        painted = colors.paint(latents, SIDE_PX, SIDE_PX)
        assert painted is not None
        paint_ms = _cpu_ms(_step(pipeline, latents, is_watched=True), times)
        # Noise, as that is the dearest to encode.
        noise = np.random.default_rng(2).integers(0, 256, painted.shape, dtype=np.uint8)
        encode_ms = _cpu_ms(lambda: encode(noise), times)  # noqa: B023
        unwatched_us = 1000 * _cpu_ms(_step(pipeline, latents, is_watched=False), times)
        a_step_ms = paint_ms * min(1.0, STEP_MS / 1000 / previews.EVERY_S)
        print(  # noqa: T201
            f"{name}: on the device's thread {paint_ms:.2f} ms "
            f"({a_step_ms / STEP_MS:.2%} of a step); on the lease's {encode_ms:.2f} ms; "
            f"a step that nobody watches {unwatched_us:.1f} us"
        )


def _pipeline() -> Any:
    scheduler = SimpleNamespace(sigmas=torch.linspace(1, 0, 29), step_index=2)
    return SimpleNamespace(vae=torch.nn.Identity(), scheduler=scheduler)


def _step(pipeline: Any, latents: torch.Tensor, *, is_watched: bool) -> Callable[[], object]:
    """Return what a step does; each one paints where somebody watches."""
    spec: Any = SimpleNamespace(width=SIDE_PX, height=SIDE_PX, steps_taken=28)
    with previews.shown_on(_Screen(is_watched=is_watched)):
        sketch = Sketch(pipeline, spec)

    def act() -> None:
        sketch._next_at = 0.0
        sketch.after_step(2, latents)

    return act


def _cpu_ms(act: Callable[[], object], times: int) -> float:
    measured = []
    for _ in range(times):
        began = time.process_time_ns()
        act()
        measured.append((time.process_time_ns() - began) / 1e6)
    return median(measured)


if __name__ == "__main__":
    main()
