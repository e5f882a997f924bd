"""Sharpness, exposure and contrast by formula; no weights, the same on every machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from generation.scoring.protocol import Direction, Measurement, Scorer

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_LICENCE = "formula"
# Luma of Recommendation ITU-R BT.601-7, section 2.5.1.
_LUMA = (0.299, 0.587, 0.114)
_SIDE_MIN_PX = 3


def build() -> Sequence[Scorer]:
    """List the scorers that need no model."""
    return (Sharpness(), Exposure(), Contrast())


@dataclass(frozen=True)
class Sharpness:
    """The variance of the Laplacian of luma, on the scale 0..255.

    Blur removes the fine detail to which the Laplacian answers. Values depend on subject and size:
    calibrate the threshold for each template.
    Source: Pech-Pacheco et al., ICPR 2000, "Diatom autofocusing in brightfield microscopy: a
    comparative study", section 2 (LAPV); kernel of four neighbors.
    """

    id: ClassVar[str] = "sharpness"
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = _LICENCE
    higher_is: ClassVar[Direction] = "better"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def score(self, image: "Image", prompt: str) -> Measurement:  # noqa: ARG002
        """Measure sharpness; the outermost pixels, which lack a neighbor, are left out."""
        luma = _luma(image)
        laplacian = (
            luma[:-2, 1:-1]
            + luma[2:, 1:-1]
            + luma[1:-1, :-2]
            + luma[1:-1, 2:]
            - 4 * luma[1:-1, 1:-1]
        )
        return Measurement(float(laplacian.var()), {"size_px": list(image.size)})


@dataclass(frozen=True)
class Exposure:
    """The share of pixels that are clipped: every channel at black, or every channel at white.

    A clipped pixel holds no detail that could be brought back. A studio photo on pure white clips
    on purpose: calibrate for each template.
    Source: the clipping warning of raw converters; ISO 12234-3 has no number for it, so the bounds
    are ours: at most 1 or at least 254 of 255, which a JPEG's rounding still reaches.
    """

    id: ClassVar[str] = "exposure"
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = _LICENCE
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, image: "Image", prompt: str) -> Measurement:  # noqa: ARG002
        """Measure the clipped share, with its dark and its bright part as evidence."""
        pixels = np.asarray(image)
        dark = float((pixels <= 1).all(axis=2).mean())
        bright = float((pixels >= 254).all(axis=2).mean())  # noqa: PLR2004 - see the class
        return Measurement(dark + bright, {"dark_share": dark, "bright_share": bright})


@dataclass(frozen=True)
class Contrast:
    """RMS contrast: the standard deviation of luma on the scale 0..1.

    Source: Peli, JOSA A 7(10), 1990, "Contrast in complex images", equation 2. At most 0.5, for
    half black and half white.
    """

    id: ClassVar[str] = "contrast"
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = _LICENCE
    higher_is: ClassVar[Direction] = "better"
    range: ClassVar[tuple[float, float]] = (0.0, 0.5)

    def score(self, image: "Image", prompt: str) -> Measurement:  # noqa: ARG002
        """Measure contrast, with the mean luma as evidence."""
        luma = _luma(image) / 255
        return Measurement(min(float(luma.std()), 0.5), {"mean_luma": float(luma.mean())})


def _luma(image: "Image") -> "NDArray[np.float64]":
    """Return luma as (height, width), float64, 0..255.

    Raises: ValueError if the image is no RGB image of at least 3 x 3 pixels.
    """
    if image.mode != "RGB" or min(image.size) < _SIDE_MIN_PX:
        message = f"an RGB image of at least 3 x 3 pixels is needed, not {image.mode} {image.size}"
        raise ValueError(message)
    luma: NDArray[np.float64] = np.asarray(image, dtype=np.float64) @ np.array(_LUMA)
    return luma
