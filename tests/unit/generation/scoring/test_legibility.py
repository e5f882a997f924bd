"""Wanted words are read, or named as missing; without tesseract nobody claims to have read them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from generation.scoring import legibility
from generation.scoring.legibility import Legibility, share_read
from generation.scoring.protocol import Measurement, Sample, ScorerUnavailable

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="tesseract is not installed"
)


def poster(*lines: str) -> Image.Image:
    image = Image.new("RGB", (256, 256), (240, 230, 220))
    draw = ImageDraw.Draw(image)
    for index, line in enumerate(lines):
        draw.text((24, 40 + 80 * index), line, (20, 20, 60), ImageFont.load_default(30))
    return image


def say(image: Image.Image, wanted: str | None) -> Measurement:
    return Legibility().score([Sample(image, wanted_text=wanted)])[0]


class TestShareRead:
    @pytest.mark.parametrize(
        ("wanted", "read", "share", "missing"),
        [
            (["new"], ["NEW"], 1.0, ()),
            (["new"], ["new!"], 1.0, ()),
            (["Größe"], ["GRÖSSE"], 1.0, ()),
            (["new"], [], 0.0, ("new",)),
            (["new"], ["nev"], 2 / 3, ("new",)),
            (["new", "sale"], ["sale", "new", "other"], 1.0, ()),
            # A word that was read stands for one wanted word.
            (["sale", "sale"], ["sale"], 0.5, ("sale", "sale")),
            # What is read instead of a word never counts for less than nothing.
            (["a"], ["encyclopedia"], 0.0, ("a",)),
        ],
    )
    def test_is_the_share_of_right_characters(
        self, wanted: list[str], read: list[str], share: float, missing: tuple[str, ...]
    ) -> None:
        assert share_read(wanted, read) == (pytest.approx(share), missing)


class TestWithoutText:
    @pytest.mark.parametrize("wanted", [None, "", "  ", "-- !"])
    def test_passes_with_nothing_to_read(
        self, wanted: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "which", lambda _: None)
        assert say(poster(), wanted) == Measurement(1.0, {"text": "There is nothing to read."})


class TestWithoutTesseract:
    def test_says_what_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda _: None)
        with pytest.raises(ScorerUnavailable, match="'tesseract' is not installed"):
            say(poster("SUMMER"), "summer")

    @pytest.mark.parametrize(
        ("failure", "sentence"),
        [
            (subprocess.TimeoutExpired("tesseract", 20), "took longer than 20 seconds"),
            (subprocess.CalledProcessError(1, "tesseract"), "failed to read"),
            (OSError("no memory"), "failed to read"),
        ],
    )
    def test_says_what_went_wrong(
        self, failure: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> Any:
            raise failure

        monkeypatch.setattr(shutil, "which", lambda _: "/nowhere/tesseract")
        monkeypatch.setattr(legibility, "_languages", lambda _: "eng")
        monkeypatch.setattr(subprocess, "run", fail)
        with pytest.raises(ScorerUnavailable, match=sentence):
            say(poster("SUMMER"), "summer")

    def test_refuses_a_reader_of_other_languages(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reader = tmp_path / "tesseract"
        reader.write_text("#!/bin/sh\necho 'List of available languages:'\necho fra\n")
        reader.chmod(0o755)
        monkeypatch.setattr(shutil, "which", lambda _: str(reader))
        with pytest.raises(ScorerUnavailable, match="neither English nor German"):
            say(poster("SUMMER"), "summer")


@needs_tesseract
class TestWithTesseract:
    def test_reads_what_is_there_and_boxes_it(self) -> None:
        measured = say(poster("SUMMER", "SALE"), "Summer sale")
        assert measured.value == 1
        assert measured.evidence["words"]["missing"] == []
        first = measured.evidence["boxes"][0]
        assert first["label"] == "SUMMER"
        assert first["x"] == pytest.approx(24 / 256, abs=0.03)
        assert 0.1 < first["y"] < 0.25

    def test_names_what_cannot_be_read(self) -> None:
        measured = say(poster("SUMMER").filter(ImageFilter.GaussianBlur(7)), "summer")
        assert measured.value < 0.5
        assert measured.evidence["words"] == {
            "wanted": ["summer"],
            "read": measured.evidence["words"]["read"],
            "missing": ["summer"],
        }

    def test_reads_one_pixel_as_nothing(self) -> None:
        assert say(Image.new("RGB", (1, 1)), "summer").value == 0
