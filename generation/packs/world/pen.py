"""A pen that draws in units of a box of one by one, with the tones of one color."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

Point = tuple[float, float]
Color = tuple[int, int, int]

_METAL = (168, 172, 180)
_INK = (44, 44, 50)
_PAPER = (250, 249, 246)
_LEAF = (66, 138, 74)
_FIXED = {"metal": _METAL, "ink": _INK, "paper": _PAPER, "leaf": _LEAF}
_VERY_DARK = 80
_DARKENED = {"dark": 0.76, "darker": 0.56}
_LIGHTENED = {"light": 0.28, "lighter": 0.5}


def mix(color: Color, other: Color, share: float) -> Color:
    """Mix two colors; `share` (0..1) is the other one's.

    >>> mix((0, 0, 0), (200, 100, 50), 0.5)
    (100, 50, 25)
    """
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def smooth(points: Sequence[Point], steps: int = 6) -> list[Point]:
    """Return a closed Catmull-Rom curve through the points."""
    curve: list[Point] = []
    count = len(points)
    for index in range(count):
        before, start, end, after = (points[(index + k) % count] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            curve.append((
                _spline(before[0], start[0], end[0], after[0], t),
                _spline(before[1], start[1], end[1], after[1], t),
            ))  # fmt: skip
    return curve


def _spline(before: float, start: float, end: float, after: float, t: float) -> float:
    """Interpolate one coordinate. Source: Catmull and Rom 1974, uniform knots."""
    return 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )


@dataclass(frozen=True)
class Pen:
    """Draws on a transparent square of `side_px`; coordinates run from 0 to 1, down and right."""

    canvas: ImageDraw.ImageDraw
    side_px: int
    color: Color

    def tone(self, name: str) -> Color:
        """Return a tone of the color, or one of the fixed materials."""
        if name in _FIXED:
            return _FIXED[name]
        if name in _DARKENED:
            # A very dark color gets lighter instead, or its parts could not be told apart.
            share = 1 - _DARKENED[name]
            is_dark = max(self.color) < _VERY_DARK
            return mix(self.color, (255, 255, 255) if is_dark else (0, 0, 0),
                       share * (0.45 if is_dark else 1))  # fmt: skip
        if name in _LIGHTENED:
            return mix(self.color, (255, 255, 255), _LIGHTENED[name])
        return self.color

    def polygon(self, points: Sequence[Point], tone: str = "base", *, curved: bool = False) -> None:
        """Fill a polygon, or the smooth curve through its points."""
        outline = smooth(points) if curved else points
        self.canvas.polygon([self._at(point) for point in outline], fill=self.tone(tone))

    def box(self, left: float, top: float, right: float, bottom: float, tone: str = "base",
            radius: float = 0.0) -> None:  # fmt: skip
        """Fill a rectangle with round corners."""
        self.canvas.rounded_rectangle(
            [self._at((left, top)), self._at((right, bottom))],
            radius * self.side_px, fill=self.tone(tone),
        )  # fmt: skip

    def ellipse(self, left: float, top: float, right: float, bottom: float,
                tone: str = "base") -> None:  # fmt: skip
        """Fill an ellipse."""
        self.canvas.ellipse(
            [self._at((left, top)), self._at((right, bottom))], fill=self.tone(tone)
        )

    def arc(self, box: tuple[float, float, float, float], start: float, end: float, width: float,
            tone: str = "base") -> None:  # fmt: skip
        """Draw a part of an ellipse's outline; degrees run clockwise from the right."""
        self.canvas.arc(
            [self._at(box[:2]), self._at(box[2:])], start, end,
            fill=self.tone(tone), width=max(1, round(width * self.side_px)),
        )  # fmt: skip

    def line(self, points: Sequence[Point], width: float, tone: str = "base") -> None:
        """Draw a line with round ends and joints."""
        thick = max(1, round(width * self.side_px))
        placed = [self._at(point) for point in points]
        self.canvas.line(placed, fill=self.tone(tone), width=thick, joint="curve")
        for x, y in (placed[0], placed[-1]):
            half = thick / 2
            self.canvas.ellipse([x - half, y - half, x + half, y + half], fill=self.tone(tone))

    def _at(self, point: Point) -> Point:
        """Turn units into pixels."""
        return point[0] * self.side_px, point[1] * self.side_px


def start(side_px: int, color: Color) -> tuple[Image.Image, Pen]:
    """Return an empty square, transparent in the object's own color, and a pen for it."""
    sheet = Image.new("RGBA", (side_px, side_px), (*color, 0))
    return sheet, Pen(ImageDraw.Draw(sheet), side_px, color)
