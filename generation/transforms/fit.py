"""Brings an image to a rendition's size: what is over is cut, or ground is added around it."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from templates.prompts.steps import Fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = Fit.NAME


def apply(step: Fit, pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Scale and cut, or scale and pad. pixels: (height, width, 3), uint8, RGB."""
    image, size = Image.fromarray(pixels, "RGB"), (step.width, step.height)
    if step.way == "cover":
        fitted = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    else:
        fitted = ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=step.background)
    return np.asarray(fitted)
