"""Scorers that misbehave, each in its way; real ones, found by entry points like any other."""

import ctypes
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from generation.scoring.protocol import Direction, Input, Measurement, Sample, ScorerEntry

MODULE = "tests.fakes.misbehaving"


class Scripted:
    """Measures 0.5 of everything; what follows does otherwise."""

    version = "1"
    weights_sha256: str | None = None
    licence = "CC0-1.0"
    higher_is: Direction = "better"
    range = (0.0, 1.0)
    inputs = frozenset({Input.IMAGE})
    cost_ms = 0.1

    @property
    def id(self) -> str:
        return type(self).__name__.lower()

    @property
    def title(self) -> str:
        return type(self).__name__

    def say(self, sample: Sample) -> Any:
        return Measurement(0.5, {})

    def score(self, samples: Sequence[Sample]) -> Any:
        return [self.say(sample) for sample in samples]


class Behaves(Scripted):
    """Tells what it was given."""

    inputs = frozenset(Input)

    def say(self, sample: Sample) -> Measurement:
        facts = {
            "size_px": list(sample.image.size),
            "prompt_length": len(sample.prompt),
            "palette": list(sample.palette),
            "wanted_text": sample.wanted_text,
            "neighbours": [
                [n.asset_id, f"{n.perceptual_hash:x}", n.embedding is not None]
                for n in sample.neighbours
            ],
            "concepts": [concept.name for concept in sample.concepts],
            "process": os.getpid(),
        }
        return Measurement(0.5, facts)


class Looks(Behaves):
    """Tells the same, and needs no embedding."""

    inputs = frozenset({Input.IMAGE, Input.PROMPT})


class Glances(Looks):
    """The same by another name: two packages may not bring one name at once."""


class Raises(Scripted):
    def say(self, sample: Sample) -> Any:
        message = "on purpose"
        raise RuntimeError(message)


class Hangs(Scripted):
    def say(self, sample: Sample) -> Any:
        time.sleep(3600)


class Clings(Scripted):
    """Hangs inside of C, without ever letting another thread run."""

    def say(self, sample: Sample) -> Any:
        ctypes.PyDLL(None).sleep(3600)


class Aborts(Scripted):
    def say(self, sample: Sample) -> Any:
        os.abort()


class Exits(Scripted):
    def say(self, sample: Sample) -> Any:
        sys.exit(3)


class Eats(Scripted):
    def say(self, sample: Sample) -> Any:
        return Measurement(float(len(bytearray(1 << 40))), {})


class Keeps(Scripted):
    """Keeps what it takes, so that the next one finds none left."""

    kept: list[Any] = []

    def say(self, sample: Sample) -> Any:
        if not self.kept:
            self.kept.append(np.empty(1200 << 20, np.uint8))
        return Measurement(0.5, {})


class Needs(Scripted):
    """Takes much for a moment, and is innocent of what others keep."""

    def say(self, sample: Sample) -> Any:
        taken = np.empty(1200 << 20, np.uint8)
        taken[0] = 1
        return Measurement(taken[0] / 2, {})


class Nan(Scripted):
    def say(self, sample: Sample) -> Any:
        return Measurement(math.nan, {})


class Infinite(Scripted):
    def say(self, sample: Sample) -> Any:
        return Measurement(math.inf, {})


class Exceeds(Scripted):
    def say(self, sample: Sample) -> Any:
        return Measurement(1.5, {})


class Miscounts(Scripted):
    def score(self, samples: Sequence[Sample]) -> Any:
        return [Measurement(0.5, {})] * (len(samples) + 1)


class Mistypes(Scripted):
    def score(self, samples: Sequence[Sample]) -> Any:
        return [0.5 for _ in samples]


class Words(Scripted):
    def say(self, sample: Sample) -> Any:
        return Measurement("0.5", {})  # type: ignore[arg-type]


class Newer(Scripted):
    version = "2"


class Prints(Scripted):
    """Writes onto what could be taken for the channel."""

    def say(self, sample: Sample) -> Any:
        os.write(1, b"\xff" * 4096)
        print("loading ...")  # noqa: T201
        return Measurement(0.5, {})


class Floods(Scripted):
    """Shows far more than anybody could look at, and boxes that are none."""

    def say(self, sample: Sample) -> Any:
        evidence = {
            "noise": list(np.random.default_rng(1).random(16_000)),
            "boxes": [{"x": 7}],
            "mean": np.float32(0.25),
        }
        return Measurement(0.5, evidence)


class Peeks(Scripted):
    """Tells which secrets it can read."""

    def say(self, sample: Sample) -> Any:
        secret = [name for name in os.environ if "SECRET" in name or "DATABASE" in name]
        return Measurement(0.5, {"secrets": sorted(secret)})


class Unmakable(Scripted):
    def __init__(self) -> None:
        message = "on purpose"
        raise RuntimeError(message)


class FromFile(Scripted):
    """Reads its value from its model folder once, as models are read."""

    def __init__(self, folder: Path, entry: ScorerEntry) -> None:
        self.folder = folder
        self.weights_sha256 = entry.snapshot_sha256
        self.value: float | None = None

    def load(self) -> None:
        if self.value is None:
            self.value = json.loads((self.folder / "model.json").read_text())["value"]

    def say(self, sample: Sample) -> Any:
        assert self.value is not None
        return Measurement(self.value, {"process": os.getpid()})


def from_file(entry: ScorerEntry, root: Path, device: str) -> FromFile:
    return FromFile(entry.resolve(root), entry)


def points(*scorers: type[Scripted]) -> dict[str, str]:
    """Return the entry points of scorers."""
    return {scorer.__name__.lower(): f"{MODULE}:{scorer.__name__}" for scorer in scorers}
