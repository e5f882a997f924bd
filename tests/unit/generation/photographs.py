"""Small pictures for engines: drawn here, as files and as pixels."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from generation.engines.spec import BoxMask

if TYPE_CHECKING:
    from numpy.typing import NDArray


def box(inside: tuple[int, int, int, int], **saved: Any) -> bytes:
    """Draw a box on a plain ground of 128 by 128 px, as a file."""
    image = Image.new("RGB", (128, 128), (230, 220, 200))
    ImageDraw.Draw(image).rectangle(inside, fill=(90, 40, 40))
    return saved_as(image, **saved)


def saved_as(image: Image.Image, **saved: Any) -> bytes:
    """Save a picture as a file, a PNG unless said."""
    file = BytesIO()
    image.save(file, saved.pop("format", "PNG"), **saved)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    """Open a file."""
    return Image.open(BytesIO(data))


def pixels(data: bytes) -> "NDArray[np.uint8]":
    """Return the pixels of a file."""
    return np.asarray(opened(data))


def mask(white: BoxMask, size: tuple[int, int]) -> Image.Image:
    """Draw a mask with one white box."""
    image = Image.new("L", size, 0)
    edges = (white.left * size[0], white.top * size[1])
    ends = (white.right * size[0] - 1, white.bottom * size[1] - 1)
    ImageDraw.Draw(image).rectangle((edges, ends), fill=255)
    return image


def around(white: BoxMask, made: "NDArray[np.uint8]", data: bytes) -> "NDArray[np.uint8]":
    """Return an image with a picture around its white box."""
    is_white = np.asarray(mask(white, (made.shape[1], made.shape[0])))[:, :, None] > 0
    return np.where(is_white, made, pixels(data))
