"""The eight sets of the demo world: a wall and a surface, drawn once for each size."""

import random
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFilter

from generation.packs.world.pen import Color, mix

HORIZON = 0.625
_TILE = 512

_PLAIN: dict[str, tuple[Color, Color]] = {
    "white": ((250, 250, 250), (232, 233, 236)),
    "grey": ((150, 153, 158), (122, 125, 131)),
    "beige": ((229, 207, 170), (208, 182, 141)),
    "navy": ((36, 48, 92), (24, 33, 66)),
    "mint": ((184, 232, 208), (150, 208, 180)),
}


@lru_cache(maxsize=64)
def draw(name: str, width_px: int, height_px: int) -> Image.Image:
    """Draw a set of a name in `scene.BACKGROUNDS`; the caller must not change the image."""
    if name in _PLAIN:
        set_ = _plain(*_PLAIN[name])
    else:
        set_ = {"wood": _wood, "marble": _marble, "sunset": _sunset}[name]()
    return set_.resize((width_px, height_px), Image.Resampling.BICUBIC)


def _ramp(image: Image.Image, top: float, bottom: float, start: Color, end: Color) -> None:
    """Fill a part of the height with a vertical gradient."""
    draw_ = ImageDraw.Draw(image)
    first, last = round(top * _TILE), round(bottom * _TILE)
    for y in range(first, last):
        share = (y - first) / max(1, last - first - 1)
        draw_.line([(0, y), (_TILE, y)], fill=mix(start, end, share))


def _plain(wall: Color, floor: Color) -> Image.Image:
    """Draw a studio sheet that turns from wall to floor in a soft curve."""
    image = Image.new("RGB", (_TILE, _TILE))
    _ramp(image, 0.0, HORIZON - 0.06, mix(wall, (0, 0, 0), 0.03), wall)
    _ramp(image, HORIZON - 0.06, HORIZON + 0.06, wall, floor)
    _ramp(image, HORIZON + 0.06, 1.0, floor, mix(floor, (255, 255, 255), 0.22))
    return image


def _wood() -> Image.Image:
    """Draw a table of warm planks before a cream wall."""
    image = Image.new("RGB", (_TILE, _TILE))
    _ramp(image, 0.0, HORIZON, (240, 230, 214), (228, 214, 192))
    _ramp(image, HORIZON, 1.0, (150, 96, 52), (176, 118, 68))
    draw_ = ImageDraw.Draw(image)
    rng = random.Random(11)  # noqa: S311  (a texture, not a secret)
    rows = (HORIZON, 0.70, 0.785, 0.885, 1.0)
    for top, bottom in pairwise(rows):
        for _ in range(7):
            y = rng.uniform(top + 0.012, bottom - 0.008) * _TILE
            x = rng.uniform(-0.2, 0.8) * _TILE
            length = rng.uniform(0.25, 0.6) * _TILE
            draw_.line([(x, y), (x + length, y + rng.uniform(-3, 3))], fill=(138, 86, 46), width=3)
        y = round(bottom * _TILE)
        draw_.line([(0, y), (_TILE, y)], fill=(104, 62, 32), width=6)
    y = round(HORIZON * _TILE)
    draw_.line([(0, y), (_TILE, y)], fill=(96, 58, 30), width=6)
    return image.filter(ImageFilter.GaussianBlur(1.0))


def _marble() -> Image.Image:
    """Draw a slab of pale marble with dark veins, as wall and surface."""
    image = Image.new("RGB", (_TILE, _TILE))
    _ramp(image, 0.0, HORIZON, (226, 229, 233), (238, 240, 243))
    _ramp(image, HORIZON, 1.0, (206, 211, 218), (222, 226, 231))
    veins = Image.new("RGB", (_TILE, _TILE), (255, 255, 255))
    draw_ = ImageDraw.Draw(veins)
    rng = random.Random(5)  # noqa: S311  (a texture, not a secret)
    for start, width in ((-0.1, 12), (0.16, 5), (0.38, 14), (0.62, 5), (0.80, 11)):
        x, y = start * _TILE, -10.0
        points = [(x, y)]
        while y < _TILE:
            x += rng.uniform(-4, 34)
            y += rng.uniform(22, 44)
            points.append((x, y))
        draw_.line(points, fill=(150, 158, 170), width=width, joint="curve")
    veins = veins.filter(ImageFilter.GaussianBlur(2.5))
    image.paste(veins, (0, 0), veins.convert("L").point(lambda value: 255 - value))
    draw_ = ImageDraw.Draw(image)
    y = round(HORIZON * _TILE)
    draw_.line([(0, y), (_TILE, y)], fill=(176, 182, 192), width=5)
    return image


def _sunset() -> Image.Image:
    """Draw an evening sky with a low sun over a dusky sea."""
    image = Image.new("RGB", (_TILE, _TILE))
    _ramp(image, 0.0, 0.34, (92, 58, 128), (214, 92, 110))
    _ramp(image, 0.34, HORIZON, (214, 92, 110), (255, 178, 84))
    draw_ = ImageDraw.Draw(image)
    center, radius = 0.26 * _TILE, 0.11 * _TILE
    y = (HORIZON - 0.055) * _TILE
    draw_.ellipse([center - radius, y - radius, center + radius, y + radius], fill=(255, 232, 150))
    _ramp(image, HORIZON, 1.0, (142, 66, 92), (84, 44, 86))
    return image
