"""What no camera makes: false contours, blocks of compression, seams of tiles, areas left empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from generation.scoring import pixels
from generation.scoring.pixels import LICENCE
from generation.scoring.protocol import Direction, Input, Measurement, Sample

# Banding: the levels that a false contour rises, and the even pixels on each side of it.
_CONTOUR_LEAST, _CONTOUR_MOST = 2, 24
_EVEN_PX = 3
_EVEN = 0.5
# Blocks: JPEG's period, and the levels of a step that count, at least and at most.
_PERIOD_PX = 8
_STEP_LEAST, _STEP_MOST = 2.0, 8.0
_SIDE_MIN_PX = 4 * _PERIOD_PX
# The colors of what was never painted: black, and the gray of a decoder that lacks data.
_EMPTY = ((0, 0, 0), (128, 128, 128))
# The figures at which each kind is an alarm; there it contributes 0.5.
_ALARMS: Mapping[str, float] = {"blocks": 0.15, "seams": 0.6, "empty": 0.1}


@dataclass(frozen=True)
class Banding:
    """The length of false contours, in half perimeters of the image.

    A false contour is a step of 2 to 24 levels of luma between pixels that are even for 3 px on
    both sides: what is left of a gradient that has too few levels. Grain hides it, and so it does
    from this scorer. Drawings in flat, similar tones have such steps by design.

    Start with a threshold of 0.25. Source: the definition of false contours in Daly and Feng, SPIE
    5292, 2004 (bit-depth extension), as a count.
    """

    id: ClassVar[str] = "banding"
    title: ClassVar[str] = "Banding"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})
    cost_ms: ClassVar[float] = 4.0
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = LICENCE
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1000.0)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image by itself."""
        return [self._measure(sample.image) for sample in samples]

    def _measure(self, image: Image) -> Measurement:
        """Count the pixels on contours; the heat shows where they run."""
        pixels.require_rgb(image)
        across, down = (_contours(levels) for levels in pixels.lines(image))
        # Of a large image some lines were looked at, and stand for those between them.
        length = across.sum() * image.height / len(across) + down.sum() * image.width / len(down)
        cells = _per_cell(across.astype(np.float32), down.astype(np.float32))
        return Measurement(
            float(length) / (image.width + image.height), {"heat": pixels.heat(cells, 0.25)}
        )


@dataclass(frozen=True)
class Artefacts:
    """The strongest of three kinds of damage, 0..1; at 0.5 one of them is an alarm.

    - blocks: steps that stand on every eighth line and not between them, in levels of luma, as
      compression leaves them; the median over all lines, so that one horizon counts nothing;
    - seams: how far straight steps cross the image both ways, as tiles leave them that were
      decoded apart;
    - empty: the share of rows or columns at a border that are one even black or decoder's gray.

    Each figure f with its alarm a contributes f / (f + a). An image of one single color is 1.
    Start with a threshold of 0.5. Repeated objects are no artefact: a row of products is one.
    Source: for blocks, the idea of Wang, Sheikh and Bovik, ICIP 2002 (differences across and within
    8 px), with ranks in place of means.
    """

    id: ClassVar[str] = "artefacts"
    title: ClassVar[str] = "Artefacts"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})
    cost_ms: ClassVar[float] = 6.0
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = LICENCE
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image by itself."""
        return [self._measure(sample.image) for sample in samples]

    def _measure(self, image: Image) -> Measurement:
        """Measure all kinds; boxes mark what is empty, the heat where steps stand."""
        pixels.require_rgb(image, 1)
        if all(channel.getextrema()[0] == channel.getextrema()[1] for channel in image.split()):
            return Measurement(1.0, {"kind": "one color", "boxes": [_box("empty", 0, 0, 1, 1)]})
        if min(image.size) < _SIDE_MIN_PX:
            raise ValueError(
                f"an image of at least {_SIDE_MIN_PX} x {_SIDE_MIN_PX} pixels is needed, "
                f"not {image.width} x {image.height}"
            )
        across, down = (_steps(levels) for levels in pixels.lines(image))
        boxes = _empty_borders(pixels.view(image))
        figures = {
            "blocks": _blocks(across, down),
            "seams": min(float((s > 0).mean(axis=0).max()) for s in (across, down)),
            "empty": max((float(box["score"]) for box in boxes), default=0.0),
        }
        parts = {name: f / (f + _ALARMS[name]) for name, f in figures.items()}
        worst = max(parts, key=parts.__getitem__)
        return Measurement(
            parts[worst],
            {
                "kind": worst,
                **{name: round(figure, 4) for name, figure in figures.items()},
                "boxes": boxes,
                "heat": pixels.heat(_per_cell(across, down), _STEP_MOST / 4),
            },
        )


def _per_cell(across: NDArray[np.float32], down: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum up what was found along rows and along columns, on the grid of the image."""
    return pixels.per_cell(across) + pixels.per_cell(down).T


