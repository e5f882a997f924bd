"""An engine that takes as long as it is told, and notes when it started: what is left is ours.

Celery imports it into the workers that `settings` here describe.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from generation.engines.modes import Mode
from generation.engines.protocol import OnStep
from generation.engines.spec import RunResult, RunSpec
from generation.jobs import rendering

STEPS_S = float(os.environ.get("TIMED_ENGINE_S", "0"))


@dataclass
class TimedEngine:
    """Sleeps through its steps and returns noise of the ordered size, other noise for each seed."""

    takes_s: float
    log: Path | None = None
    noise: dict[tuple[int, int], Any] = field(default_factory=dict)
    family: str = "sd3"

    def modes_of(self, _folder: Path) -> frozenset[Mode]:
        """Return everything."""
        return frozenset(Mode)

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Take the time, step by step."""
        if self.log is not None:
            with self.log.open("a") as log:
                log.write(f"{spec.seed} {time.time()}\n")
        end = time.monotonic()
        for step in range(1, spec.steps + 1):
            end += self.takes_s / spec.steps
            time.sleep(max(0.0, end - time.monotonic()))
            on_step(step, spec.steps)
        size = (spec.height, spec.width)
        if size not in self.noise:
            draw = np.random.default_rng(1)
            self.noise[size] = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
        pixels = self.noise[size] ^ np.uint8(spec.seed % 256)
        return RunResult(pixels=pixels, seconds=self.takes_s, facts={"engine": "timed/1"})


def install() -> None:
    """Let this process's worker render with it."""
    engine = TimedEngine(STEPS_S, Path(os.environ["IMPRIMATUR_VAR"], "engine.log"))
    rendering.engines.find = lambda _pipeline: engine


if os.environ.get("TIMED_ENGINE"):
    install()
