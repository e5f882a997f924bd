"""Enlarges by a whole factor with Pillow's Lanczos filter, which calculates in whole numbers."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from templates.prompts.steps import Lanczos

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = Lanczos.NAME


def apply(step: Lanczos, pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Enlarge. pixels: (height, width, 3), uint8, RGB."""
    height, width, _channels = pixels.shape
    image = Image.fromarray(pixels, "RGB")
    return np.asarray(image.resize(step.size_after((width, height)), Image.Resampling.LANCZOS))
