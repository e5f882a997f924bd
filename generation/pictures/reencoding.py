"""Runs alone, as a process without secrets: bytes of a picture in, its bare pixels out.

Started as a file, `python -I reencoding.py MEMORY_BYTES CPU_S`; see decoding.py for the other end.
It imports nothing of ours. On stdin it takes the file, on stdout it answers one line of JSON: what
is `wrong`, or the facts and the sizes of the two images that follow. What it writes anew holds
pixels only: upright, in sRGB, without EXIF, GPS, XMP, comments or whatever else was in the file.
"""

import json
import resource
import sys
import warnings
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

PIXELS_MAX = 40_000_000
PREVIEW_PX = 640
FORMATS = ("PNG", "JPEG", "WEBP")
# A JPEG with further pictures behind the first, as many phones write it: the first is the picture.
MANY_IN_A_JPEG = "MPO"
MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    MANY_IN_A_JPEG: "image/jpeg",
    "WEBP": "image/webp",
}
# Which mode the pixels must have for a color profile of that kind.
PROFILED_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


class Wrong(Exception):
    """The bytes are no picture to take in; the word says why."""

    def __init__(self, word: str, **facts: int) -> None:
        super().__init__(word)
        self.word = word
        self.facts = facts


def reencoded(data: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    """Return the facts, the picture as PNG and a small one as WebP. Raises: Wrong.

    The size is read from the header, before any pixel is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Image.MAX_IMAGE_PIXELS = None  # our own limit is asked first
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                _check(image)
                # A PNG cut in its last bytes would decode; its checksums tell.
                image.verify()
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                image.load()
                found = str(image.format)
                bare = _bare(image)
    except UnidentifiedImageError as error:
        raise Wrong("format") from error
    except MemoryError as error:
        raise Wrong("memory") from error
    except (OSError, SyntaxError, ValueError, EOFError, Warning) as error:
        raise Wrong("damaged") from error
    facts = {
        "media_type": MEDIA_TYPES[found],
        "width_px": bare.width,
        "height_px": bare.height,
    }
    return facts, _png(bare), _preview(bare)


def _check(image: Image.Image) -> None:
    """Refuse what would take gigabytes to decode, and what moves: one frame would be judged."""
    if image.width * image.height > PIXELS_MAX:
        raise Wrong("pixels", width_px=image.width, height_px=image.height)
    if image.format != MANY_IN_A_JPEG and getattr(image, "n_frames", 1) > 1:
        raise Wrong("animated")


def _bare(image: Image.Image) -> Image.Image:
    """Return new RGB or RGBA pixels: upright, in sRGB, and nothing beside them."""
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    alpha = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
    colors = _in_srgb(upright, profile) if profile else _in_rgb(upright)
    bare = Image.new("RGB", colors.size)
    bare.paste(colors)
    if alpha is not None:
        bare.putalpha(alpha)
    return bare


def _in_rgb(image: Image.Image) -> Image.Image:
    """Return the colors as RGB; 16-bit gray keeps its upper 8 bits."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if image.mode in {"LA", "PA", "RGBA"} or image.has_transparency_data:
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return the colors as sRGB. Raises: Wrong for a profile that does not fit the pixels."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = PROFILED_MODES.get(source.profile.xcolor_space.strip())
        if mode is None or (mode == "CMYK") != (image.mode == "CMYK"):
            raise Wrong("profile")
        colors = image if image.mode == mode else _in_rgb(image).convert(mode)
        made = ImageCms.profileToProfile(
            colors, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, TypeError) as error:
        raise Wrong("profile") from error
    if made is None:
        raise Wrong("profile")
    return made


def _png(image: Image.Image) -> bytes:
    kept = BytesIO()
    image.save(kept, "PNG", compress_level=3)
    return kept.getvalue()


def _preview(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((PREVIEW_PX, PREVIEW_PX))
    kept = BytesIO()
    small.save(kept, "WEBP", quality=82)
    return kept.getvalue()


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """Let no picture take more than its share; a file cannot be written at all."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _soft, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))


def main(memory_bytes: int, cpu_s: int) -> None:
    """Answer one picture."""
    _limit(memory_bytes, cpu_s)
    images: tuple[bytes, ...] = ()
    try:
        facts, picture, preview = reencoded(sys.stdin.buffer.read())
        images = (picture, preview)
        said = {**facts, "sizes": [len(picture), len(preview)]}
    except Wrong as error:
        said = {"wrong": error.word, **error.facts}
    except MemoryError:
        said = {"wrong": "memory"}
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + b"".join(images))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
