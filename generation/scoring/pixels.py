"""What the formulas share: luma, a bounded look at large images, local figures and their heat."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from PIL.Image import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

LICENCE = "formula"
SIDE_MIN_PX = 3
# Cells on each side of a heat map.
GRID = 8
# What is measured: an image of this side, or as many pixels or lines of a larger one.
_SIDE_MAX_PX = 512
_DIGITS = 4


def require_rgb(image: Image, side_min_px: int = SIDE_MIN_PX) -> None:
    """Refuse what has no pixels to compare.

    Raises: ValueError if the image is no RGB image of at least `side_min_px` on each side.
    """
    if image.mode != "RGB" or min(image.size) < side_min_px:
        message = (
            f"an RGB image of at least {side_min_px} x {side_min_px} pixels is needed, "
            f"not {image.mode} {image.width} x {image.height}"
        )
        raise ValueError(message)


def luma(image: Image) -> "NDArray[np.float32]":
    """Return luma as (height, width), float32, whole levels 0..255.

    Source: Recommendation ITU-R BT.601-7, section 2.5.1; rounded as an 8-bit signal is, so that
    every machine sees the same.
    """
    return np.asarray(image.convert("L"), dtype=np.float32)


def view(image: Image) -> Image:
    """Return the image as seen on a screen: reduced to at most 512 px on its longer side."""
    longest = max(image.size)
    if longest <= _SIDE_MAX_PX:
        return image
    width, height = (max(SIDE_MIN_PX, round(s * _SIDE_MAX_PX / longest)) for s in image.size)
    small = image.reduce(max(1, longest // (2 * _SIDE_MAX_PX)))
    return small.resize((width, height), PIL.Image.Resampling.BOX)


def parts(image: Image) -> "tuple[tuple[NDArray[np.float32], ...], ...]":
    """Return unscaled luma by rows of parts: the whole, or a part of each cell of a large image.

    What lives on single pixels is lost by scaling, and all of 40 million take too long.
    """
    width, height = image.size
    if max(width, height) <= _SIDE_MAX_PX:
        return ((luma(image),),)
    side = _SIDE_MAX_PX // GRID
    return tuple(
        tuple(
            luma(image.crop((left, top, min(width, left + side), min(height, top + side))))
            for left in _starts(width, side)
        )
        for top in _starts(height, side)
    )


def lines(image: Image) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    """Return unscaled luma along rows, (n, width), and along columns, (m, height).

    All of them, or of a large image 512 that are evenly spread.
    """
    levels = np.asarray(image.convert("L"))
    rows, columns = (_spread(length) for length in levels.shape)
    return levels[rows].astype(np.float32), levels[:, columns].T.astype(np.float32)


def per_cell(values: "NDArray[np.float32]", grid: int = GRID) -> "NDArray[np.float64]":
    """Average (height, width) over a grid; small images have as many cells as pixels.

    >>> per_cell(np.arange(16, dtype=np.float32).reshape(4, 4), 2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    rows, columns = min(grid, values.shape[0]), min(grid, values.shape[1])
    tops = np.arange(rows) * values.shape[0] // rows
    lefts = np.arange(columns) * values.shape[1] // columns
    sums = np.add.reduceat(np.add.reduceat(values, tops, axis=0, dtype=np.float64), lefts, axis=1)
    heights = np.diff(np.append(tops, values.shape[0]))
    widths = np.diff(np.append(lefts, values.shape[1]))
    means: NDArray[np.float64] = sums / np.outer(heights, widths)
    return means


def heat(cells: "NDArray[np.float64]", most: float = 1.0) -> Mapping[str, object]:
    """Return figures per cell as evidence: row by row, as shares 0..1 of `most`."""
    shares = np.clip(np.nan_to_num(cells) / most, 0.0, 1.0).round(_DIGITS)
    rows, columns = cells.shape
    return {"rows": rows, "columns": columns, "values": [float(v) for v in shares.ravel()]}


def _starts(length: int, part: int) -> list[int]:
    """Return where the parts of one side begin: in the middles of cells, where there is room.

    >>> _starts(40, 64), _starts(300, 64), _starts(1024, 64)
    ([0], [0, 64, 128, 192], [32, 160, 288, 416, 544, 672, 800, 928])
    """
    if length <= part * GRID:
        return [index * part for index in range(max(1, length // part))]
    cell = length / GRID
    return [round(index * cell + (cell - part) / 2) for index in range(GRID)]


def _spread(length: int) -> "NDArray[np.intp]":
    """Return up to 512 places, evenly spread over a side.

    >>> _spread(3).tolist(), len(_spread(8000)), int(_spread(8000)[-1])
    ([0, 1, 2], 512, 7992)
    """
    count = min(length, _SIDE_MAX_PX)
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)
