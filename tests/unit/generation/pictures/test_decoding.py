"""Files that strangers made: bare pixels come out, or one plain sentence; nothing hangs."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from generation.pictures import decoding, reencoding
from generation.pictures.decoding import Examined, Limits, examine
from generation.pictures.errors import DecodingBusy
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.factories.pictures import encoded, png

RED, BLUE = (255, 0, 0), (0, 0, 255)
TWO = [Image.new("RGB", (8, 4), "green")]


def halves(mode: str = "RGB") -> Image.Image:
    """Return a picture that is red on its left and blue on its right."""
    image = Image.new("RGB", (8, 4), RED)
    image.paste(BLUE, (4, 0, 8, 4))
    return image.convert(mode)


def opened(examined: Examined) -> Image.Image:
    return Image.open(io.BytesIO(examined.data))


def rule(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(InvalidInput) as error:
        examine(data, limits)
    assert error.value.pointer == "/file"
    assert error.value.detail.endswith(".")
    return str(error.value.facts["rule"])


class TestExamine:
    def test_keeps_pixels_and_nothing_beside_them(self) -> None:
        exif = Image.Exif()
        exif[0x010E] = "Jane Doe at home"
        exif.get_ifd(0x8825)[2] = (52.0, 31.0, 0.0)
        data = encoded(halves(), "JPEG", exif=exif, comment=b"secret", xmp=b"<x:xmpmeta/>")
        found = examine(data)
        assert (found.received_sha256, found.received_bytes) == (sha256_hex(data), len(data))
        assert found.received_media_type == "image/jpeg"
        assert (found.sha256, found.preview_sha256) == (
            sha256_hex(found.data),
            sha256_hex(found.preview),
        )
        image = opened(found)
        assert (image.format, image.size, image.info) == ("PNG", (8, 4), {})
        for kept in (found.data, found.preview):
            assert not any(word in kept for word in (b"Jane", b"secret", b"xmpmeta", b"Exif"))
        assert b"Jane" in data

    def test_stands_upright(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        found = examine(encoded(halves(), "PNG", exif=exif))
        assert (found.width_px, found.height_px) == (4, 8)
        assert [opened(found).getpixel(at) for at in ((0, 0), (0, 7))] == [RED, BLUE]

    def test_is_the_same_for_the_same_pixels(self) -> None:
        one, other = examine(png(compress_level=0)), examine(png(compress_level=9))
        assert one.received_sha256 != other.received_sha256
        assert one.sha256 == other.sha256

    def test_brings_colors_to_srgb(self) -> None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        same = examine(encoded(halves(), "PNG", icc_profile=profile))
        assert opened(same).getpixel((0, 0)) == RED
        assert rule(encoded(halves(), "PNG", icc_profile=b"no profile" * 20)) == "profile"
        assert rule(encoded(halves("L"), "PNG", icc_profile=lab_lab())) == "profile"

    @pytest.mark.parametrize(
        ("mode", "kind", "expected"),
        [
            ("L", "PNG", "RGB"),
            ("P", "PNG", "RGB"),
            ("1", "PNG", "RGB"),
            ("CMYK", "JPEG", "RGB"),
            ("LA", "PNG", "RGBA"),
            ("RGBA", "PNG", "RGBA"),
        ],
    )
    def test_takes_every_mode(self, mode: str, kind: str, expected: str) -> None:
        assert opened(examine(encoded(halves(mode), kind))).mode == expected

    def test_keeps_what_is_see_through(self) -> None:
        image = Image.new("RGBA", (4, 4), (10, 20, 30, 40))
        assert opened(examine(encoded(image, "PNG"))).getpixel((0, 0)) == (10, 20, 30, 40)

    def test_keeps_the_upper_bits_of_16_bit_gray(self) -> None:
        """Depth maps come so: cut at 255, they would all be white."""
        found = examine(encoded(Image.new("I;16", (4, 4), 0xAB12), "PNG"))
        assert opened(found).getpixel((0, 0)) == (0xAB,) * 3

    def test_takes_the_first_of_a_phones_pictures(self) -> None:
        data = encoded(halves(), "MPO", save_all=True, append_images=TWO)
        assert examine(data).received_media_type == "image/jpeg"

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "size"),
            (b"x" * (decoding.BYTES_MAX + 1), "size"),
            (b"GIF89a is what it says", "format"),
            (encoded(halves(), "GIF"), "format"),
            (encoded(halves(), "TIFF"), "format"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format"),
            (encoded(halves().resize((300, 300)), "JPEG")[:-200], "damaged"),
            (png()[:-20], "damaged"),
            (encoded(halves(), "WEBP")[:-10], "damaged"),
            (encoded(halves(), "WEBP", save_all=True, append_images=TWO), "animated"),
            (encoded(halves(), "PNG", save_all=True, append_images=TWO), "animated"),
            (encoded(Image.new("1", (40_000, 40_000)), "PNG"), "pixels"),
            (encoded(Image.new("1", (6_325, 6_325)), "PNG"), "pixels"),
        ],
    )
    def test_refuses_what_is_no_still_picture_of_a_bearable_size(
        self, data: bytes, expected: str
    ) -> None:
        assert rule(data) == expected


class TestBounds:
    def test_memory_ends_in_a_sentence(self) -> None:
        bomb = encoded(Image.new("L", (6_000, 6_000)), "PNG")
        assert rule(bomb, Limits(memory_bytes=160 * 1024**2)) == "resources"

    def test_time_ends_in_a_sentence(self) -> None:
        assert rule(png(), Limits(wall_s=0.001)) == "resources"
        assert examine(png()).width_px == 8

    @pytest.mark.parametrize("code", ["while True: pass", "import os; os.abort()", "1 / 0"])
    def test_whatever_happens_there_this_process_lives_on(
        self, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "broken.py"
        broken.write_text(
            "import resource, sys\n"
            "resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]),) * 2)\n"
            "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
            f"{code}\n",
            encoding="utf-8",
        )
        monkeypatch.setattr(reencoding, "__file__", str(broken))
        assert rule(png(), Limits(cpu_s=1)) == "resources"

    def test_knows_no_secret(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_KEY", "very secret")
        spy = tmp_path / "spy.py"
        spy.write_text(
            "import json, os, sys\n"
            "sys.stdin.buffer.read()\n"
            "found = 'SECRET_KEY' in os.environ\n"
            "print(json.dumps({'wrong': 'memory' if found else 'format'}))\n",
            encoding="utf-8",
        )
        monkeypatch.setattr(reencoding, "__file__", str(spy))
        assert rule(png()) == "format"

    def test_says_when_too_many_come_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decoding, "_WAIT_S", 0.01)
        monkeypatch.setattr(decoding, "_AT_ONCE", threading.BoundedSemaphore(1))
        with decoding._AT_ONCE, pytest.raises(DecodingBusy) as error:
            examine(png())
        assert error.value.facts["retry_after_s"] == 60
        assert examine(png()).height_px == 6

    def test_writes_no_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        limits: dict[int, Any] = {}
        monkeypatch.setattr(reencoding.resource, "setrlimit", limits.__setitem__)
        reencoding._limit(2**30, 5)
        assert limits[reencoding.resource.RLIMIT_FSIZE] == (0, 0)
        assert limits[reencoding.resource.RLIMIT_CPU] == (5, 5)


def lab_lab() -> bytes:
    """Return a color profile that fits no picture of ours."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
