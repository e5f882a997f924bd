"""Which module does which step; found by looking, so adding one is adding a file."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import PIL

import generation.transforms
from generation.transforms.protocol import Apply, TransformFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from templates.prompts.steps import Step


def carry_out(step: "Step", pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Do one step, and insist on the size that it says. pixels: (height, width, 3), uint8, RGB.

    Raises: TransformFailed.
    """
    found = discover().get(step.NAME)
    if found is None:
        raise TransformFailed(
            f"No transform does the step '{step.NAME}'. There is one for: "
            f"{', '.join(sorted(discover()))}.",
            step=step.NAME,
        )
    height, width, _channels = pixels.shape
    made = found(step, pixels)
    wanted = step.size_after((width, height))
    if made.dtype != np.uint8 or made.shape != (wanted[1], wanted[0], 3):
        raise TransformFailed(
            f"The step '{step.NAME}' made another image than it says.",
            step=step.NAME,
            shape=str(made.shape),
        )
    return made


def facts() -> Mapping[str, str]:
    """Name the libraries that decide a transform's bytes."""
    return {"numpy": np.__version__, "pillow": PIL.__version__}


@cache
def discover() -> Mapping[str, Apply]:
    """Map each step's name to what does it. Raises: ValueError if two modules claim one name."""
    found: dict[str, Apply] = {}
    for info in pkgutil.iter_modules(generation.transforms.__path__, "generation.transforms."):
        if info.name == __name__:
            continue
        module = importlib.import_module(info.name)
        name = getattr(module, "NAME", None)
        if name is None:
            continue
        if name in found:
            message = f"two modules do the step {name}"
            raise ValueError(message)
        found[name] = module.apply
    return MappingProxyType(found)
