"""The figures of a drift report, against slow and separate reckonings."""

import math
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generation.jobs import drift

RANDOM = np.random.default_rng(5)
NOISE = RANDOM.integers(0, 256, (48, 32, 3), dtype=np.uint8)


def slow_ssim(one: Any, other: Any) -> float:
    """Reckon SSIM window by window, as the paper defines it."""
    places = range(-5, 6)
    kernel = np.array([[math.exp(-(x * x + y * y) / 4.5) for x in places] for y in places])
    kernel /= kernel.sum()
    found = []
    for row in range(one.shape[0] - 10):
        for column in range(one.shape[1] - 10):
            a, b = (each[row : row + 11, column : column + 11] for each in (one, other))
            mean_a, mean_b = (kernel * a).sum(), (kernel * b).sum()
            var_a, var_b = (kernel * (a - mean_a) ** 2).sum(), (kernel * (b - mean_b) ** 2).sum()
            both = (kernel * (a - mean_a) * (b - mean_b)).sum()
            found.append(
                (2 * mean_a * mean_b + 6.5025)
                * (2 * both + 58.5225)
                / ((mean_a**2 + mean_b**2 + 6.5025) * (var_a + var_b + 58.5225))
            )
    return float(np.mean(found))


class TestMeasure:
    def test_finds_nothing_between_equal_pixels(self) -> None:
        assert drift.measure(NOISE, NOISE.copy()) == {
            "differing_share": 0.0,
            "largest_difference": 0,
            "ssim": 1.0,
            "ciede2000_mean": 0.0,
            "ciede2000_max": 0.0,
        }

    def test_counts_pixels_and_not_channels(self) -> None:
        other = NOISE.copy()
        other[3, 4] = 255 - other[3, 4]
        other[40, 30, 1] ^= 1
        found = drift.measure(NOISE, other)
        assert found["differing_share"] == pytest.approx(2 / NOISE[..., 0].size, abs=1e-6)
        gaps = abs(NOISE[3, 4].astype(int) - other[3, 4].astype(int))
        assert found["largest_difference"] == gaps.max()

    def test_weighs_colors_as_the_eye_does(self) -> None:
        black, white = (np.full((16, 16, 3), level, np.uint8) for level in (0, 255))
        found = drift.measure(black, white)
        assert found["largest_difference"] == 255
        # Black to white is 100 by definition of the lightness.
        assert found["ciede2000_mean"] == pytest.approx(100, abs=0.01)
        assert found["ciede2000_max"] == pytest.approx(100, abs=0.01)

    def test_means_over_all_rows_of_a_tall_image(self) -> None:
        tall = np.zeros((300, 16, 3), np.uint8)
        other = tall.copy()
        other[:3] = 255
        assert drift.measure(tall, other)["ciede2000_mean"] == pytest.approx(1, abs=0.001)

    def test_tells_two_sizes_and_no_figure(self) -> None:
        assert drift.measure(NOISE, NOISE[:, :16]) == {
            "size_then": "32 x 48",
            "size_now": "16 x 48",
        }


class TestStructuralSimilarity:
    @pytest.mark.parametrize("noise", [0.5, 5, 60])
    def test_is_what_the_paper_defines(self, noise: float) -> None:
        one = RANDOM.uniform(0, 255, (24, 19))
        other = np.clip(one + RANDOM.normal(0, noise, one.shape), 0, 255)
        found = drift.structural_similarity(one, other)
        assert found == pytest.approx(slow_ssim(one, other), abs=1e-9)
        assert found < 1


class TestDecode:
    def test_gives_the_stored_pixels_back(self) -> None:
        buffer = BytesIO()
        Image.fromarray(NOISE, "RGB").save(buffer, "PNG")
        assert np.array_equal(drift.decode(buffer.getvalue()), NOISE)
