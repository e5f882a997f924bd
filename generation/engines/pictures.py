"""Pictures that people bring: decoded with their size first, upright, opaque, fitted as stated.

A change of any rule here makes other images of the same recipe, so it needs a new name for the fit
and a new number for every engine.
"""

import struct
from io import BytesIO
from typing import Final

import PIL
from PIL import Image, ImageOps

from generation.engines.spec import SIDE_MIN_PX, SIDE_STEP_PX
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput

PICTURE_MAX_PX = 40_000_000
# What recipes call the ways in which a picture gets its size.
COVER: Final = "cover/1"
SHRINK: Final = "shrink/1"
WHOLE: Final = "whole/1"

_FORMATS = ("PNG", "JPEG", "WEBP")
# What Pillow turns into RGB without losing or guessing; CMYK and 16 bits a channel are not.
_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
# What its decoders raise on damaged files.
_DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    OverflowError,
    struct.error,
)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_RATIO_MAX = 8


def decode(data: bytes, field: str) -> Image.Image:
    """Decode a picture: RGB, turned as its EXIF says, what is transparent laid on white.

    Colors are taken as sRGB; an embedded profile is not applied. `field` is named by errors.
    Raises: InvalidInput if it is no still PNG, JPEG or WebP of at most `PICTURE_MAX_PX`.
    """
    picture = _open(data, field)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")


def decode_mask(data: bytes, field: str) -> Image.Image:
    """Decode a mask: one channel, 255 from the middle gray on and 0 below it.

    Raises: InvalidInput as `decode` does, and for transparency, which says two things here.
    """
    picture = _open(data, field)
    if picture.has_transparency_data:
        raise InvalidInput(
            "The mask must not be transparent: white is painted anew, black is kept.",
            pointer=f"/{field}",
            rule="image",
        )
    return picture.convert("L").point(lambda value: 255 if value >= 128 else 0)  # noqa: PLR2004


def cover(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Fill a size with a picture: scaled until both sides reach, cut to its middle.

    A mask of one channel keeps its two values.

    >>> cover(Image.new("RGB", (300, 100)), 64, 64).size
    (64, 64)
    """
    how = Image.Resampling.NEAREST if picture.mode == "L" else Image.Resampling.LANCZOS
    return ImageOps.fit(picture, (width, height), how)


def shrink(picture: Image.Image, area_px: int) -> Image.Image:
    """Scale a picture down to an area, never up, and cut its sides to whole steps.

    >>> shrink(Image.new("RGB", (2048, 2048)), 1024 * 1024).size
    (1024, 1024)
    >>> shrink(Image.new("RGB", (100, 70)), 1024 * 1024).size
    (96, 64)
    """
    share = min((area_px / (picture.width * picture.height)) ** 0.5, 1.0)
    width, height = (
        max(int(side * share) // SIDE_STEP_PX * SIDE_STEP_PX, SIDE_MIN_PX) for side in picture.size
    )
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)


def require_whole(picture: Image.Image, field: str) -> None:
    """Refuse a picture that is too small or too narrow to be looked at. Raises: InvalidInput."""
    short, long = sorted(picture.size)
    if short < SIDE_MIN_PX or long > _RATIO_MAX * short:
        raise InvalidInput(
            f"A picture to look at needs sides of {SIDE_MIN_PX} px at least, the longer one at "
            f"most {_RATIO_MAX} times the shorter one.",
            pointer=f"/{field}",
            rule="range",
        )


def describe(name: str, sha256: str, picture: Image.Image, fit: str) -> dict[str, str]:
    """State a picture for the recipe: its file, how it was fitted, and the pixels of that."""
    return {
        f"{name}.sha256": sha256,
        f"{name}.fit": fit,
        f"{name}.fitted_sha256": sha256_hex(picture.tobytes()),
        "library.pillow": PIL.__version__,
    }


def _open(data: bytes, field: str) -> Image.Image:
    """Read a file's pixels once its size and kind are known to be right."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as opened:
            _require_still(opened, field)
            return ImageOps.exif_transpose(opened)
    except _BOMB as error:
        raise _too_large(field) from error
    except _DAMAGED as error:
        raise InvalidInput(
            "The picture cannot be read as PNG, JPEG or WebP.", pointer=f"/{field}", rule="image"
        ) from error


def _require_still(opened: Image.Image, field: str) -> None:
    """Refuse by the file's head what is too large, moves, or has other colors."""
    if opened.width * opened.height > PICTURE_MAX_PX:
        raise _too_large(field)
    if getattr(opened, "n_frames", 1) > 1:
        raise InvalidInput("The picture must not move.", pointer=f"/{field}", rule="image")
    if opened.mode not in _MODES:
        raise InvalidInput(
            f"The picture has colors that are not read here ({opened.mode}). Save it as RGB with "
            "8 bits a channel.",
            pointer=f"/{field}",
            rule="image",
        )


def _too_large(field: str) -> InvalidInput:
    """Build the error for a picture beyond the limit."""
    return InvalidInput(
        f"The picture may have at most {PICTURE_MAX_PX} pixels.",
        pointer=f"/{field}",
        rule="area_too_large",
    )
