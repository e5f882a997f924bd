"""Sharpness, noise, exposure and contrast by formula; no weights, the same on every machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from generation.scoring import pixels
from generation.scoring.pixels import LICENCE
from generation.scoring.protocol import Direction, Input, Measurement, Sample

# Sharpness: a difference of luma within a window that counts as an edge, and the window's side.
_EDGE = 32
_WINDOW_PX = 7
_SIDE_MIN_PX = 12
# Contrast: unrounded luma of Recommendation ITU-R BT.601-7, section 2.5.1, and rows at a time.
_LUMA = np.array([0.299, 0.587, 0.114])
_BAND_PX = 256
# Exposure: levels at which a channel holds no detail, and how bright the brightest percent must be.
_BLACK, _WHITE = 2, 253
# The third channel of a light that has lost its color; of a pure color it is lower.
_WASHED_OUT = 64
_BRIGHTEST_PERCENTILE = 99
_BRIGHT_ENOUGH = 0.6
# Noise: the part of an image that is taken for its plainest, and the figure that fills its heat.
_PLAINEST_PERCENTILE = 20
_NOISE_GRID = 12
_NOISE_MOST = 20.0


@dataclass(frozen=True)
class Sharpness:
    """How steep the edges are: the rise from one pixel to the next as a share of the whole edge.

    The median over the crests of all edges (at least 32 of 255 levels within 8 px), after light
    smoothing, on the image as reduced to at most 512 px. An edge of one pixel gives 0.5, one that a
    Gaussian of s px (up to 2) has blurred about 0.4 / sqrt(s^2 + 0.5). Contrast cancels out, and
    noise hardly counts. An image without any edge gives 0: nothing in it is sharp.

    Start with a threshold of 0.28: a blur of 1.3 px falls below, one of 1 px stays above.
    Source: the edge-spread view of blur (Marziliano et al., ICIP 2002), with the ratio of maximal
    slope to height in place of a width that must be traced.
    """

    id: ClassVar[str] = "sharpness"
    title: ClassVar[str] = "Sharpness"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})
    cost_ms: ClassVar[float] = 5.0
    version: ClassVar[str] = "2"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = LICENCE
    higher_is: ClassVar[Direction] = "better"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image by itself."""
        return [self._measure(sample.image) for sample in samples]

    def _measure(self, image: Image) -> Measurement:
        """Take the median steepness; the heat shows it per cell, cells without an edge as 0."""
        pixels.require_rgb(image, _SIDE_MIN_PX)
        levels = pixels.luma(pixels.view(image))
        if min(levels.shape) < _SIDE_MIN_PX:
            raise ValueError(f"an image of {image.width} x {image.height} is too narrow for edges")
        smooth = _smooth(levels)
        rise = np.maximum(
            np.abs(smooth[:-1, 1:] - smooth[:-1, :-1]), np.abs(smooth[1:, :-1] - smooth[:-1, :-1])
        )
        lowest = -_highest(-smooth, _WINDOW_PX + 1)
        height = _highest(smooth, _WINDOW_PX + 1) - lowest
        # Only where an edge is steepest: beside it a window holds the edge's foot and no more.
        reach = _WINDOW_PX // 2
        crest = rise[reach:-reach, reach:-reach]
        is_edge = (height >= _EDGE) & (crest >= _highest(rise, _WINDOW_PX))
        steepness = np.where(is_edge, crest / np.maximum(height, 1), 0)
        value = float(np.median(steepness[is_edge])) if is_edge.any() else 0.0
        edges = pixels.per_cell(is_edge.astype(np.float32))
        cells = pixels.per_cell(steepness.astype(np.float32)) / np.maximum(edges, 1e-9)
        return Measurement(
            min(1.0, value),
            {"edge_share": round(float(is_edge.mean()), 4), "heat": pixels.heat(cells, 0.5)},
        )


