"""The formulas give what can be worked out by hand, and find faults of known strength."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from generation.scoring.protocol import Measurement, Sample, Scorer
from generation.scoring.technical import Contrast, Exposure, Noise, Sharpness
from tests.unit.generation.scoring.images import checkers, flat, halves

SCORERS = (Sharpness(), Noise(), Exposure(), Contrast())


def say(scorer: Scorer, image: Image.Image) -> Measurement:
    return scorer.score([Sample(image)])[0]


def value(scorer: Scorer, image: Image.Image) -> float:
    return say(scorer, image).value


def grainy(image: Image.Image, deviation: float) -> Image.Image:
    """Add the same noise to all channels, so that luma has it too."""
    noise = np.random.default_rng(5).normal(0, deviation, image.size[::-1])
    levels = np.asarray(image, dtype=np.float64) + noise[..., None]
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


class TestSharpness:
    def test_of_a_step_of_one_pixel_is_one_half(self) -> None:
        assert value(Sharpness(), halves(20, 220)) == pytest.approx(0.5)

    @pytest.mark.parametrize("radius", [0.7, 1.0, 1.5])
    def test_of_a_blurred_step_follows_the_formula(self, radius: float) -> None:
        # The slope of a Gaussian edge; the light smoothing adds one half to the variance.
        expected = 0.3989 / np.sqrt(radius**2 + 0.5)
        assert value(Sharpness(), blurred(halves(20, 220), radius)) == pytest.approx(
            expected, rel=0.03
        )

    def test_falls_with_every_blur(self) -> None:
        values = [value(Sharpness(), blurred(checkers(16), radius)) for radius in (0, 1, 2, 4)]
        assert values == sorted(values, reverse=True)
        assert values[0] > 0.28 > values[2]

    def test_does_not_depend_on_contrast(self) -> None:
        strong, weak = halves(0, 255), halves(100, 150)
        assert value(Sharpness(), strong) == pytest.approx(value(Sharpness(), weak))

    def test_is_not_raised_above_the_threshold_by_noise(self) -> None:
        soft = blurred(halves(20, 220, side=128), 2)
        assert value(Sharpness(), soft) < 0.28
        assert value(Sharpness(), grainy(soft, 10)) < 0.28

    def test_of_a_larger_view_of_the_same_picture_is_the_same(self) -> None:
        picture = blurred(checkers(64, side=512), 3)
        larger = picture.resize((2048, 2048), Image.Resampling.BICUBIC)
        assert value(Sharpness(), larger) == pytest.approx(value(Sharpness(), picture), rel=0.05)

    def test_is_zero_without_an_edge(self) -> None:
        assert value(Sharpness(), flat(90)) == 0

    def test_shows_where_it_is_sharp(self) -> None:
        image = blurred(checkers(16, side=128), 3)
        image.paste(checkers(16, side=128).crop((64, 0, 128, 64)), (64, 0))
        heat = say(Sharpness(), image).evidence["heat"]
        cells = np.array(heat["values"]).reshape(heat["rows"], heat["columns"])
        assert cells[1:3, 5:7].min() > 1.5 * cells[5:7, 1:3].max()


class TestNoise:
    def test_is_zero_without_any(self) -> None:
        assert value(Noise(), halves(20, 220)) == 0

    @pytest.mark.parametrize("deviation", [4.0, 8.0, 16.0])
    def test_is_the_deviation_that_was_added(self, deviation: float) -> None:
        image = grainy(flat(128, side=256), deviation)
        # The plainest fifth lies a little below the mean of all cells.
        assert value(Noise(), image) == pytest.approx(deviation, rel=0.15)

    def test_does_not_take_structure_for_noise(self) -> None:
        image = flat(128, side=128)
        image.paste(checkers(1, side=80), (24, 24))
        assert value(Noise(), image) == 0
        assert say(Noise(), image).evidence["median_of_cells"] >= 0

    def test_is_found_in_large_images_that_are_looked_at_in_parts(self) -> None:
        assert value(Noise(), grainy(flat(128, side=1400), 8)) == pytest.approx(8, rel=0.15)


class TestExposure:
    @pytest.mark.parametrize(
        ("image", "dark", "bright"),
        [
            (halves(0, 255), 0.5, 0.5),
            (halves(2, 200), 0.5, 0.0),
            (halves(3, 252), 0.0, 0.0),
            (halves(128, 253), 0.0, 0.5),
        ],
    )
    def test_is_the_clipped_share(self, image: Image.Image, dark: float, bright: float) -> None:
        measured = say(Exposure(), image)
        assert measured.value == dark + bright
        assert measured.evidence["dark_share"] == dark
        assert measured.evidence["bright_share"] == bright

    @pytest.mark.parametrize("color", [(255, 0, 0), (255, 255, 0), (0, 255, 255), (253, 253, 60)])
    def test_does_not_take_a_pure_color_for_clipped(self, color: tuple[int, int, int]) -> None:
        assert say(Exposure(), Image.new("RGB", (8, 8), color)).evidence["bright_share"] == 0

    def test_takes_washed_out_light_for_clipped(self) -> None:
        assert value(Exposure(), Image.new("RGB", (8, 8), (255, 255, 120))) == 1

    @pytest.mark.parametrize(("brightest", "dullness"), [(153, 0.0), (76, 0.503), (200, 0.0)])
    def test_of_an_image_without_light_is_how_dull_it_is(
        self, brightest: int, dullness: float
    ) -> None:
        assert value(Exposure(), halves(30, brightest)) == pytest.approx(dullness, abs=0.001)


class TestContrast:
    @pytest.mark.parametrize(
        ("image", "value"),
        [(flat(77), 0.0), (halves(0, 255), 0.5), (halves(102, 153), 0.1), (checkers(2), 0.5)],
    )
    def test_is_the_deviation_of_luma(self, image: Image.Image, value: float) -> None:
        assert say(Contrast(), image).value == pytest.approx(value)

    def test_weighs_colors_as_the_eye_does(self) -> None:
        measured = say(Contrast(), Image.new("RGB", (8, 8), (0, 255, 0)))
        assert measured.evidence["mean_luma"] == pytest.approx(0.587)

    def test_of_an_image_taken_in_parts_is_that_of_the_whole(self) -> None:
        image = halves(10, 240, side=600)
        assert say(Contrast(), image).value == pytest.approx(115 / 255)


class TestAll:
    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.id)
    def test_values_stay_in_the_declared_range(self, scorer: Scorer) -> None:
        least, most = scorer.range
        for image in (flat(0), flat(255), checkers(1), halves(0, 255), grainy(flat(128), 90)):
            assert least <= value(scorer, image) <= most

    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.id)
    def test_measure_one_pixel_or_say_what_is_needed(self, scorer: Scorer) -> None:
        image = Image.new("RGB", (1, 1), (200, 10, 10))
        if scorer.id in {"exposure", "contrast"}:
            assert value(scorer, image) >= 0
        else:
            with pytest.raises(ValueError, match=r"RGB image of at least \d+ x \d+ pixels"):
                value(scorer, image)

    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.id)
    def test_refuse_what_is_not_rgb(self, scorer: Scorer) -> None:
        with pytest.raises(ValueError, match="not L 64 x 64"):
            value(scorer, Image.new("L", (64, 64)))

    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.id)
    def test_keep_order_and_the_last_bit_in_a_group(self, scorer: Scorer) -> None:
        images = [grainy(halves(20, 220), 3), checkers(8), blurred(checkers(8), 2)]
        alone = [say(scorer, image) for image in images]
        assert scorer.score([Sample(image) for image in images]) == alone
