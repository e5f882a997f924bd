"""Keeps a part of an image, pixel by pixel."""

from typing import TYPE_CHECKING

import numpy as np

from templates.prompts.steps import Crop

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = Crop.NAME


def apply(step: Crop, pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Crop. pixels: (height, width, 3), uint8, RGB."""
    height, width, _channels = pixels.shape
    left, top, right, bottom = step.kept((width, height))
    return np.ascontiguousarray(pixels[top:bottom, left:right])