@dataclass(frozen=True)
class Noise:
    """The standard deviation of noise, in levels of luma (0..255), where the image is plainest.

    Structure looks like noise, so each of up to 144 cells is measured and the fifth that is
    plainest decides: noise is everywhere. Film grain put in on purpose counts too.

    Start with a threshold of 3. Source: Immerkaer, Computer Vision and Image Understanding 64(2),
    1996, "Fast noise variance estimation", equation 4.
    """

    id: ClassVar[str] = "noise"
    title: ClassVar[str] = "Noise"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})
    cost_ms: ClassVar[float] = 3.0
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = LICENCE
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1000.0)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image by itself."""
        return [self._measure(sample.image) for sample in samples]

    def _measure(self, image: Image) -> Measurement:
        """Measure unscaled pixels: scaling would average the noise away."""
        pixels.require_rgb(image)
        rough = [[_roughness(part) for part in row] for row in pixels.parts(image)]
        if len(rough) == len(rough[0]) == 1:
            cells = pixels.per_cell(rough[0][0], _NOISE_GRID)
        else:
            cells = np.array([[part.mean(dtype=np.float64) for part in row] for row in rough])
        cells *= np.sqrt(np.pi / 2) / 6
        value = float(np.percentile(cells, _PLAINEST_PERCENTILE, method="lower"))
        return Measurement(
            value,
            {
                "median_of_cells": round(float(np.median(cells)), 4),
                "heat": pixels.heat(cells, _NOISE_MOST),
            },
        )


@dataclass(frozen=True)
class Exposure:
    """How much is lost to light or dark: the share of clipped pixels, or how dull the whole is.

    A pixel is clipped if every channel is at black, or two are at white and the third is washed out
    with them: no detail could be brought back. An image is dull as far as its brightest percent
    stays below 60 percent of white. The larger of both counts. A studio photo on pure white clips
    on purpose: calibrate it there.

    Start with a threshold of 0.015 for pictures that have no pure white or black by design.
    Source: the clipping warning of raw converters; the bounds are ours.
    """

    id: ClassVar[str] = "exposure"
    title: ClassVar[str] = "Exposure"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})
    cost_ms: ClassVar[float] = 2.0
    version: ClassVar[str] = "2"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = LICENCE
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image by itself."""
        return [self._measure(sample.image) for sample in samples]

    def _measure(self, image: Image) -> Measurement:
        """Measure both ends; the heat shows where pixels are clipped."""
        pixels.require_rgb(image, 1)
        seen = pixels.view(image)
        red, green, blue = (np.asarray(channel) for channel in seen.split())
        most, least = np.maximum(red, green), np.minimum(red, green)
        dark = np.maximum(most, blue) <= _BLACK
        # The middle one of three: the larger of the lesser, or the third if it lies between.
        middle = np.maximum(least, np.minimum(most, blue))
        bright = (middle >= _WHITE) & (np.minimum(least, blue) >= _WASHED_OUT)
        levels = pixels.luma(seen)
        brightest = float(np.percentile(levels, _BRIGHTEST_PERCENTILE, method="lower")) / 255
        dullness = max(0.0, 1 - brightest / _BRIGHT_ENOUGH)
        dark_share, bright_share = float(dark.mean()), float(bright.mean())
        return Measurement(
            max(dark_share + bright_share, dullness),
            {
                "dark_share": round(dark_share, 4),
                "bright_share": round(bright_share, 4),
                "brightest_luma": round(brightest, 4),
                "heat": pixels.heat(pixels.per_cell((dark | bright).astype(np.float32))),
            },
        )


@dataclass(frozen=True)
class Contrast:
    """RMS contrast: the standard deviation of luma on the scale 0..1.

    Start with a threshold of 0.05. Source: Peli, JOSA A 7(10), 1990, "Contrast in complex images",
    equation 2. At most 0.5, for half black and half white.
    """

    id: ClassVar[str] = "contrast"
    title: ClassVar[str] = "Contrast"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})
    cost_ms: ClassVar[float] = 1.0
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = LICENCE
    higher_is: ClassVar[Direction] = "better"
    range: ClassVar[tuple[float, float]] = (0.0, 0.5)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image by itself."""
        return [self._measure(sample.image) for sample in samples]

    def _measure(self, image: Image) -> Measurement:
        """Measure contrast, with the mean luma as evidence."""
        pixels.require_rgb(image, 1)
        mean = sum(float(part.sum()) for part in _bands(image)) / (image.width * image.height)
        squares = sum(float(((part - mean) ** 2).sum()) for part in _bands(image))
        deviation = float(np.sqrt(squares / (image.width * image.height)))
        return Measurement(min(deviation, 0.5), {"mean_luma": round(mean, 4)})


def _bands(image: Image) -> Iterator[NDArray[np.float64]]:
    """Yield unrounded luma 0..1, some rows at a time: a large image as a whole takes gigabytes."""
    for top in range(0, image.height, _BAND_PX):
        part = image.crop((0, top, image.width, min(image.height, top + _BAND_PX)))
        yield np.asarray(part, dtype=np.float64) @ _LUMA / 255


def _roughness(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each pixel is from what its eight neighbors lead to expect, times four."""
    across = levels[:, :-2] - 2 * levels[:, 1:-1] + levels[:, 2:]
    rough: NDArray[np.float32] = np.abs(across[:-2] - 2 * across[1:-1] + across[2:])
    return rough


def _smooth(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average each pixel with its neighbors by the binomial weights 1, 2, 1 of both directions."""
    across = levels[:, :-2] + 2 * levels[:, 1:-1] + levels[:, 2:]
    smooth: NDArray[np.float32] = (across[:-2] + 2 * across[1:-1] + across[2:]) / 16
    return smooth


def _highest(values: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Return the maximum over every square window of some pixels.

    >>> _highest(np.array([[1, 2, 0], [0, 0, 0], [4, 0, 3]], dtype=np.float32), 2).tolist()
    [[2.0, 2.0], [4.0, 3.0]]
    """
    covered = 1
    while covered < window:
        step = min(covered, window - covered)
        values = np.maximum(values[:-step], values[step:])
        values = np.maximum(values[:, :-step], values[:, step:])
        covered += step
    return values
