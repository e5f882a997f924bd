"""A perceptual hash: 64 bits that stay, nearly, when an image is saved again, scaled or cropped."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from generation.scoring.pixels import require_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

BITS = 64
_SIDE = 32
_FREQUENCIES = 8
# Rounding that no machine's sums cross: what is zero by symmetry must not become a bit by chance.
_DIGITS = 3


def perceptual_hash(image: "Image") -> int:
    """Return the signs of the low frequencies of an RGB image against their median.

    Equal hashes prove nothing: colors do not count, and every even image has the hash 0.
    Source: Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010,
    section 3.2.1 (DCT hash); here the mean, which says nothing of the picture, gives its place to
    the next frequency. Raises: ValueError unless the image is RGB.
    """
    from PIL.Image import Resampling

    require_rgb(image, 1)
    small = image.convert("L").resize((_SIDE, _SIDE), Resampling.BOX)
    waves = _cosines()
    spectrum = (waves @ np.asarray(small, dtype=np.float64) @ waves.T).round(_DIGITS)
    low = spectrum[:_FREQUENCIES, :_FREQUENCIES].ravel().copy()
    low[0] = spectrum[_FREQUENCIES, 0]
    bits = low > np.median(low)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def bits_apart(one: int, other: int) -> int:
    """Count the bits in which two hashes differ: 0 for the same picture, about 32 by chance.

    >>> bits_apart(0b1010, 0b0110)
    2
    """
    return (one ^ other).bit_count()


@cache
def _cosines() -> "NDArray[np.float64]":
    """Return the orthonormal DCT-II as a (32, 32) matrix."""
    places = np.arange(_SIDE)
    waves: NDArray[np.float64] = np.cos(np.pi * np.outer(places, 2 * places + 1) / (2 * _SIDE))
    waves *= np.sqrt(2 / _SIDE)
    waves[0] /= np.sqrt(2)
    return waves
