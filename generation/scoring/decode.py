"""Bytes to an RGB image within limits; whatever is no plain still picture is refused."""

import warnings
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from governance.kernel.errors import DomainError

PIXELS_MAX = 40_000_000
FORMATS = ("PNG", "JPEG", "WEBP")


class UnreadableImage(DomainError):
    """The bytes are not an image that is safe to decode."""

    code = "unreadable_image"


def decode(data: bytes) -> Image.Image:
    """Decode an image to RGB as a viewer shows it: upright, transparency over white.

    Raises: UnreadableImage if it is no PNG, JPEG or WebP, is damaged, moves, or has more than
    40 million pixels. The size is read from the header, before any pixel is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                _refuse_large(image)
                _refuse_moving(image)
                image.load()
                return _flatten(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise UnreadableImage("The file is not a PNG, JPEG or WebP image.") from error
    except (
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
        Warning,
        EOFError,
    ) as error:
        raise UnreadableImage(
            "The image is damaged or unsafe to decode.", cause=type(error).__name__
        ) from error


def _refuse_large(image: Image.Image) -> None:
    """Refuse what would take gigabytes to decode."""
    if image.width * image.height > PIXELS_MAX:
        raise UnreadableImage(
            f"The image has {image.width} x {image.height} pixels; at most "
            f"{PIXELS_MAX // 1_000_000} million are allowed.",
            width_px=image.width,
            height_px=image.height,
        )


def _refuse_moving(image: Image.Image) -> None:
    """Refuse animations: one frame would be judged and another one seen."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnreadableImage("The image is animated; only still images are judged.", frames=frames)


def _flatten(image: Image.Image) -> Image.Image:
    """Bring any mode to RGB, with transparent parts over white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    page = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(page, layered).convert("RGB")
