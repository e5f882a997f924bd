"""Draws a scene: set, shadows, objects lit from a side, badge; drawn large and then reduced."""

import random
from functools import lru_cache

from PIL import Image, ImageChops

from generation.packs.world import backgrounds, badges, objects, pen
from generation.packs.world.scene import COLORS, Scene

# Everything is drawn this many times larger and averaged down.
SUPERSAMPLING = 3

# Shares of the picture's height: an object's side, and the floor it stands on.
_SIDES = {"large": 0.60, "small": 0.42, 2: 0.43, 3: 0.315}
_FLOORS = {"large": 0.915, "small": 0.86, 2: 0.87, 3: 0.84}
_PLACES = {"left": 0.32, "center": 0.5, "right": 0.68}
_ROWS = {2: (0.27, 0.73), 3: (0.18, 0.5, 0.82)}
# How much each of these varies from picture to picture.
_SHIFT, _STRETCH, _TINT = 0.018, 0.035, 5


def draw(
    scene: Scene, size_px: int, rng: random.Random, height_px: int | None = None
) -> Image.Image:
    """Draw a scene as an RGB image of `size_px` (by `height_px`, if it is not square).

    The lot decides small shifts, sizes and tints only; two draws of a scene show the same.
    """
    width = size_px * SUPERSAMPLING
    height = (height_px or size_px) * SUPERSAMPLING
    image = backgrounds.draw(scene.background, width, height).copy()
    color = _tinted(COLORS[scene.color], rng)
    kind: str | int = scene.size if scene.count == 1 else scene.count
    side = _SIDES[kind] * (1 + rng.uniform(-_STRETCH, _STRETCH))
    down = rng.uniform(-_SHIFT, _SHIFT)
    places = (_PLACES[scene.position],) if scene.count == 1 else _ROWS[scene.count]
    side_px = round(side * min(width, height))
    sprite = _sprite(scene, color, side_px)
    for place in places:
        across = rng.uniform(-_SHIFT, _SHIFT)
        left = round((place + across) * width - side_px / 2)
        floor = round((_FLOORS[kind] + down) * height)
        _cast_shadow(image, scene.light, left, floor, side_px)
        image.paste(sprite, (left, floor - side_px), sprite)
    if scene.badge != "none":
        left_share, top_share, right_share, _ = badges.BOX
        scale = min(width, height)
        badge = badges.draw(scene.badge, round((right_share - left_share) * scale))
        image.paste(
            badge, (width - round((1 - left_share) * scale), round(top_share * scale)), badge
        )
    return image.reduce(SUPERSAMPLING)


def _tinted(color: pen.Color, rng: random.Random) -> pen.Color:
    """Return a color a little off, within 0..255."""
    red, green, blue = (min(255, max(0, c + rng.randint(-_TINT, _TINT))) for c in color)
    return red, green, blue


def _sprite(scene: Scene, color: pen.Color, side_px: int) -> Image.Image:
    """Draw one object, brighter on the lit side."""
    sheet, tool = pen.start(side_px, color)
    objects.DRAWN[scene.object](tool)
    alpha = sheet.getchannel("A")
    dim, bright = _lighting(scene.light, side_px)
    lit = ImageChops.screen(ImageChops.multiply(sheet.convert("RGB"), dim), bright)
    lit.putalpha(alpha)
    return lit


@lru_cache(maxsize=512)
def _lighting(light: str, side_px: int) -> tuple[Image.Image, Image.Image]:
    """Return what an object is multiplied and screened by, from its left edge to its right."""
    dim, bright = Image.new("L", (side_px, 1)), Image.new("L", (side_px, 1))
    for x in range(side_px):
        across = x / max(1, side_px - 1)
        share = {"left": across, "right": 1 - across, "none": abs(across - 0.5) * 1.1}[light]
        depth = 0.46 if light != "none" else 0.26
        dim.putpixel((x, 0), round(255 * (1 - depth * max(0.0, share - 0.25) / 0.75)))
        bright.putpixel((x, 0), round(95 * max(0.0, 0.45 - share)) if light != "none" else 6)
    square = (side_px, side_px)
    return tuple(Image.merge("RGB", [i.resize(square)] * 3) for i in (dim, bright))  # type: ignore[return-value]


@lru_cache(maxsize=512)
def _shadow(width_px: int, height_px: int) -> Image.Image:
    """Return a soft ellipse as a mask."""
    reach = Image.radial_gradient("L").resize((width_px, height_px))
    return reach.point([max(0, min(145, round((178 - value) * 1.3))) for value in range(256)])


def _cast_shadow(image: Image.Image, light: str, left: int, floor: int, side_px: int) -> None:
    """Darken the surface below an object, on the side away from the light."""
    wide, high = round(side_px * 1.10), max(2, round(side_px * 0.19))
    lean = {"left": 0.16, "none": 0.0, "right": -0.16}[light] * side_px
    mask = _shadow(wide, high)
    at = (round(left + side_px / 2 - wide / 2 + lean), floor - round(high * 0.58))
    image.paste((16, 14, 26), at, mask)
