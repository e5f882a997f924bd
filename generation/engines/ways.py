"""The ways to an image beside words alone: sibling pipelines over the same weights.

Nothing is loaded twice: a sibling is another loop over the parts that are in memory already.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from generation.engines import pictures
from generation.engines.control import draw_map, load_controlnet
from generation.engines.handling import ALONE
from generation.engines.placement import Placement
from generation.engines.shelf import Loaded
from generation.engines.sources import Source, take
from generation.engines.spec import ControlRef, RunSpec
from generation.weights import runtime
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image


@dataclass(frozen=True)
class Siblings:
    """Which pipeline classes a family has beside its own; empty where it has none."""

    image_to_image: str = ""
    inpaint: str = ""
    control: str = ""


@dataclass(frozen=True)
class Way:
    """The pipeline that a spec asks for, what it is given beside the words, and facts on that.

    Where `has_start`, the pipeline makes the noise to start from itself, out of `given`.
    """

    pipeline: Any
    given: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    source: Source | None = None

    @property
    def has_start(self) -> bool:
        """Tell whether the image starts from a picture."""
        return self.source is not None

    def finish(self, pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        """Put back what a mask keeps. pixels: (height, width, 3), uint8, RGB."""
        return pixels if self.source is None else self.source.keep(pixels)


def choose(loaded: Loaded, spec: RunSpec, placement: Placement, siblings: Siblings) -> Way:
    """Find the way that a spec asks for: words alone, following a picture, or starting from one.

    Raises: InvalidInput for what is no picture or no mask; ModelUnavailable; RenderFailed.
    """
    if spec.control is not None:
        _require_siblings(loaded, "control")
        return _follow(loaded, spec.control, spec, placement, siblings.control)
    if spec.source is not None:
        source = take(spec.source, spec, placement, loaded.siblings)
        kind = siblings.image_to_image if source.mask is None else siblings.inpaint
        pipeline = loaded.pipeline
        if kind != type(pipeline).__name__:
            _require_siblings(loaded, "source")
            pipeline = _obtain(loaded, kind)
        return Way(pipeline, source.describe_start(spec), source.facts, source)
    return Way(loaded.pipeline)


def show(
    spec: RunSpec, area_px: int | None = None
) -> tuple[list["Image.Image"], Mapping[str, str]]:
    """Decode the pictures that a model looks at, in their order, and state them.

    Each is shrunk to `area_px`; without one the pipeline brings them to sizes of its own.
    Raises: InvalidInput.
    """
    shown: list[Image.Image] = []
    facts: dict[str, str] = {}
    for number, reference in enumerate(spec.references):
        name = f"references/{number}"
        picture = pictures.decode(reference.image, name)
        pictures.require_whole(picture, name)
        fit = pictures.WHOLE
        if area_px is not None:
            picture, fit = pictures.shrink(picture, area_px), pictures.SHRINK
        shown.append(picture)
        facts |= pictures.describe(f"reference.{number}", reference.image_sha256, picture, fit)
    return shown, facts


def _require_siblings(loaded: Loaded, field: str) -> None:
    """Refuse a sibling where the model is kept in a way that only its own pipeline knows.

    Raises: InvalidInput.
    """
    handling = loaded.key.placement.handling
    if handling.settings & ALONE:
        raise InvalidInput(
            f"A model that is placed as '{handling}' neither starts from nor follows a picture.",
            pointer=f"/{field}",
            rule="unsupported",
        )


def _follow(
    loaded: Loaded, control: ControlRef, spec: RunSpec, placement: Placement, kind: str
) -> Way:
    """Return the sibling that follows a map; the last used ControlNet stays in memory."""
    drawn, facts = draw_map(control, spec, placement, loaded.siblings)
    key = f"control {control.snapshot_sha256}"
    if key not in loaded.siblings:
        _drop(loaded.siblings, "control ")
        loaded.siblings[key] = _make(
            loaded, kind, controlnet=load_controlnet(control, spec, placement)
        )
    given = {
        "control_image": drawn,
        "controlnet_conditioning_scale": control.scale,
        # The map is encoded by a draw.
        "generator": torch.Generator("cpu").manual_seed(spec.seed),
    }
    return Way(loaded.siblings[key], given, facts)


def _obtain(loaded: Loaded, kind: str) -> Any:
    """Return the sibling of a class, made once."""
    if kind not in loaded.siblings:
        loaded.siblings[kind] = _make(loaded, kind)
    return loaded.siblings[kind]


def _make(loaded: Loaded, kind: str, **more: Any) -> Any:
    """Make a pipeline of another class over the loaded parts."""
    made = getattr(runtime.load_library("diffusers"), kind)(**loaded.pipeline.components, **more)
    made.set_progress_bar_config(disable=True)
    return made


def _drop(held: MutableMapping[str, Any], prefix: str) -> None:
    """Let go of what is held under names of one kind."""
    for name in [name for name in held if name.startswith(prefix)]:
        del held[name]
