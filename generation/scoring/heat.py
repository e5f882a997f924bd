"""Where a finding sits: how much of it goes away when a part of the image is covered."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from generation.scoring.protocol import ScorerUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

GRID = 6
GRID_MAX = 12
# Models look at 64 to 384 px; covering parts of a larger copy would cost time and show no more.
_SIDE_MAX_PX = 448
# A group is much faster than one after the other; a large model's memory bounds it.
_TOGETHER = 16
# What belongs to the finding: at least half as hot as its hottest part.
_HOT = 0.5
_DIGITS = 4


def find(
    image: "Image",
    measure: Callable[[Sequence["Image"]], Sequence[float]],
    *,
    label: str,
    grid: int = GRID,
) -> Mapping[str, object]:
    """Cover the image part by part and return `heat` and the box around its hottest area.

    `measure` gives the value whose fall is the heat, for a group of images at once; it looks at
    grid * grid + 1 in all. Each cover has the image's mean color and is two cells wide, so that a
    thing on a border is hit whole. The heat is relative to the hottest cell; `heat_drop` says how
    far the value fell there. Nothing is returned if covering lowers it nowhere. Gradient-free, so
    the same on every run.

    Source: Zeiler and Fergus, arXiv:1311.2901, section 4.2 (occlusion sensitivity).
    """
    small = image.copy()
    small.thumbnail((_SIDE_MAX_PX, _SIDE_MAX_PX))
    color = tuple(int(level) for level in np.asarray(small).reshape(-1, 3).mean(axis=0).round())
    looks = [small, *(_covered(small, color, divmod(cell, grid), grid) for cell in range(grid**2))]
    values: list[float] = []
    for start in range(0, len(looks), _TOGETHER):
        values += measure(looks[start : start + _TOGETHER])
    drops = np.maximum(0.0, values[0] - np.array(values[1:])).reshape(grid, grid)
    hottest = float(drops.max())
    if hottest <= 0:
        return {}
    shares = (drops / hottest).round(_DIGITS)
    return {
        "heat": {"rows": grid, "columns": grid, "values": [float(v) for v in shares.ravel()]},
        "heat_drop": round(hottest, _DIGITS),
        "boxes": [{**_box(shares), "label": label, "score": round(hottest, _DIGITS)}],
    }


def read_grid(settings: Mapping[str, object]) -> int:
    """Read the setting `grid`: cells on each side, 0 for no heat at all.

    Raises: ScorerUnavailable if it is no whole number from 0 to 12.
    """
    grid = settings.get("grid", GRID)
    if type(grid) is not int or not 0 <= grid <= GRID_MAX:
        raise ScorerUnavailable(
            f"The setting 'grid' of a scorer is a whole number from 0 to {GRID_MAX}."
        )
    return grid


def read_explain_from(settings: Mapping[str, object], usual: float) -> float:
    """Read the setting `explain_from`: the value from which on a finding is shown as heat.

    Raises: ScorerUnavailable if it is no finite number.
    """
    value = settings.get("explain_from", usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ScorerUnavailable("The setting 'explain_from' of a scorer is a finite number.")
    return float(value)


def _covered(image: "Image", color: tuple[int, ...], cell: tuple[int, int], grid: int) -> "Image":
    """Return a copy with one cell covered."""
    copy = image.copy()
    copy.paste(color, _cover(*cell, grid, image.size))
    return copy


def _cover(row: int, column: int, grid: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a cell with half a cell around it, at least 1 px wide.

    >>> _cover(0, 0, 4, (64, 64)), _cover(3, 1, 4, (64, 64))
    ((0, 0, 24, 24), (8, 40, 40, 64))
    """

    def span(index: int, length: int) -> tuple[int, int]:
        start = max(0, int((index - 0.5) * length / grid))
        return start, max(start + 1, min(length, int((index + 1.5) * length / grid)))

    left, right = span(column, size[0])
    top, bottom = span(row, size[1])
    return left, top, right, bottom


def _box(shares: "NDArray[np.float64]") -> Mapping[str, float]:
    """Return the box around the hot cells that touch the hottest one, as shares of the image."""
    grid = shares.shape[0]
    cells = _connected(shares >= _HOT, divmod(int(shares.argmax()), grid))
    rows, columns = [row for row, _ in cells], [column for _, column in cells]
    top, left = min(rows), min(columns)
    return {
        "x": round(left / grid, _DIGITS),
        "y": round(top / grid, _DIGITS),
        "width": round((max(columns) + 1 - left) / grid, _DIGITS),
        "height": round((max(rows) + 1 - top) / grid, _DIGITS),
    }


def _connected(hot: "NDArray[np.bool_]", start: tuple[int, int]) -> Sequence[tuple[int, int]]:
    """List the hot cells that can be reached from `start` over shared sides.

    >>> _connected(np.array([[True, True], [False, True]]), (0, 0))
    [(0, 0), (0, 1), (1, 1)]
    >>> _connected(np.array([[True, False], [False, True]]), (0, 0))
    [(0, 0)]
    """
    found, waiting = {start}, [start]
    while waiting:
        row, column = waiting.pop()
        for cell in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= cell[0] < hot.shape[0] and 0 <= cell[1] < hot.shape[1]
            if inside and cell not in found and hot[cell]:
                found.add(cell)
                waiting.append(cell)
    return sorted(found)
