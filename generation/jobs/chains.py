"""From what a model made to the finished image: the steps of its template, output by output.

Output 0 is what the model made, output n that of step n; each is made from the one before, and
nothing else. What needs the device comes first, so that the device's thread can hand the rest on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from generation.engines.protocol import OnStep
from generation.engines.spec import BoxMask, RunResult, RunSpec, SourceRef
from generation.jobs import rendering
from generation.transforms import registry as transforms
from governance.kernel.digests import sha256_hex
from templates.prompts import steps as kinds
from templates.prompts.steps import Inpaint, Repaint, Step

GENERATED = "generate"

Outputs = tuple[RunResult, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps of a template, as it declares them and as they were read."""

    declared: tuple[Mapping[str, Any], ...]
    steps: tuple[Step, ...]

    @property
    def on_device(self) -> int:
        """Return how many of the first steps are done before the device is free."""
        painted = (place for place, step in enumerate(self.steps, 1) if isinstance(step, Repaint))
        return max(painted, default=0)


def read(declared: Sequence[Mapping[str, Any]]) -> Chain:
    """Read the steps that a template or a recipe declares. Raises: InvalidInput."""
    return Chain(tuple(declared), tuple(kinds.read(each) for each in declared))


def begin(chain: Chain, run: RunSpec, on_step: OnStep) -> Outputs:
    """Render, and do the steps up to the last that needs the device; `on_step` sees one render.

    Raises: what rendering raises; TransformFailed.
    """

    def before_the_last(done: int, total: int) -> None:
        on_step(done, total + 1)

    def of_the_last(done: int, total: int) -> None:
        on_step(run.steps_taken, run.steps_taken if done == total else run.steps_taken + 1)

    def between(_done: int, _total: int) -> None:
        on_step(run.steps_taken, run.steps_taken + 1)

    last = chain.on_device
    made: Outputs = (rendering.render(run, before_the_last if last else on_step),)
    for place, step in enumerate(chain.steps[:last], 1):
        if isinstance(step, Repaint):
            telling = of_the_last if place == last else between
            made = (*made, rendering.render(_painting(step, run, made[-1]), telling))
        else:
            made = (*made, _transformed(step, made[-1]))
    return made


def complete(chain: Chain, made: Outputs) -> Outputs:
    """Do the steps that are left; none of them needs the device. Raises: TransformFailed."""
    for step in chain.steps[len(made) - 1 :]:
        made = (*made, _transformed(step, made[-1]))
    return made


def facts(chain: Chain, made: Outputs, files: Sequence[bytes]) -> list[dict[str, Any]]:
    """Write each output as a recipe keeps it; empty for an image that was only generated.

    files: the encoded outputs, in the same order.
    """
    if not chain.steps:
        return []
    declared = ({"name": GENERATED}, *chain.declared)
    return [
        {
            "declared": dict(step),
            "sha256": sha256_hex(data),
            "pixels_sha256": each.pixels_sha256,
            "width_px": each.pixels.shape[1],
            "height_px": each.pixels.shape[0],
            "facts": {name: str(value) for name, value in each.facts.items()},
        }
        for step, each, data in zip(declared, made, files, strict=True)
    ]


def _transformed(step: Step, before: RunResult) -> RunResult:
    """Do a step that needs no model; it takes none of the device's seconds."""
    pixels = transforms.carry_out(step, before.pixels)
    return RunResult(pixels=pixels, seconds=0.0, facts=transforms.facts())


def _painting(step: Repaint, run: RunSpec, before: RunResult) -> RunSpec:
    """Say to the order's own model what to paint on: the image so far, in the order's words."""
    data = rendering.encode(before)
    box = step.box if isinstance(step, Inpaint) else None
    height, width, _channels = before.pixels.shape
    return replace(
        run,
        width=width,
        height=height,
        steps=step.steps,
        control=None,
        references=(),
        source=SourceRef(
            image=data,
            image_sha256=sha256_hex(data),
            strength=step.strength,
            mask=None if box is None else BoxMask(box.left, box.top, box.right, box.bottom),
        ),
    )
