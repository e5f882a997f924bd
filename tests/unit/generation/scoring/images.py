"""Planted images, whose properties are known by construction."""

from io import BytesIO

import numpy as np
from PIL import Image


def flat(level: int, side: int = 64) -> Image.Image:
    """Make an even gray image."""
    return Image.new("RGB", (side, side), (level, level, level))


def halves(left: int, right: int, side: int = 64) -> Image.Image:
    """Make an image of two even gray halves."""
    image = flat(left, side)
    image.paste((right, right, right), (side // 2, 0, side, side))
    return image


def checkers(square: int, side: int = 64) -> Image.Image:
    """Make a black and white board with squares of some pixels."""
    rows, columns = np.indices((side, side)) // square
    board = ((rows + columns) % 2 * 255).astype(np.uint8)
    return Image.fromarray(np.stack([board] * 3, axis=2))


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Encode an image."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
