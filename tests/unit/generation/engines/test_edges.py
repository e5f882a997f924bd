"""Outlines are found where colors change, thin and the same everywhere."""

import numpy as np
from PIL import Image, ImageDraw

from generation.engines.edges import edge_map
from governance.kernel.digests import sha256_hex


def drawn() -> Image.Image:
    """A red disc and a blue box of equal light on a sandy ground."""
    image = Image.new("RGB", (128, 96), (200, 180, 150))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 20, 80, 80), fill=(120, 60, 60))
    draw.rectangle((60, 10, 110, 50), fill=(40, 90, 140))
    return image


class TestEdgeMap:
    def test_is_the_one_that_recipes_call_edges_1(self) -> None:
        found = edge_map(np.asarray(drawn()))
        assert (found.shape, found.dtype) == ((96, 128, 3), np.uint8)
        assert sha256_hex(found.tobytes()) == (
            "a533175f1444d2b871ba699bfd600977e81e394a8095244bad335a39c50f7ed6"
        )

    def test_draws_the_border_of_colors_with_equal_light(self) -> None:
        found = edge_map(np.asarray(drawn()))[:, :, 0]
        assert found[30:45, 58:63].any(axis=1).all()

    def test_draws_lines_no_wider_than_two_pixels(self) -> None:
        found = edge_map(np.asarray(drawn()))[:, :, 0] > 0
        assert found[28:45, 105:116].sum(axis=1).max() <= 2

    def test_finds_nothing_in_a_gradient_or_a_single_pixel(self) -> None:
        ramp = np.repeat(np.arange(128, dtype=np.uint8)[None, :, None], 64, axis=0)
        assert not edge_map(np.repeat(ramp, 3, axis=2)).any()
        assert not edge_map(np.full((1, 1, 3), 200, np.uint8)).any()

    def test_turns_with_the_picture(self) -> None:
        """A transposed picture has transposed edges, but for ties, which are dropped one way."""
        upright = edge_map(np.asarray(drawn()))[:, :, 0] > 0
        turned = edge_map(np.asarray(drawn().transpose(Image.Transpose.TRANSPOSE)))[:, :, 0] > 0
        assert (upright != turned.T).mean() < 0.01
