"""False contours, blocks, seams and empty areas are found where they were planted, only there."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from generation.scoring.artefacts import Artefacts, Banding
from generation.scoring.protocol import Measurement, Sample, Scorer
from tests.unit.generation.scoring.images import checkers, encode, flat

SCORERS = (Banding(), Artefacts())


def say(scorer: Scorer, image: Image.Image) -> Measurement:
    return scorer.score([Sample(image)])[0]


def ramp(step: float = 1, side: int = 128) -> Image.Image:
    """Make a gradient from left to right that has only every `step`th level."""
    levels = np.rint(np.linspace(60, 190, side) / step) * step
    return Image.fromarray(np.broadcast_to(levels[None, :, None], (side, side, 3)).astype(np.uint8))


def scene(side: int = 128) -> Image.Image:
    """Make a picture with edges, two slopes of light and a horizon."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    levels = np.where(rows < 0.6, 150 + 60 * rows + 20 * columns, 70 + 40 * columns + 10 * rows)
    levels[(rows - 0.55) ** 2 + (columns - 0.4) ** 2 < 0.03] = 30
    return Image.fromarray(np.rint(np.stack([levels] * 3, axis=2)).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(BytesIO(encode(image, "JPEG", quality=quality))).convert("RGB")


def textured(image: Image.Image) -> Image.Image:
    """Add what compression has to throw away."""
    noise = np.random.default_rng(3).normal(0, 12, image.size[::-1])
    levels = np.asarray(image, dtype=np.float64) + noise[..., None]
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def tiled(image: Image.Image) -> Image.Image:
    levels = np.asarray(image).copy()
    levels[:64, :64] += 7
    levels[64:, 64:] -= 7
    return Image.fromarray(levels)


def cut_off(image: Image.Image, color: int) -> Image.Image:
    levels = np.asarray(image).copy()
    levels[96:] = color
    return Image.fromarray(levels)


class TestBanding:
    def test_is_nothing_in_a_smooth_gradient(self) -> None:
        assert say(Banding(), ramp()).value == 0

    @pytest.mark.parametrize("step", [8, 16, 24])
    def test_is_the_length_of_the_contours(self, step: int) -> None:
        levels = np.asarray(ramp(step))[0, :, 0].astype(int)
        # Each runs from top to bottom, half a half-perimeter; those at the border do not count.
        contours = np.count_nonzero(np.diff(levels)[3:-3])
        assert say(Banding(), ramp(step)).value == pytest.approx(contours / 2)

    def test_does_not_take_edges_or_texture_for_it(self) -> None:
        assert say(Banding(), checkers(16)).value == 0
        assert say(Banding(), checkers(1)).value == 0
        assert say(Banding(), scene()).value < 0.25

    def test_shows_where(self) -> None:
        image = ramp(1)
        image.paste(ramp(16).crop((0, 64, 128, 128)), (0, 64))
        heat = say(Banding(), image).evidence["heat"]
        cells = np.array(heat["values"]).reshape(heat["rows"], heat["columns"])
        assert cells[:3].max() == 0
        assert cells[5:].max() > 0.2


class TestArtefacts:
    def test_is_below_its_alarm_for_a_clean_picture(self) -> None:
        assert say(Artefacts(), scene()).value < 0.5

    @pytest.mark.parametrize("quality", [10, 20, 30])
    def test_finds_the_blocks_of_compression(self, quality: int) -> None:
        measured = say(Artefacts(), jpeg(scene(), quality))
        assert measured.value > 0.5
        assert measured.evidence["kind"] == "blocks"

    def test_finds_blocks_that_were_cropped_off_their_grid(self) -> None:
        assert say(Artefacts(), jpeg(scene(), 10).crop((3, 5, 128, 128))).value > 0.5

    def test_finds_tiles_that_were_decoded_apart(self) -> None:
        measured = say(Artefacts(), tiled(scene()))
        assert measured.value > 0.5
        assert measured.evidence["kind"] == "seams"

    def test_does_not_take_one_horizon_for_a_seam(self) -> None:
        levels = np.asarray(scene()).copy()
        levels[64:] -= 20
        assert say(Artefacts(), Image.fromarray(levels)).value < 0.5

    @pytest.mark.parametrize("color", [0, 128])
    def test_boxes_what_was_never_painted(self, color: int) -> None:
        measured = say(Artefacts(), cut_off(scene(), color))
        assert measured.value > 0.5
        assert measured.evidence["kind"] == "empty"
        (box,) = measured.evidence["boxes"]
        assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0.75, 1, 0.25)

    def test_does_not_take_a_white_margin_for_it(self) -> None:
        assert say(Artefacts(), cut_off(scene(), 255)).value < 0.5

    @pytest.mark.parametrize("side", [1, 64])
    def test_calls_an_image_of_one_color_all_fault(self, side: int) -> None:
        assert say(Artefacts(), flat(77, side)).value == 1

    def test_refuses_what_has_no_room_for_blocks(self) -> None:
        with pytest.raises(ValueError, match="32 x 32"):
            say(Artefacts(), checkers(2, side=31))


class TestBoth:
    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.id)
    def test_keep_order_and_the_last_bit_in_a_group(self, scorer: Scorer) -> None:
        images = [scene(), jpeg(scene(), 20), ramp(16)]
        assert scorer.score([Sample(image) for image in images]) == [
            say(scorer, image) for image in images
        ]

    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.id)
    def test_look_at_large_images_in_parts_and_find_the_same(self, scorer: Scorer) -> None:
        threshold = {"banding": 0.25, "artefacts": 0.5}[scorer.id]
        large = scene(1600).crop((0, 300, 1600, 1400))
        assert say(scorer, large).value < threshold
        spoiled = jpeg(textured(large), 8) if scorer.id == "artefacts" else ramp(16, side=1600)
        assert say(scorer, spoiled).value > threshold
