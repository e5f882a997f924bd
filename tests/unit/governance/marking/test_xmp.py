"""XMP goes in beside the pixels and comes out by a reader that shares nothing with the writer."""

import io
import json
import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from governance.kernel.errors import InvalidInput
from governance.marking import xmp, xmp_reading
from governance.marking.claims import TRAINED_ALGORITHMIC_MEDIA, MarkingClaim
from governance.marking.errors import ContainerBroken, MarkingRefused, MediaTypeUnsupported
from tests.unit.governance.marking.conftest import make_claim


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


class TestEmbed:
    def test_adds_bytes_and_changes_none(self, image: bytes, claim: MarkingClaim) -> None:
        packet = xmp.build(claim)
        marked = xmp.embed(image, packet)
        at = marked.index(packet)
        added = len(marked) - len(image)
        head = next(cut for cut in range(at, 0, -1) if marked[:cut] == image[:cut])
        assert marked[:head] + marked[head + added :] == image

    def test_leaves_every_pixel_as_it_was(self, image: bytes, claim: MarkingClaim) -> None:
        assert pixels(xmp.embed(image, xmp.build(claim))) == pixels(image)

    def test_puts_jpeg_metadata_behind_jfif_and_exif(self, images: dict[str, bytes]) -> None:
        picture = Image.open(io.BytesIO(images["image/jpeg"]))
        exif = Image.Exif()
        exif[0x0131] = "software"
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", exif=exif)
        data = buffer.getvalue()
        marked = xmp.embed(data, xmp.build(make_claim(data)))
        assert 0 < marked.index(b"Exif\x00\x00") < marked.index(b"http://ns.adobe.com/xap/1.0/")
        with Image.open(io.BytesIO(marked)) as again:
            assert again.getexif()[0x0131] == "software"

    def test_refuses_text_that_no_jpeg_segment_can_hold(self, images: dict[str, bytes]) -> None:
        data = images["image/jpeg"]
        packet = xmp.build(make_claim(data, title="x" * 70_000))
        with pytest.raises(MarkingRefused, match="too long"):
            xmp.embed(data, packet)

    @pytest.mark.parametrize(
        "data", [b"", b"GIF89a", b"RIFF....WEBP", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
    )
    def test_refuses_other_formats(self, data: bytes) -> None:
        with pytest.raises(MediaTypeUnsupported):
            xmp.embed(data, b"packet")

    @pytest.mark.parametrize("length", [9, 20, 30])
    def test_refuses_a_png_without_its_header(self, images: dict[str, bytes], length: int) -> None:
        with pytest.raises(ContainerBroken):
            xmp.embed(images["image/png"][:length], b"packet")

    @pytest.mark.parametrize("length", [3, 5, 12])
    def test_refuses_a_jpeg_that_breaks_off(self, images: dict[str, bytes], length: int) -> None:
        with pytest.raises(ContainerBroken):
            xmp.embed(images["image/jpeg"][:length], b"packet")


class TestBuild:
    def test_gives_the_same_bytes_for_the_same_claim(self, images: dict[str, bytes]) -> None:
        data = images["image/png"]
        assert xmp.build(make_claim(data)) == xmp.build(make_claim(data))

    @pytest.mark.parametrize("character", ["\x00", "\x08", "\x1b", "\r", "\ufffe", "\ud800"])
    def test_refuses_characters_that_xml_cannot_carry(
        self, images: dict[str, bytes], character: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            xmp.build(make_claim(images["image/png"], title=f"a{character}b"))
        assert refusal.value.facts["field"] == "dc:title"


class TestRead:
    def test_finds_what_was_claimed(self, image: bytes) -> None:
        claim = make_claim(image, alt_text="A jar of salt.")
        found = xmp_reading.read(xmp.embed(image, xmp.build(claim)))
        assert found == {
            "dc:title": "Salt & <pepper> “Blüte” 花",
            "dc:description": "Two lines:\nthe second one.",
            "dc:rights": "© Example Foods",
            "photoshop:Credit": "Example Foods",
            "Iptc4xmpExt:DigitalSourceType": TRAINED_ALGORITHMIC_MEDIA,
            "Iptc4xmpExt:AISystemUsed": "Demo SD3",
            "Iptc4xmpExt:AISystemVersionUsed": "rev-1",
            "Iptc4xmpCore:AltTextAccessibility": "A jar of salt.",
        }

    def test_finds_nothing_in_an_unmarked_image(self, image: bytes) -> None:
        assert xmp_reading.read(image) is None

    def test_finds_what_pillow_wrote(self, images: dict[str, bytes], claim: MarkingClaim) -> None:
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(images["image/jpeg"])) as picture:
            picture.save(buffer, "JPEG", xmp=xmp.build(claim))
        assert xmp_reading.read(buffer.getvalue()) == dict(xmp.claimed_facts(claim))

    def test_refuses_two_packets(self, image: bytes, claim: MarkingClaim) -> None:
        packet = xmp.build(claim)
        with pytest.raises(ContainerBroken, match="more than one"):
            xmp_reading.read(xmp.embed(xmp.embed(image, packet), packet))

    @pytest.mark.parametrize(
        "packet",
        [
            b"",
            b"<x>",
            b"\xff\xfe",
            b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
            b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>&a;</x>',
        ],
    )
    def test_refuses_a_packet_that_is_not_harmless_xml(self, image: bytes, packet: bytes) -> None:
        with pytest.raises(ContainerBroken):
            xmp_reading.read(xmp.embed(image, packet))

    def test_refuses_a_compressed_packet(
        self, images: dict[str, bytes], claim: MarkingClaim
    ) -> None:
        body = b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + zlib.compress(xmp.build(claim))
        data = images["image/png"]
        with pytest.raises(ContainerBroken, match="compressed"):
            xmp_reading.read(data[:33] + png_chunk(b"iTXt", body) + data[33:])

    def test_refuses_a_png_that_goes_on_behind_its_end(self, images: dict[str, bytes]) -> None:
        with pytest.raises(ContainerBroken, match="behind its end"):
            xmp_reading.read(images["image/png"] + b"<script>")

    @given(flips=st.integers(min_value=8), bit=st.integers(0, 7))
    @settings(max_examples=80, deadline=None)
    def test_sees_any_flipped_bit_of_a_png(
        self, images: dict[str, bytes], flips: int, bit: int
    ) -> None:
        data = bytearray(xmp.embed(images["image/png"], b"<x/>"))
        data[8 + flips % (len(data) - 8)] ^= 1 << bit
        with pytest.raises(ContainerBroken):
            xmp_reading.read(bytes(data))

    @given(data=st.binary(max_size=200), start=st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8"]))
    @settings(max_examples=200, deadline=None)
    def test_meets_noise_with_an_answer_or_a_named_error(self, data: bytes, start: bytes) -> None:
        try:
            answer = xmp_reading.read(start + b"\xff" * (start[0] == 0xFF) + data)
        except ContainerBroken:
            return
        assert answer is None


class TestExiftool:
    """A reader written by others; the required one wherever the suite must be complete."""

    @pytest.fixture
    def exiftool(self) -> str:
        found = shutil.which("exiftool")
        if found is None:
            if os.environ.get("CI"):
                pytest.fail("exiftool is missing, and without it no independent reader agrees")
            pytest.skip("exiftool is not installed")
        return found

    def test_reads_what_was_claimed(self, exiftool: str, image: bytes, tmp_path: Path) -> None:
        claim = make_claim(image, alt_text="A jar of salt.")
        file = tmp_path / "image"
        file.write_bytes(xmp.embed(image, xmp.build(claim)))
        run = subprocess.run(
            [exiftool, "-j", "-G1", "-XMP:all", "-validate", "-warning", str(file)],
            capture_output=True,
            check=True,
            timeout=30,
        )
        (found,) = json.loads(run.stdout)
        assert found.pop("SourceFile") == str(file)
        assert found.pop("ExifTool:Validate") == "OK"
        assert found == {
            "XMP-dc:Title": "Salt & <pepper> “Blüte” 花",
            "XMP-dc:Description": "Two lines:\nthe second one.",
            "XMP-dc:Rights": "© Example Foods",
            "XMP-photoshop:Credit": "Example Foods",
            "XMP-iptcExt:DigitalSourceType": TRAINED_ALGORITHMIC_MEDIA,
            "XMP-iptcExt:AISystemUsed": "Demo SD3",
            "XMP-iptcExt:AISystemVersionUsed": "rev-1",
            "XMP-iptcCore:AltTextAccessibility": "A jar of salt.",
        }
