"""The three stickers of the demo world, in the upper right corner of a picture."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from PIL import Image, ImageDraw

# The square that a badge fills, as shares of the picture: 30 px of 128.
BOX = (0.752, 0.022, 0.986, 0.256)
_TILE = 480
_GOLD, _RED, _SIGNAL, _INK = (246, 184, 30), (214, 30, 48), (255, 208, 0), (24, 24, 28)
_PAPER = (255, 255, 255)


@lru_cache(maxsize=64)
def draw(name: str, side_px: int) -> Image.Image:
    """Draw a badge other than "none" on a transparent square; the caller must not change it."""
    sheet = Image.new("RGBA", (_TILE, _TILE), (255, 255, 255, 0))
    _DRAWN[name](ImageDraw.Draw(sheet))
    return sheet.resize((side_px, side_px), Image.Resampling.LANCZOS)


def _star(canvas: ImageDraw.ImageDraw) -> None:
    """Draw a golden star with a white rim."""
    for radius, color in ((0.5, _PAPER), (0.42, _GOLD)):
        points = []
        for corner in range(10):
            reach = radius * (1.0 if corner % 2 == 0 else 0.48)
            angle = math.pi * (corner / 5 - 0.5)
            points.append(
                (_TILE * (0.5 + reach * math.cos(angle)), _TILE * (0.52 + reach * math.sin(angle)))
            )
        canvas.polygon(points, fill=color)


def _new(canvas: ImageDraw.ImageDraw) -> None:
    """Draw a red disc with the letters N, E, W."""
    canvas.ellipse([0, 0, _TILE - 1, _TILE - 1], fill=_PAPER)
    canvas.ellipse([24, 24, _TILE - 25, _TILE - 25], fill=_RED)
    top, bottom = 170, 310
    letters = (
        [(72, bottom), (72, top), (146, bottom), (146, top)],
        [(260, top), (196, top), (196, bottom), (260, bottom)],
        [(296, top), (320, bottom), (352, top + 50), (384, bottom), (408, top)],
    )
    for letter in letters:
        canvas.line(letter, fill=_PAPER, width=38, joint="curve")
    canvas.line([(196, 240), (252, 240)], fill=_PAPER, width=34)


def _hazard(canvas: ImageDraw.ImageDraw) -> None:
    """Draw a yellow warning triangle with a black rim and an exclamation mark."""
    canvas.polygon([(240, 8), (474, 456), (6, 456)], fill=_INK)
    canvas.polygon([(240, 88), (412, 416), (68, 416)], fill=_SIGNAL)
    canvas.polygon([(208, 180), (272, 180), (256, 320), (224, 320)], fill=_INK)
    canvas.ellipse([210, 336, 270, 396], fill=_INK)


_DRAWN: Mapping[str, Callable[[ImageDraw.ImageDraw], None]] = {
    "star": _star,
    "new": _new,
    "hazard": _hazard,
}
