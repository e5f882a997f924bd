"""The palette scorer sees what people see: another color counts, light, shade and ground do not."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from generation.scoring.palette import PaletteDistance
from generation.scoring.protocol import Measurement, Sample

BLUE, ORANGE = "#285cd6", "#f27e18"


def say(image: Image.Image, *palette: str) -> Measurement:
    return PaletteDistance().score([Sample(image, palette=palette)])[0]


def product(color: str, ground: str = "#eeeeee", side: int = 128) -> Image.Image:
    """Draw a disc on a ground, softened as a lens does."""
    image = Image.new("RGB", (side, side), ground)
    box = (side // 4, side // 4, 3 * side // 4, 3 * side // 4)
    ImageDraw.Draw(image).ellipse(box, fill=color)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def lit(image: Image.Image) -> Image.Image:
    """Let light fall off from left to right, down to sixty percent."""
    fall = np.linspace(1.0, 0.6, image.width)[None, :, None]
    return Image.fromarray(np.rint(np.asarray(image) * fall).astype(np.uint8))


class TestPaletteDistance:
    def test_is_zero_for_the_palette_s_own_color(self) -> None:
        assert say(product(BLUE), ORANGE, BLUE).value == 0

    def test_is_the_distance_beyond_the_tolerance_for_another_color(self) -> None:
        measured = say(product(BLUE), ORANGE)
        (color,) = measured.evidence["colors"]
        assert color["nearest"] == ORANGE
        assert color["delta_e"] > 40
        assert measured.value == pytest.approx(color["delta_e"] - 6, abs=0.01)
        assert color["share"] == pytest.approx(np.pi / 16, abs=0.02)

    def test_names_the_color_that_is_off(self) -> None:
        (color,) = say(product(BLUE), ORANGE).evidence["colors"]
        red, green, blue = (int(color["hex"][place : place + 2], 16) for place in (1, 3, 5))
        assert (red, green, blue) == pytest.approx((0x28, 0x5C, 0xD6), abs=3)

    def test_does_not_count_light_and_shade(self) -> None:
        assert say(lit(product(BLUE)), BLUE).value < 2
        assert say(lit(product(BLUE)), ORANGE).value > 20

    @pytest.mark.parametrize("ground", ["#eeeeee", "#222222", "#9a6438", "#aee0c8"])
    def test_does_not_count_what_the_product_stands_on(self, ground: str) -> None:
        assert say(product(BLUE, ground), BLUE).value < 1
        assert say(product(BLUE, ground), ORANGE).value > 20

    @pytest.mark.parametrize("neutral", ["#fafafa", "#777777", "#101010"])
    def test_lets_neutral_colors_go_with_every_palette(self, neutral: str) -> None:
        measured = say(product(neutral, "#9a6438"), BLUE)
        assert (measured.value, measured.evidence["colors"]) == (0, [])

    def test_weighs_colors_by_their_share(self) -> None:
        both = product(BLUE)
        both.paste(Image.new("RGB", (32, 16), ORANGE), (48, 56))
        assert 0 < say(both, BLUE).value < say(both, ORANGE).value

    def test_says_that_there_is_no_palette(self) -> None:
        measured = say(product(BLUE))
        assert (measured.value, measured.evidence["palette"]) == (0, "none")

    def test_refuses_a_color_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="'blue'"):
            say(product(BLUE), "blue")

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (2, 2), (3000, 40)])
    def test_measures_images_of_odd_sizes(self, size: tuple[int, int]) -> None:
        image = Image.new("RGB", size, BLUE)
        assert say(image, BLUE).value == 0

    def test_keeps_the_last_bit_in_a_group(self) -> None:
        images = [lit(product(BLUE)), product(ORANGE), product("#2c963e", "#9a6438")]
        group = PaletteDistance().score([Sample(i, palette=(BLUE,)) for i in images])
        assert group == [say(image, BLUE) for image in images]