def _contours(levels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark false contours between horizontal neighbors, as (height, width - 1)."""
    steps = np.abs(np.diff(levels, axis=1))
    is_even = steps <= _EVEN
    marks = (steps >= _CONTOUR_LEAST) & (steps <= _CONTOUR_MOST)
    marks[:, :_EVEN_PX] = False
    marks[:, -_EVEN_PX:] = False
    for away in range(1, _EVEN_PX + 1):
        marks[:, away:] &= is_even[:, :-away]
        marks[:, :-away] &= is_even[:, away:]
    return marks


def _steps(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each step between horizontal neighbors exceeds those beside it.

    As (height, width - 3), from the second step on; what is no step is 0, and none is above 8.
    """
    steps = np.abs(np.diff(levels, axis=1))
    excess = steps[:, 1:-1] - np.maximum(steps[:, :-2], steps[:, 2:])
    return np.where(excess >= _STEP_LEAST, np.minimum(excess, _STEP_MOST), 0).astype(np.float32)


def _blocks(across: NDArray[np.float32], down: NDArray[np.float32]) -> float:
    """Return by how much the lines of the strongest of eight phases exceed those of the next."""
    lines = [steps.mean(axis=0) for steps in (across, down)]
    phases = sorted(
        float(np.median(np.concatenate([line[phase::_PERIOD_PX] for line in lines])))
        for phase in range(_PERIOD_PX)
    )
    return phases[-1] - phases[-2]


def _empty_borders(image: Image) -> list[dict[str, float | str]]:
    """Return a box for each border at which whole lines are one even color of emptiness."""
    colors = np.asarray(image)
    found = []
    for color in _EMPTY:
        is_empty = (colors == np.array(color, dtype=np.uint8)).all(axis=2)
        rows, columns = is_empty.all(axis=1), is_empty.all(axis=0)
        top, bottom = _run(rows), _run(rows[::-1])
        left, right = _run(columns), _run(columns[::-1])
        found += [
            _box("empty", 0, 0, 1, top),
            _box("empty", 0, 1 - bottom, 1, bottom),
            _box("empty", 0, 0, left, 1),
            _box("empty", 1 - right, 0, right, 1),
        ]
    return [box for box in found if float(box["score"]) > 0]


def _run(is_empty: NDArray[np.bool_]) -> float:
    """Return the share of lines before the first that is not empty.

    >>> _run(np.array([True, False, True, True])), _run(np.array([True, True]))
    (0.25, 1.0)
    """
    return float(np.argmin(np.append(is_empty, False)) / len(is_empty))


def _box(label: str, x: float, y: float, width: float, height: float) -> dict[str, float | str]:
    """Return a box as evidence; its score is the share of the image that it covers."""
    places = {"x": x, "y": y, "width": width, "height": height, "score": width * height}
    return {"label": label, **{name: round(place, 4) for name, place in places.items()}}
