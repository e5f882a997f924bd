"""Engines and scorers that do as they are told: no model, a given outcome."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from PIL import Image

from generation.engines.protocol import OnStep
from generation.engines.spec import RunResult, RunSpec
from generation.scoring.protocol import Measurement


@dataclass
class ScriptedEngine:
    """Draws a gradient step by step; `at_step` runs before each step is told."""

    at_step: Callable[[int], None] = field(default=lambda _step: None)
    rendered: list[RunSpec] = field(default_factory=list)

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Make the image that the size and the seed decide."""
        self.rendered.append(spec)
        for step in range(1, spec.steps + 1):
            self.at_step(step)
            on_step(step, spec.steps)
        pixels = np.zeros((spec.height, spec.width, 3), dtype=np.uint8)
        pixels[:, :, 0] = np.arange(spec.width, dtype=np.uint8)
        pixels[:, :, 1] = spec.seed % 256
        return RunResult(pixels=pixels, seconds=0.25, facts={"engine": "scripted/1"})


@dataclass
class ScriptedScorer:
    """Measures what it is told, or raises it."""

    says: float | Exception
    id: str = "sharpness"
    version: str = "1"
    weights_sha256: str | None = None
    licence: str = "CC0-1.0"
    higher_is: Literal["better", "worse"] = "better"
    range: tuple[float, float] = (0.0, 1.0)

    def score(self, image: Image.Image, prompt: str) -> Measurement:
        """Say it."""
        if isinstance(self.says, Exception):
            raise self.says
        return Measurement(self.says, {"width_px": image.width, "ratio": float("nan")})
