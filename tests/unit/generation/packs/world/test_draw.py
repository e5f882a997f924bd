"""A drawn scene shows what its words say, the same for the same lot, at any size."""

import random
from dataclasses import replace

import numpy as np
import pytest

from generation.packs.world import draw, objects
from generation.packs.world.scene import ATTRIBUTES, CHOICES, OBJECTS, Scene

USUAL = Scene("mug", "red", "grey", light="left")


def pixels(scene: Scene, size_px: int = 128, lot: int = 1) -> np.ndarray:
    return np.asarray(draw.draw(scene, size_px, random.Random(lot))).astype(int)


class TestDraw:
    def test_same_lot_gives_the_same_pixels(self) -> None:
        assert (pixels(USUAL) == pixels(USUAL)).all()
        assert (pixels(USUAL) != pixels(USUAL, lot=2)).any()

    @pytest.mark.parametrize("attribute", ATTRIBUTES)
    def test_every_word_can_be_seen(self, attribute: str) -> None:
        for value in CHOICES[attribute]:
            if value == getattr(USUAL, attribute):
                continue
            changes: dict[str, object] = {attribute: value}
            if attribute == "count":
                changes["size"] = "small"
            other = pixels(replace(USUAL, **changes))  # type: ignore[arg-type]
            assert np.abs(other - pixels(USUAL)).mean() > 0.5, value

    def test_objects_differ_in_their_outlines(self) -> None:
        empty = pixels(USUAL)
        outlines = {}
        for name in OBJECTS:
            shown = pixels(replace(USUAL, object=name, background="white", color="black"))
            outlines[name] = shown.sum(2) < 400
        names = list(outlines)
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                both = (outlines[one] & outlines[other]).sum()
                either = (outlines[one] | outlines[other]).sum()
                assert both / either < 0.9, (one, other)
        assert set(objects.DRAWN) == set(OBJECTS)
        assert empty.shape == (128, 128, 3)

    def test_a_badge_is_large_enough_to_read(self) -> None:
        bare = pixels(USUAL)
        for badge in ("star", "new", "hazard"):
            changed = np.abs(pixels(replace(USUAL, badge=badge)) - bare).sum(2) > 30
            rows, columns = np.where(changed)
            assert np.ptp(rows) >= 25
            assert np.ptp(columns) >= 25
            assert rows.max() < 40
            assert columns.min() > 88

    @pytest.mark.parametrize("size_px", [64, 128, 256])
    def test_shows_the_same_at_another_size(self, size_px: int) -> None:
        shown = draw.draw(USUAL, size_px, random.Random(1))
        assert shown.size == (size_px, size_px)
        small = np.asarray(shown.resize((32, 32))).astype(int)
        usual = np.asarray(draw.draw(USUAL, 128, random.Random(1)).resize((32, 32))).astype(int)
        assert np.abs(small - usual).mean() < 6

    def test_fills_a_picture_that_is_not_square(self) -> None:
        shown = draw.draw(replace(USUAL, badge="new"), 160, random.Random(1), height_px=128)
        assert shown.size == (160, 128)
        assert shown.mode == "RGB"
