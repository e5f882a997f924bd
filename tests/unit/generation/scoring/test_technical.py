"""The formulas give the values that can be worked out by hand."""

import pytest
from PIL import Image, ImageFilter

from generation.scoring.technical import Contrast, Exposure, Sharpness, build
from tests.unit.generation.scoring.images import checkers, flat, halves


class TestSharpness:
    def test_is_zero_for_an_even_image(self) -> None:
        assert Sharpness().score(flat(90), "").value == pytest.approx(0, abs=1e-9)

    def test_is_the_variance_of_the_laplacian(self) -> None:
        # On a board of single pixels the Laplacian is +1020 or -1020, evenly.
        assert Sharpness().score(checkers(1), "").value == pytest.approx(1020**2)

    def test_falls_with_every_blur(self) -> None:
        sharp = checkers(8)
        values = [
            Sharpness().score(sharp.filter(ImageFilter.GaussianBlur(radius)), "").value
            for radius in (0, 1, 2, 4)
        ]
        assert values == sorted(values, reverse=True)
        assert values[0] > 10 * values[1]


class TestExposure:
    @pytest.mark.parametrize(
        ("image", "dark", "bright"),
        [
            (flat(0), 1.0, 0.0),
            (flat(255), 0.0, 1.0),
            (flat(128), 0.0, 0.0),
            (halves(0, 255), 0.5, 0.5),
            (halves(1, 128), 0.5, 0.0),
            (halves(2, 253), 0.0, 0.0),
            (halves(128, 254), 0.0, 0.5),
        ],
    )
    def test_is_the_clipped_share(self, image: Image.Image, dark: float, bright: float) -> None:
        measured = Exposure().score(image, "")
        assert measured.value == dark + bright
        assert measured.evidence == {"dark_share": dark, "bright_share": bright}

    def test_does_not_take_a_pure_color_for_clipped(self) -> None:
        assert Exposure().score(Image.new("RGB", (8, 8), (255, 0, 0)), "").value == 0


class TestContrast:
    @pytest.mark.parametrize(
        ("image", "value"),
        [(flat(77), 0.0), (halves(0, 255), 0.5), (halves(102, 153), 0.1), (checkers(2), 0.5)],
    )
    def test_is_the_deviation_of_luma(self, image: Image.Image, value: float) -> None:
        assert Contrast().score(image, "").value == pytest.approx(value)

    def test_weighs_colors_as_the_eye_does(self) -> None:
        measured = Contrast().score(Image.new("RGB", (8, 8), (0, 255, 0)), "")
        assert measured.evidence["mean_luma"] == pytest.approx(0.587)


class TestAll:
    @pytest.mark.parametrize("scorer", build(), ids=lambda scorer: scorer.id)
    def test_values_stay_in_the_declared_range(self, scorer: object) -> None:
        least, most = scorer.range  # type: ignore[attr-defined]
        for image in (flat(0), flat(255), checkers(1), halves(0, 255)):
            assert least <= scorer.score(image, "").value <= most  # type: ignore[attr-defined]

    @pytest.mark.parametrize("image", [Image.new("L", (9, 9)), Image.new("RGB", (2, 9))])
    def test_refuses_what_has_no_laplacian(self, image: Image.Image) -> None:
        with pytest.raises(ValueError, match="3 x 3"):
            Sharpness().score(image, "")
