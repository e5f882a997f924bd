"""Copies are found through crops and compression, other pictures are not; both views must agree."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from generation.scoring.duplicates import NearDuplicate, likeness
from generation.scoring.perceptual import bits_apart, perceptual_hash
from generation.scoring.protocol import Measurement, Neighbour, Sample
from tests.unit.generation.scoring.images import encode, flat

THRESHOLD = 0.9


def picture(seed: int, side: int = 128) -> Image.Image:
    """Make a smooth picture that no other seed makes."""
    small = np.random.default_rng(seed).integers(20, 235, (14, 14, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> Image.Image:
    return Image.open(BytesIO(encode(image, "JPEG", quality=60))).convert("RGB")


def cropped(image: Image.Image) -> Image.Image:
    off = image.width * 0.01
    box = (off, off, image.width - off, image.height - off)
    return image.resize(image.size, Image.Resampling.BICUBIC, box=box)


def vector(*numbers: float) -> np.ndarray:
    made = np.array(numbers, dtype=np.float32)
    return made / np.linalg.norm(made)


def say(
    image: Image.Image, *neighbours: Neighbour, embedding: np.ndarray | None = None
) -> Measurement:
    return NearDuplicate().score([Sample(image, neighbours=neighbours, embedding=embedding)])[0]


def known(name: str, image: Image.Image, embedding: np.ndarray | None = None) -> Neighbour:
    return Neighbour(name, perceptual_hash(image), embedding)


class TestPerceptualHash:
    @pytest.mark.parametrize("seed", range(5))
    def test_stays_near_through_what_copies_go_through(self, seed: int) -> None:
        image = picture(seed)
        for copy in (
            jpeg(image),
            cropped(image),
            ImageEnhance.Brightness(image).enhance(0.97),
            image.resize((64, 64), Image.Resampling.BOX),
        ):
            assert bits_apart(perceptual_hash(image), perceptual_hash(copy)) <= 6

    def test_is_far_for_another_picture(self) -> None:
        hashes = [perceptual_hash(picture(seed)) for seed in range(12)]
        apart = [bits_apart(one, other) for one in hashes for other in hashes if one != other]
        assert min(apart) > 12
        assert np.mean(apart) == pytest.approx(32, abs=3)

    def test_has_half_of_its_64_bits_set(self) -> None:
        assert 0 < perceptual_hash(picture(1)) < 1 << 64
        assert perceptual_hash(picture(1)).bit_count() == 32

    def test_of_an_even_image_is_zero(self) -> None:
        for side in (1, 64):
            assert [perceptual_hash(flat(level, side)) for level in (0, 90, 255)] == [0, 0, 0]

    def test_does_not_see_colors(self) -> None:
        gray = picture(3).convert("L").convert("RGB")
        assert bits_apart(perceptual_hash(picture(3)), perceptual_hash(gray)) <= 2


class TestNearDuplicate:
    def test_is_one_for_the_same_picture(self) -> None:
        image, seen = picture(1), vector(1, 2, 3)
        measured = say(image, known("a", picture(2)), known("b", image, seen), embedding=seen)
        assert measured.value == pytest.approx(1)
        assert measured.evidence["duplicate"]["asset_id"] == "b"
        assert measured.evidence["duplicate"]["distance"] == 0
        assert (measured.evidence["compared"], measured.evidence["by"]) == (2, "hash and embedding")

    def test_finds_a_copy(self) -> None:
        assert say(jpeg(cropped(picture(1))), known("a", picture(1))).value >= THRESHOLD

    def test_leaves_another_picture_alone(self) -> None:
        assert say(picture(2), known("a", picture(1))).value < THRESHOLD

    def test_needs_the_embedding_to_agree(self) -> None:
        """The same shapes in other colors: only the embedding tells."""
        image = picture(1)
        other = known("a", image, vector(0, 1))
        assert say(image, other, embedding=vector(1, 0.5)).value < THRESHOLD
        assert say(image, other, embedding=vector(0.1, 1)).value >= THRESHOLD
        assert say(image, other).value == 1

    def test_needs_the_hash_to_agree(self) -> None:
        """Another picture of the same thing: only the hash tells."""
        seen = vector(1, 1)
        assert say(picture(2), known("a", picture(1), seen), embedding=seen).value < THRESHOLD

    def test_lets_the_hash_speak_alone_where_embeddings_are_of_two_shapes(self) -> None:
        image = picture(1)
        measured = say(image, known("a", image, vector(1, 0, 0)), embedding=vector(1, 0))
        assert (measured.value, measured.evidence["by"]) == (1, "hash")

    def test_is_zero_where_the_brand_has_no_image_yet(self) -> None:
        assert say(picture(1)) == Measurement(0.0, {"compared": 0})

    def test_names_the_first_of_several_that_are_equally_near(self) -> None:
        image = picture(1)
        measured = say(image, known("newest", image), known("older", image))
        assert measured.evidence["duplicate"]["asset_id"] == "newest"

    @pytest.mark.parametrize("cosine", [-1.0, -0.2, 0.0])
    def test_stays_in_range_for_opposite_embeddings(self, cosine: float) -> None:
        assert likeness(0, cosine) == 0
