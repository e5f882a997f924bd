"""The heat is where the finding is, and its box is around it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generation.scoring import heat
from generation.scoring.protocol import ScorerUnavailable
from tests.unit.generation.scoring.images import flat


def red_share(images: Sequence[Image.Image]) -> list[float]:
    """Find what is red: a model that can be checked by eye."""
    shares = []
    for image in images:
        pixels = np.asarray(image).astype(int)
        is_red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
        shares.append(float(is_red.mean()))
    return shares


def with_spot(left: int, top: int, size: int = 20, side: int = 120) -> Image.Image:
    image = flat(120, side)
    image.paste((255, 0, 0), (left, top, left + size, top + size))
    return image


class TestFind:
    @pytest.mark.parametrize("at", [(0, 0), (40, 60), (100, 100), (0, 100)])
    def test_is_hottest_where_the_finding_is(self, at: tuple[int, int]) -> None:
        found: Any = heat.find(with_spot(*at), red_share, label="red")
        values = np.array(found["heat"]["values"]).reshape(6, 6)
        assert values[at[1] // 20, at[0] // 20] == values.max() == 1.0
        box = found["boxes"][0]
        assert box["x"] <= at[0] / 120
        assert box["y"] <= at[1] / 120
        assert box["x"] + box["width"] >= (at[0] + 20) / 120
        assert box["y"] + box["height"] >= (at[1] + 20) / 120
        assert box["width"] * box["height"] < 0.3
        assert (box["label"], box["score"]) == ("red", found["heat_drop"])

    def test_finds_nothing_where_nothing_falls(self) -> None:
        assert heat.find(flat(120), red_share, label="red") == {}
        assert heat.find(flat(120), lambda images: [0.9] * len(images), label="red") == {}

    def test_repeats_itself(self) -> None:
        assert heat.find(with_spot(7, 9), red_share, label="red") == heat.find(
            with_spot(7, 9), red_share, label="red"
        )

    def test_leaves_the_image_as_it_was(self) -> None:
        image = with_spot(7, 9)
        heat.find(image, red_share, label="red")
        assert image.tobytes() == with_spot(7, 9).tobytes()

    @pytest.mark.parametrize("size", [(1, 1), (1, 700), (2, 3)])
    def test_bears_images_smaller_than_its_grid(self, size: tuple[int, int]) -> None:
        found: Any = heat.find(
            Image.new("RGB", size, "red"), lambda images: [i.width / 9 for i in images], label="red"
        )
        assert found == {}

    def test_looks_once_for_each_cell_and_once_at_the_whole(self) -> None:
        looks: list[int] = []

        def measure(images: Sequence[Image.Image]) -> list[float]:
            looks.append(len(images))
            return [0.5] * len(images)

        heat.find(with_spot(0, 0), measure, label="red", grid=5)
        assert looks == [16, 10]


class TestSettings:
    @pytest.mark.parametrize("grid", [-1, 13, 2.5, "6", True, None])
    def test_refuse_a_grid_that_is_none(self, grid: object) -> None:
        with pytest.raises(ScorerUnavailable, match="from 0 to 12"):
            heat.read_grid({"grid": grid})

    @pytest.mark.parametrize("value", ["0.5", True, None, float("nan")])
    def test_refuse_a_value_that_is_none(self, value: object) -> None:
        with pytest.raises(ScorerUnavailable, match="finite number"):
            heat.read_explain_from({"explain_from": value}, 0.5)
