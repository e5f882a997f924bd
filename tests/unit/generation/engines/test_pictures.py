"""Pictures from outside are read with care, the same way each time, or refused with a reason."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from generation.engines import pictures
from governance.kernel.errors import InvalidInput
from tests.unit.generation import photographs

BOX = photographs.box((30, 30, 90, 100))


def refusal(data: bytes) -> str:
    """Return the rule by which a file is refused."""
    with pytest.raises(InvalidInput) as refused:
        pictures.decode(data, "source")
    assert refused.value.pointer == "/source"
    return str(refused.value.facts["rule"])


def bomb(width: int, height: int) -> bytes:
    """Write the head of a PNG of that size, and hardly any pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0"))


class TestDecode:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_reads_the_three_formats(self, kind: str) -> None:
        image = Image.new("RGB", (80, 64), (200, 10, 10))
        read = pictures.decode(photographs.saved_as(image, format=kind), "source")
        assert (read.size, read.mode) == ((80, 64), "RGB")
        assert np.abs(np.asarray(read).astype(int) - (200, 10, 10)).max() < 8

    @pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
    def test_reads_no_other(self, kind: str) -> None:
        image = Image.new("RGB", (80, 64))
        assert refusal(photographs.saved_as(image, format=kind)) == "image"

    @pytest.mark.parametrize("data", [b"", b"no picture", BOX[:200], BOX[:60] + b"\0" * 40])
    def test_refuses_what_is_damaged(self, data: bytes) -> None:
        assert refusal(data) == "image"

    @pytest.mark.parametrize("size", [(8_000, 5_001), (12_000, 9_000), (60_000, 60_000)])
    def test_refuses_by_the_head_what_would_fill_the_memory(self, size: tuple[int, int]) -> None:
        assert refusal(bomb(*size)) == "area_too_large"
        assert refusal(bomb(64, 64)) == "image"

    def test_refuses_what_moves_and_colors_that_it_would_have_to_guess(self) -> None:
        frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
        moving = photographs.saved_as(
            frames[0], format="WEBP", save_all=True, append_images=frames[1:]
        )
        assert refusal(moving) == "image"
        assert refusal(photographs.saved_as(Image.new("CMYK", (64, 64)), format="JPEG")) == "image"
        assert refusal(photographs.saved_as(Image.new("I;16", (64, 64)))) == "image"

    def test_turns_a_picture_as_its_camera_was_held(self) -> None:
        image = Image.new("RGB", (80, 64), "white")
        image.paste("black", (0, 0, 40, 64))
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        read = pictures.decode(photographs.saved_as(image, exif=exif), "source")
        assert read.size == (64, 80)
        assert read.getpixel((32, 5)) == (0, 0, 0)
        assert read.getpixel((32, 75)) == (255, 255, 255)

    def test_lays_what_is_transparent_on_white(self) -> None:
        glass = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        glass.paste((255, 0, 0, 128), (0, 0, 32, 64))
        read = pictures.decode(photographs.saved_as(glass), "source")
        assert read.getpixel((60, 5)) == (255, 255, 255)
        assert read.getpixel((5, 5)) == (255, 127, 127)


class TestMask:
    def test_has_two_values(self) -> None:
        ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (64, 1)), "L")
        read = np.asarray(pictures.decode_mask(photographs.saved_as(ramp), "source/mask"))
        assert set(read[0, :128]) == {0}
        assert set(read[0, 128:]) == {255}

    def test_must_not_be_transparent(self) -> None:
        with pytest.raises(InvalidInput, match="transparent") as refused:
            pictures.decode_mask(photographs.saved_as(Image.new("RGBA", (64, 64))), "source/mask")
        assert refused.value.pointer == "/source/mask"


class TestFit:
    def test_covers_from_the_middle(self) -> None:
        image = Image.new("RGB", (300, 100), "white")
        image.paste("black", (90, 0, 210, 100))
        assert not np.asarray(pictures.cover(image, 64, 64)).any()

    def test_leaves_a_picture_of_the_right_size_as_it_is(self) -> None:
        image = photographs.opened(BOX)
        assert np.array_equal(np.asarray(pictures.cover(image, 128, 128)), np.asarray(image))

    def test_of_a_mask_invents_no_grays(self) -> None:
        mask = Image.new("L", (97, 83), 0)
        mask.paste(255, (20, 20, 61, 61))
        assert set(np.unique(np.asarray(pictures.cover(mask, 64, 128)))) == {0, 255}

    @pytest.mark.parametrize("size", [(63, 100), (64, 513)])
    def test_refuses_to_show_what_is_too_small_or_narrow(self, size: tuple[int, int]) -> None:
        pictures.require_whole(Image.new("RGB", (64, 512)), "references/0")
        with pytest.raises(InvalidInput) as refused:
            pictures.require_whole(Image.new("RGB", size), "references/0")
        assert refused.value.pointer == "/references/0"
