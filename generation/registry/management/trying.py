"""How a model is tried before anybody approves it: images as an order would have them made."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from generation.engines import registry as engines
from generation.engines import trials
from generation.engines.memory import peak_bytes
from generation.engines.spec import RunResult, RunSpec
from generation.registry.conventions import Defaults

Options = Mapping[str, Any]

# Where neither the operator nor a convention says otherwise.
_USUAL = Defaults(max_sequence_length=77, dtype="float32", sizes=((256, 256),))


@dataclass(frozen=True)
class Run:
    """How a model is run unless an order says otherwise; the sizes are those of trials, in px."""

    steps: int
    guidance: float
    max_sequence_length: int
    dtype: str
    sizes: tuple[tuple[int, int], ...]
    handling: str = "resident"


@dataclass(frozen=True)
class Tried:
    """What images of one size cost: seconds with loading and without, and the most memory taken.

    `peak_bytes` is the graphics device's where there is one, else the whole process's.
    """

    width_px: int
    height_px: int
    first_s: float
    warm_s: float
    peak_bytes: int


def settle(options: Options, convention: Defaults) -> Run:
    """Decide how the model is run: as the operator says, as its convention does, or as usual."""

    def chosen(name: str) -> Any:
        for value in (options[name], getattr(convention, name), getattr(_USUAL, name)):
            if value is not None:
                return value
        raise CommandError(
            f"State --{name}: the convention does not."
            if options["convention"]
            else f"State --{name}, or name a --convention."
        )

    side = options["side"]
    return Run(
        steps=chosen("steps"),
        guidance=chosen("guidance"),
        max_sequence_length=chosen("max_sequence_length"),
        dtype=chosen("dtype"),
        sizes=((side, side),) if side else convention.sizes or _USUAL.sizes,
        handling=options["placement"],
    )


def pipeline_of(folder: Path) -> str:
    """Return the pipeline class that a folder names."""
    try:
        return str(json.loads((folder / "model_index.json").read_bytes())["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"'{folder}' is no pipeline: it has no readable 'model_index.json'."
        ) from error


def render(
    folder: Path, sha256: str, pipeline: str, run: Run, device: str, *, size: int = 0
) -> RunResult:
    """Make one image of the size of that number, as an order would. Raises: DomainError."""
    width, height = run.sizes[size]
    spec = RunSpec(
        folder=folder,
        snapshot_sha256=sha256,
        pipeline=pipeline,
        prompt="a mug on a wooden table",
        negative_prompt="",
        width=width,
        height=height,
        steps=run.steps,
        guidance=run.guidance,
        seed=1,
        max_sequence_length=run.max_sequence_length,
        device=device,
        dtype=run.dtype,
        handling=run.handling,
    )
    engine = engines.find(pipeline)
    return engine.render(trials.complete(spec, engine.needed), lambda _done, _of: None)


def measure(folder: Path, sha256: str, pipeline: str, run: Run, device: str) -> tuple[Tried, ...]:
    """Make two images of each size and say what they cost. Raises: DomainError."""
    found = []
    for number, (width, height) in enumerate(run.sizes):
        began = time.perf_counter()
        render(folder, sha256, pipeline, run, device, size=number)
        first_s = time.perf_counter() - began
        again = render(folder, sha256, pipeline, run, device, size=number)
        found.append(Tried(width, height, first_s, again.seconds, peak_bytes(device)))
    return tuple(found)
