"""Faults damage a picture by their strength; softening does far less than any of them."""

import random

import numpy as np
import pytest
from PIL import Image

from generation.packs.training import faults
from generation.packs.world import draw
from generation.packs.world.scene import Scene


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return draw.draw(Scene("shoe", "teal", "marble", badge="new"), 128, random.Random(1))


def distance(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


class TestFaults:
    @pytest.mark.parametrize("name", faults.FAULTS)
    def test_damage_more_with_more_strength(self, name: str, picture: Image.Image) -> None:
        def damage(strength: float) -> float:
            lots = [np.random.default_rng(seed) for seed in range(6)]
            return float(
                np.mean(
                    [distance(picture, faults.FAULTS[name](picture, strength, r)) for r in lots]
                )
            )

        assert 1 < damage(0.0) < damage(1.0)

    @pytest.mark.parametrize("name", faults.FAULTS)
    def test_keep_size_mode_and_the_lot(self, name: str, picture: Image.Image) -> None:
        spoiled, named, severity = faults.spoil(picture, np.random.default_rng(2), only=name)
        again, _, _ = faults.spoil(picture, np.random.default_rng(2), only=name)
        assert (spoiled.size, spoiled.mode, named) == (picture.size, "RGB", name)
        assert 0.25 <= severity <= 1
        assert np.array_equal(np.asarray(spoiled), np.asarray(again))


class TestSoften:
    def test_varies_a_picture_and_keeps_how_it_looks_from_afar(self, picture: Image.Image) -> None:
        def afar(image: Image.Image) -> Image.Image:
            return image.resize((8, 8), Image.Resampling.BOX)

        rng = np.random.default_rng(3)
        softened = [faults.soften(picture, rng) for _ in range(20)]
        assert all(distance(picture, each) > 1 for each in softened)
        assert max(distance(afar(picture), afar(each)) for each in softened) < 20
        dark = faults.FAULTS["exposure"](picture, 1.0, rng)
        assert distance(afar(picture), afar(dark)) > 20
