"""Engines and scorers that do as they are told: no model, a given outcome."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from generation.engines.modes import Mode
from generation.engines.protocol import OnStep
from generation.engines.spec import RunResult, RunSpec
from generation.scoring import cascade
from generation.scoring.cards import Card
from generation.scoring.cascade import Cascade
from generation.scoring.decode import decode
from generation.scoring.perceptual import perceptual_hash
from generation.scoring.process import Features, Picture
from generation.scoring.protocol import Input, Measurement, Sample
from generation.scoring.suite import ScoringSuite
from generation.scoring.verdict import Measured


@dataclass
class ScriptedEngine:
    """Draws a gradient step by step; `at_step` runs before each step is told."""

    at_step: Callable[[int], None] = field(default=lambda _step: None)
    rendered: list[RunSpec] = field(default_factory=list)

    family: str = "sd3"
    needed: frozenset[Mode] = frozenset()

    def modes_of(self, _folder: Path) -> frozenset[Mode]:
        """Return everything."""
        return frozenset(Mode)

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

    title: str = "What it is told"
    inputs: frozenset[Input] = frozenset({Input.IMAGE})
    cost_ms: float = 0.0

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Say it of every sample."""
        if isinstance(self.says, Exception):
            raise self.says
        return [
            Measurement(self.says, {"width_px": sample.image.width, "ratio": float("nan")})
            for sample in samples
        ]


@dataclass
class InlineSuite:
    """Scores in this process, behind the face of `IsolatedSuite`; `pictures` are what it saw."""

    suite: ScoringSuite
    pictures: list[Picture] = field(default_factory=list)

    @property
    def cards(self) -> tuple[Card, ...]:
        """Say of every scorer what it is."""
        return self.suite.cards

    @property
    def is_alive(self) -> bool:
        """Be always there."""
        return True

    def start(self) -> None:
        """Have nothing to start."""

    def close(self) -> None:
        """Have nothing to end."""

    def look(self, data: bytes) -> Features:
        """Return the hash of an image."""
        return Features(perceptual_hash=perceptual_hash(decode(data)))

    def measure(
        self,
        pictures: Sequence[Picture],
        cascades: Sequence[Cascade] = (),
        *,
        leave_out: Collection[str] = (),
    ) -> tuple[tuple[Measured, ...], ...]:
        """Let every scorer measure every picture."""
        self.pictures.extend(pictures)
        samples = [
            Sample(
                image=decode(each.data),
                prompt=each.prompt,
                palette=each.palette,
                wanted_text=each.wanted_text,
                neighbours=each.neighbours,
                concepts=each.concepts,
            )
            for each in pictures
        ]
        waits = cascade.seconds(cascades)
        rows = []
        for all_of_them in self.suite.measure(samples):
            row = [said for said in all_of_them if said.scorer not in leave_out]
            first = [said for said in row if said.scorer not in waits]
            asked = cascade.asked(cascades, first)
            rows.append((*first, *(said for said in row if said.scorer in asked)))
        return tuple(rows)
