"""Only still pictures of a reasonable size are decoded, and as a viewer shows them."""

import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from generation.scoring.decode import UnreadableImage, decode
from tests.unit.generation.scoring.images import encode, flat, halves


def png_that_claims(width: int, height: int) -> bytes:
    """Write a PNG whose header claims a size that its few bytes would unpack to."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\x00" * 1000))
        + chunk(b"IEND", b"")
    )


class TestDecode:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_reads_the_three_formats(self, kind: str) -> None:
        image = decode(encode(halves(40, 200), kind))
        assert (image.mode, image.size) == ("RGB", (64, 64))

    def test_keeps_every_pixel_of_a_png(self) -> None:
        original = halves(40, 200)
        assert decode(encode(original)).tobytes() == original.tobytes()

    @pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
    def test_refuses_other_formats(self, kind: str) -> None:
        with pytest.raises(UnreadableImage, match="not a PNG, JPEG or WebP"):
            decode(encode(flat(9), kind))

    @pytest.mark.parametrize("data", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
    def test_refuses_what_is_no_image(self, data: bytes) -> None:
        with pytest.raises(UnreadableImage):
            decode(data)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_refuses_a_truncated_image(self, kind: str) -> None:
        noise = Image.effect_noise((64, 64), 90).convert("RGB")
        data = encode(noise, kind)
        with pytest.raises(UnreadableImage):
            decode(data[: len(data) // 2])

    @pytest.mark.parametrize(
        ("side", "words"),
        [(6_325, "at most 40 million"), (13_377, "unsafe to decode"), (50_000, "unsafe to decode")],
    )
    def test_refuses_a_bomb_before_unpacking_it(
        self, side: int, words: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unpack(*_: object) -> None:
            message = "the pixels were unpacked"
            raise AssertionError(message)

        monkeypatch.setattr(Image.Image, "load", unpack)
        monkeypatch.setattr(PngImageFile, "load_prepare", unpack)
        with pytest.raises(UnreadableImage, match=words):
            decode(png_that_claims(side, side))

    def test_reads_an_image_of_just_the_allowed_size(self) -> None:
        assert decode(encode(Image.new("1", (8_000, 5_000)))).size == (8_000, 5_000)

    def test_refuses_an_animation(self) -> None:
        data = encode(flat(0), "WEBP", save_all=True, append_images=[flat(255)])
        with pytest.raises(UnreadableImage, match="animated"):
            decode(data)

    def test_shows_transparent_parts_as_white(self) -> None:
        clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
        assert decode(encode(clear)).getpixel((0, 0)) == (255, 255, 255)

    def test_turns_the_image_upright(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        lying = Image.new("RGB", (32, 16))
        assert decode(encode(lying, "JPEG", exif=exif)).size == (16, 32)

    @pytest.mark.parametrize("mode", ["L", "P", "LA", "1", "I;16", "CMYK"])
    def test_brings_every_mode_to_rgb(self, mode: str) -> None:
        kind = "JPEG" if mode == "CMYK" else "PNG"
        assert decode(encode(Image.new(mode, (8, 8)), kind)).mode == "RGB"
