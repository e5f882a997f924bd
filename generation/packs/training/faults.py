"""Faults put into a clean render on purpose, each with a strength; what quality is learned from."""

from collections.abc import Callable, Mapping
from io import BytesIO
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

Pixels = NDArray[np.uint8]
Fault = Callable[[Image.Image, float, np.random.Generator], Image.Image]

# A fault of no strength is one that a careful eye just finds.
_LEAST = 0.25


def spoil(
    image: Image.Image, rng: np.random.Generator, *, only: str | None = None
) -> tuple[Image.Image, str, float]:
    """Put one fault into an RGB image; returns it, the fault's name and its severity, 0.25..1.

    Raises: KeyError if there is no fault of the name `only`.
    """
    name = only or str(rng.choice(tuple(FAULTS)))
    strength = float(rng.uniform())
    spoiled = FAULTS[name](image, strength, rng)
    return spoiled, name, _LEAST + (1 - _LEAST) * strength


def soften(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Vary an RGB image as a decoder, a file format or a resize does; no fault for a person."""
    side = image.size
    if rng.uniform() < 0.5:  # noqa: PLR2004 - one half
        share = rng.uniform(0.55, 1.0)
        small = (max(8, round(side[0] * share)), max(8, round(side[1] * share)))
        image = image.resize(small, Image.Resampling.BOX).resize(side, Image.Resampling.BICUBIC)
    if rng.uniform() < 0.3:  # noqa: PLR2004 - three in ten
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    if rng.uniform() < 0.3:  # noqa: PLR2004 - three in ten
        image = _jpeg(image, int(rng.integers(70, 96)))
    pixels = np.asarray(image, dtype=np.float32)
    gain = rng.uniform(0.95, 1.05, size=3).astype(np.float32)
    pixels = pixels * gain + rng.uniform(-6, 6, size=3).astype(np.float32)
    if rng.uniform() < 0.4:  # noqa: PLR2004 - four in ten
        pixels = pixels + rng.normal(0, rng.uniform(0.5, 4), pixels.shape).astype(np.float32)
    return _shift(_image(pixels), rng)


def _shift(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Move and stretch by a few percent; the border repeats what is beside it."""
    width, height = image.size
    stretch = rng.uniform(0.96, 1.04, size=2)
    move = rng.uniform(-0.025, 0.025, size=2) * (width, height)
    origin = move + (1 - stretch) * (width, height) / 2
    rows = np.clip(np.round(np.arange(height) * stretch[1] + origin[1]), 0, height - 1).astype(int)
    cols = np.clip(np.round(np.arange(width) * stretch[0] + origin[0]), 0, width - 1).astype(int)
    return Image.fromarray(np.asarray(image)[rows][:, cols])


def _image(pixels: NDArray[np.floating]) -> Image.Image:
    """Turn (height, width, 3) numbers on the scale 0..255 into an image."""
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Save as JPEG and read back."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as read:
        return read.convert("RGB")


def _blur(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:  # noqa: ARG001
    return image.filter(ImageFilter.GaussianBlur((1.4 + 3.6 * strength) * image.width / 128))


def _noise(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    return _image(pixels + rng.normal(0, 14 + 46 * strength, pixels.shape))


def _compression(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:  # noqa: ARG001
    return _jpeg(image, round(28 - 24 * strength))


def _haze(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Wash out towards one grey."""
    share = 0.45 + 0.4 * strength
    veil = np.full(3, rng.uniform(90, 200), dtype=np.float32)
    return _image(np.asarray(image, dtype=np.float32) * (1 - share) + veil * share)


def _exposure(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Clip lights or drown in shadow."""
    gain = 1.7 + 1.6 * strength if rng.uniform() < 0.5 else 0.5 - 0.35 * strength  # noqa: PLR2004
    return ImageEnhance.Brightness(image).enhance(gain)


def _pixels(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:  # noqa: ARG001
    block = (3.5 + 8 * strength) * image.width / 128
    small = (max(2, round(image.width / block)), max(2, round(image.height / block)))
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)


def _tiles(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Exchange square tiles, as a broken tiled decode does."""
    pixels = np.asarray(image).copy()
    tiles = 4 if rng.uniform() < 0.5 else 6  # noqa: PLR2004 - one half
    high, wide = pixels.shape[0] // tiles, pixels.shape[1] // tiles
    for _ in range(2 + round(10 * strength)):
        (r, c), (s, d) = rng.integers(0, tiles, size=(2, 2))
        one = pixels[r * high : (r + 1) * high, c * wide : (c + 1) * wide].copy()
        other = pixels[s * high : (s + 1) * high, d * wide : (d + 1) * wide]
        pixels[r * high : (r + 1) * high, c * wide : (c + 1) * wide] = other
        pixels[s * high : (s + 1) * high, d * wide : (d + 1) * wide] = one
    return Image.fromarray(pixels)


def _bands(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:  # noqa: ARG001
    """Keep few levels of each channel."""
    step = 255 / (8.5 - 5.5 * strength)
    return _image(np.rint(np.asarray(image, dtype=np.float32) / step) * step)


def _melt(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Bend the picture by smooth waves, as an unfinished denoising does."""
    height, width = image.height, image.width
    rows, cols = np.mgrid[0:height, 0:width].astype(np.float32)
    reach = (3.5 + 7 * strength) * width / 128
    waves = rng.uniform(1.5, 4, size=4) * 2 * np.pi / width
    turns = rng.uniform(0, 2 * np.pi, size=4)
    down = rows + reach * np.sin(cols * waves[0] + turns[0]) * np.cos(rows * waves[1] + turns[1])
    along = cols + reach * np.sin(rows * waves[2] + turns[2]) * np.cos(cols * waves[3] + turns[3])
    down, along = np.clip(np.rint(down), 0, height - 1), np.clip(np.rint(along), 0, width - 1)
    return Image.fromarray(np.asarray(image)[down.astype(int), along.astype(int)])


def _ghost(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Lay a moved copy over the picture."""
    pixels = np.asarray(image, dtype=np.float32)
    far = max(4, round(image.width * rng.uniform(0.06, 0.2)))
    moved = np.roll(pixels, (int(rng.integers(-far, far + 1)), far), axis=(0, 1))
    share = 0.22 + 0.28 * strength
    return _image(pixels * (1 - share) + moved * share)


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "blur": _blur,
        "noise": _noise,
        "compression": _compression,
        "haze": _haze,
        "exposure": _exposure,
        "pixels": _pixels,
        "tiles": _tiles,
        "bands": _bands,
        "melt": _melt,
        "ghost": _ghost,
    }
)
