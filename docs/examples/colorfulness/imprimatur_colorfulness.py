"""A scorer from outside: how colorful an image is. Install it beside the worker, and it is used."""

import math
from collections.abc import Sequence

import numpy as np

from generation.scoring.protocol import Input, Measurement, Sample


class Colorfulness:
    """The spread and the mean of an image's two opponent color channels, on the scale 0..255.

    Source: Hasler and Süsstrunk, "Measuring colourfulness in natural images", Proc. SPIE 5007,
    2003, equation 2. Grey is 0, an ordinary photo about 40, above 100 is gaudy.
    """

    id = "colorfulness"
    title = "Colorfulness"
    version = "1"
    weights_sha256 = None
    licence = "CC0-1.0"
    higher_is = "better"
    range = (0.0, math.inf)
    inputs = frozenset({Input.IMAGE})
    cost_ms = 4.0

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image; the strongest of 8 x 8 parts can be seen in the heat."""
        return [self._measure(np.asarray(sample.image, dtype=np.float64)) for sample in samples]

    def _measure(self, pixels: np.ndarray) -> Measurement:
        value = _colorfulness(pixels)
        rows, columns = min(8, pixels.shape[0]), min(8, pixels.shape[1])
        parts = [
            _colorfulness(part)
            for row in np.array_split(pixels, rows, axis=0)
            for part in np.array_split(row, columns, axis=1)
        ]
        most = max(parts) or 1.0
        heat = {"rows": rows, "columns": columns, "values": [round(p / most, 3) for p in parts]}
        return Measurement(value, {"heat": heat})


def _colorfulness(pixels: np.ndarray) -> float:
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = math.hypot(red_green.std(), yellow_blue.std())
    return spread + 0.3 * math.hypot(red_green.mean(), yellow_blue.mean())
