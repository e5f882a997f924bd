"""How far two renderings of one recipe lie apart: in pixels, in structure, and to the eye."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from generation.scoring import color

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Figures are kept to this many decimals: more would be noise of the measure itself.
_DECIMALS = 6
# Rows that are compared at a time: the color difference needs some thirty numbers for each pixel.
_ROWS = 128
_LUMA = np.array([0.299, 0.587, 0.114])
_SSIM_RADIUS = 5
_SSIM_SIGMA = 1.5
_SSIM_C1 = (0.01 * 255) ** 2
_SSIM_C2 = (0.03 * 255) ** 2


def decode(data: bytes) -> "NDArray[np.uint8]":
    """Decode the stored bytes of an image of ours: (height, width, 3), uint8, RGB."""
    with Image.open(BytesIO(data), formats=["PNG"]) as opened:
        return np.asarray(opened.convert("RGB"))


def measure(then: "NDArray[np.uint8]", now: "NDArray[np.uint8]") -> dict[str, Any]:
    """Compare the pixels of an image with those that were made again.

    then, now: (height, width, 3), uint8, RGB. Returns: `differing_share` of the pixels (0..1),
    `largest_difference` of a channel (0..255), `ssim` (-1..1, 1 is the same), and CIEDE2000 as
    `ciede2000_mean` and `ciede2000_max` (1 is just noticeable). Of two sizes only these are told.
    """
    if then.shape != now.shape:
        return {"size_then": _size_of(then), "size_now": _size_of(now)}
    gaps = np.abs(then.astype(np.int16) - now.astype(np.int16)).max(axis=2)
    total, largest = 0.0, 0.0
    for start in range(0, len(then), _ROWS):
        rows = slice(start, start + _ROWS)
        seen = color.difference(color.to_lab(then[rows]), color.to_lab(now[rows]))
        total += float(seen.sum())
        largest = max(largest, float(seen.max()))
    return {
        "differing_share": round(float((gaps > 0).mean()), _DECIMALS),
        "largest_difference": int(gaps.max()),
        "ssim": round(structural_similarity(then @ _LUMA, now @ _LUMA), _DECIMALS),
        "ciede2000_mean": round(total / gaps.size, _DECIMALS),
        "ciede2000_max": round(largest, _DECIMALS),
    }


def structural_similarity(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> float:
    """Return the mean SSIM of two gray images, (height, width), 0..255; sides of at least 11.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility
    to structural similarity", IEEE Transactions on Image Processing 13(4), 2004, equations 13 to
    17: a Gaussian window of 11 by 11 with a sigma of 1.5, K1 = 0.01, K2 = 0.03.

    >>> flat = np.zeros((16, 16))
    >>> structural_similarity(flat, flat), round(structural_similarity(flat, flat + 255), 4)
    (1.0, 0.0001)
    """
    mean_one, mean_other = _windowed(one), _windowed(other)
    squares = mean_one**2 + mean_other**2
    variances = _windowed(one**2) + _windowed(other**2) - squares
    product = mean_one * mean_other
    covariance = _windowed(one * other) - product
    similar = ((2 * product + _SSIM_C1) * (2 * covariance + _SSIM_C2)) / (
        (squares + _SSIM_C1) * (variances + _SSIM_C2)
    )
    return float(similar.mean())


def _windowed(plane: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the Gaussian mean round each pixel that has its whole window inside."""
    places = np.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1)
    weights = np.exp(-(places**2) / (2 * _SSIM_SIGMA**2))
    weights /= weights.sum()
    height, width = (side - 2 * _SSIM_RADIUS for side in plane.shape)
    down = sum(
        (weight * plane[place : place + height] for place, weight in enumerate(weights)),
        np.zeros((height, plane.shape[1])),
    )
    return sum(
        (weight * down[:, place : place + width] for place, weight in enumerate(weights)),
        np.zeros((height, width)),
    )


def _size_of(pixels: "NDArray[np.uint8]") -> str:
    height, width = pixels.shape[:2]
    return f"{width} x {height}"
