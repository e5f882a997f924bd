"""Findings drawn over an image as SVG: boxes and heat; numbers only, so nothing here is markup."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOST_CELLS = 32
FAINTEST = 0.12


def overlay(finding: Mapping[str, Any], width_px: int, height_px: int, *, is_hidden: bool) -> str:
    """Return one finding's boxes and heat to lay over an image of that size.

    The list beside the image says the same in words, so this is decoration to a screen reader.

    >>> box = {"x": "1.0", "y": "2.0", "width": "3.0", "height": "4.0"}
    >>> 'y="2.0"' in overlay({"number": 1, "boxes": [box], "heat": None}, 9, 9, is_hidden=False)
    True
    """
    inside = _heat(finding["heat"], width_px, height_px) if finding["heat"] else ""
    inside += "".join(_box(box) for box in finding["boxes"])
    hidden = " hidden" if is_hidden else ""
    return (
        f'<svg class="overlay" id="overlay-{finding["number"]}"'
        f' viewBox="0 0 {width_px} {height_px}" aria-hidden="true" focusable="false"{hidden}>'
        f"{inside}</svg>"
    )


def _box(box: Mapping[str, Any]) -> str:
    at = f'x="{box["x"]}" y="{box["y"]}" width="{box["width"]}" height="{box["height"]}"'
    return f'<rect class="edge" {at}/><rect class="line" {at}/>'


def _heat(heat: Mapping[str, Any], width_px: int, height_px: int) -> str:
    rows, columns, values = pooled(heat["rows"], heat["columns"], heat["values"])
    wide, high = width_px / columns, height_px / rows
    return "".join(
        f'<rect class="heat" x="{index % columns * wide:.2f}" y="{index // columns * high:.2f}"'
        f' width="{wide:.2f}" height="{high:.2f}" fill-opacity="{0.75 * value:.2f}"/>'
        for index, value in enumerate(values)
        if value >= FAINTEST
    )


def pooled(rows: int, columns: int, values: Sequence[float]) -> tuple[int, int, list[float]]:
    """Return a grid of at most 32 × 32 that keeps each area's highest value.

    >>> pooled(1, 2, [0.1, 0.9])
    (1, 2, [0.1, 0.9])
    """
    by_row, by_column = -(-rows // MOST_CELLS), -(-columns // MOST_CELLS)
    new_rows, new_columns = -(-rows // by_row), -(-columns // by_column)
    return (
        new_rows,
        new_columns,
        [
            max(_area(values, rows, columns, row * by_row, column * by_column, by_row, by_column))
            for row in range(new_rows)
            for column in range(new_columns)
        ],
    )


def _area(
    values: Sequence[float], rows: int, columns: int, top: int, left: int, high: int, wide: int
) -> Iterable[float]:
    return (
        values[row * columns + column]
        for row in range(top, min(top + high, rows))
        for column in range(left, min(left + wide, columns))
    )
