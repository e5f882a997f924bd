"""Whether the words that a template asks for can be read in the image; tesseract reads them."""

import os
import shutil
import subprocess
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import ClassVar

from PIL.Image import Image, Resampling

from generation.scoring.pixels import LICENCE, require_rgb
from generation.scoring.protocol import (
    Direction,
    Input,
    Measurement,
    Sample,
    ScorerUnavailable,
)

_BINARY = "tesseract"
_TIMEOUT_S = 20
# Letters of this height read best; small images are enlarged to it, large ones reduced.
_SIDE_PX = 1024
# Sparse text: find as much as there is, in no order.
_PAGE_MODE = "11"
_LANGUAGES = ("eng", "deu")
_COLUMNS = 12
_WORD_LEVEL = "5"
# Words of which tesseract itself is less sure than this (0..100) are none.
_SURE = 30.0
_WORDS_MOST = 50


@dataclass(frozen=True)
class _Word:
    """A word that was read, and its box in shares of the image."""

    text: str
    sure: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Legibility:
    """How much of the wanted text can be read: 1 minus the character error rate, 0..1.

    Each wanted word is compared with the word read that is nearest to it; upper and lower case,
    accents' encoding and punctuation at a word's ends do not count, order does not, other text in
    the image does not. A template that asks for no text gives 1: nothing to read.

    Start with a threshold of 0.8. Source: edit distance of Levenshtein, Soviet Physics Doklady
    10(8), 1966. Raises: ScorerUnavailable if text is wanted and tesseract is not installed, fails
    or takes longer than 20 s.
    """

    id: ClassVar[str] = "legibility"
    title: ClassVar[str] = "Legible text"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE, Input.WANTED_TEXT})
    cost_ms: ClassVar[float] = 400.0
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = f"{LICENCE}; tesseract: Apache-2.0"
    higher_is: ClassVar[Direction] = "better"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Read each image for which text is wanted."""
        return [_measure(sample.image, sample.wanted_text or "") for sample in samples]


def share_read(wanted: Sequence[str], read: Sequence[str]) -> tuple[float, tuple[str, ...]]:
    """Return 1 minus the character error rate of the wanted words, and those not read in full.

    Each word read stands for one wanted word at most.

    >>> share_read(["news", "sale"], ["SALE!", "nevs", "extra"])
    (0.875, ('news',))
    """
    left = [_plain(word) for word in read]
    errors, missing = 0, []
    for word in sorted(wanted, key=lambda word: (-len(word), word)):
        plain = _plain(word)
        distances = [min(_edits(plain, other), len(plain)) for other in left]
        nearest = min(range(len(left)), key=distances.__getitem__, default=None)
        lost = len(plain) if nearest is None else distances[nearest]
        if nearest is not None and lost < len(plain):
            left.pop(nearest)
        errors += lost
        if lost:
            missing.append(word)
    total = sum(len(_plain(word)) for word in wanted)
    return 1 - errors / total, tuple(word for word in wanted if word in missing)


def _measure(image: Image, text: str) -> Measurement:
    wanted = [word for word in text.split() if _plain(word)][:_WORDS_MOST]
    if not wanted:
        return Measurement(1.0, {"text": "There is nothing to read."})
    require_rgb(image, 1)
    words = _read(image)
    value, missing = share_read(wanted, [word.text for word in words])
    return Measurement(
        value,
        {
            "words": {
                "wanted": wanted,
                "read": [word.text for word in words],
                "missing": list(missing),
            },
            "boxes": [
                {
                    **dict(zip(("x", "y", "width", "height"), word.box, strict=True)),
                    "label": word.text,
                    "score": round(word.sure / 100, 4),
                }
                for word in words
            ],
        },
    )


def _read(image: Image) -> list[_Word]:
    """Let tesseract read an image. Raises: ScorerUnavailable."""
    scale = _SIDE_PX / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    picture = BytesIO()
    image.resize(size, Resampling.LANCZOS).convert("L").save(picture, "PNG")
    binary = _binary()
    if binary is None:
        raise ScorerUnavailable(
            "The image's text cannot be read: the program 'tesseract' is not installed."
        )
    # One thread: more of them change nothing but the time others have.
    environment = {"PATH": os.defpath, "OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"}
    command = [binary, "stdin", "stdout", "-l", _languages(binary), "--psm", _PAGE_MODE, "tsv"]
    try:
        done = subprocess.run(
            command,
            input=picture.getvalue(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=True,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise ScorerUnavailable(
            f"Reading the image's text took longer than {_TIMEOUT_S} seconds."
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise ScorerUnavailable("The program 'tesseract' failed to read the image.") from error
    return _parse(done.stdout.decode("utf-8", "replace"), size)[:_WORDS_MOST]


def _parse(table: str, size: tuple[int, int]) -> list[_Word]:
    """Return the words of tesseract's table (TSV: level, ..., left, top, width, height, sure)."""
    found = []
    for line in table.splitlines()[1:]:
        cells = line.split("\t")
        if len(cells) != _COLUMNS or cells[0] != _WORD_LEVEL or not _plain(cells[-1]):
            continue
        left, top, width, height = (int(cell) for cell in cells[6:10])
        sure = float(cells[10])
        if sure >= _SURE:
            box = (left / size[0], top / size[1], width / size[0], height / size[1])
            x, y, wide, high = (round(min(1.0, max(0.0, place)), 4) for place in box)
            found.append(_Word(cells[-1].strip()[:100], sure, (x, y, wide, high)))
    return found


def _plain(word: str) -> str:
    """Return a word as it is compared.

    >>> _plain("«Größe!»"), _plain("--")
    ('grösse', '')
    """
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(c for c in folded if c.isalnum())


def _edits(one: str, other: str) -> int:
    """Count the insertions, deletions and replacements that turn one word into another.

    >>> _edits("kitten", "sitting"), _edits("", "abc")
    (3, 3)
    """
    before = list(range(len(other) + 1))
    for row, mine in enumerate(one, 1):
        now = [row]
        for column, theirs in enumerate(other, 1):
            cost = before[column - 1] + (mine != theirs)
            now.append(min(cost, before[column] + 1, now[-1] + 1))
        before = now
    return before[-1]


def _binary() -> str | None:
    return shutil.which(_BINARY)


@cache
def _languages(binary: str) -> str:
    """Return those of our languages that are installed, as tesseract takes them."""
    try:
        listed = subprocess.run(
            [binary, "--list-langs"], capture_output=True, timeout=_TIMEOUT_S, check=True
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError) as error:
        raise ScorerUnavailable("The program 'tesseract' does not list its languages.") from error
    known = {line.strip() for line in listed.splitlines()}
    usable = [language for language in _LANGUAGES if language in known]
    if not usable:
        raise ScorerUnavailable("The program 'tesseract' has neither English nor German.")
    return "+".join(usable)
