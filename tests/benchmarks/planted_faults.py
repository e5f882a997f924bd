"""Faults planted into clean pictures of the demo world: who finds them, and who cries wolf.

`python -m tests.benchmarks.planted_faults [--images 200] [--size 128]` prints the table. Recall and
false alarms are taken at the thresholds that the scorers' own documentation suggests.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from generation.packs.world.draw import draw
from generation.packs.world.scene import CHOICES, COLORS, Scene, sample
from generation.scoring.artefacts import Artefacts, Banding
from generation.scoring.duplicates import NearDuplicate
from generation.scoring.palette import PaletteDistance
from generation.scoring.perceptual import perceptual_hash
from generation.scoring.protocol import Neighbour, Sample, Scorer
from generation.scoring.technical import Contrast, Exposure, Noise, Sharpness

Fault = Callable[[Image.Image, np.random.Generator], Image.Image]
Embed = Callable[[Image.Image], NDArray[np.float32]]
THRESHOLDS = {
    "artefacts": 0.5,
    "banding": 0.25,
    "contrast": 0.05,
    "exposure": 0.015,
    "near_duplicate": 0.9,
    "noise": 3.0,
    "palette": 6.0,
    "sharpness": 0.28,
}
# What stands in the sunset itself belongs to the palette of whoever orders it.
_SUN = "#ffe896"
_GRAYS = ("black", "white")
# Colors that pass for each other under light and shade are no fault that anybody would plant.
_ALIKE = ({"red", "orange"}, {"red", "pink"}, {"blue", "purple"}, {"purple", "pink"})


@dataclass(frozen=True)
class Row:
    """How one scorer fares with one fault: shares 0..1, and milliseconds of one core an image."""

    scorer: str
    fault: str
    threshold: float
    images: int
    recall: float
    false_alarms: float
    ms: float


@dataclass(frozen=True)
class Trial:
    """Samples that must pass, and for each fault samples that must not."""

    scorer: Scorer
    clean: Sequence[Sample]
    faulty: dict[str, Sequence[Sample]]

    def rows(self) -> Iterator[Row]:
        """Score everything at the scorer's threshold."""
        threshold = THRESHOLDS[self.scorer.id]
        began = time.process_time()
        alarms = self._alarms(self.clean)
        ms = (time.process_time() - began) * 1000 / len(self.clean)
        for fault, samples in self.faulty.items():
            yield Row(
                self.scorer.id,
                fault,
                threshold,
                len(samples),
                float(np.mean(self._alarms(samples))),
                float(np.mean(alarms)),
                ms,
            )

    def _alarms(self, samples: Sequence[Sample]) -> list[bool]:
        threshold = THRESHOLDS[self.scorer.id]
        values = [said.value for said in self.scorer.score(samples)]
        if self.scorer.higher_is == "worse":
            return [value >= threshold for value in values]
        return [value < threshold for value in values]


def measure(
    images: int = 200, size_px: int = 128, seed: int = 11, embed: Embed | None = None
) -> tuple[Row, ...]:
    """Plant every fault and return a row for each scorer and fault.

    `embed` gives the unit embedding that near-duplicates are compared by; without it the hash
    speaks alone.
    """
    rng = random.Random(seed)
    scenes = [sample(rng, held_out=None) for _ in range(images)]
    clean = [draw(scene, size_px, rng).convert("RGB") for scene in scenes]
    noise = np.random.default_rng(seed)
    trials = [_planted(scorer, clean, faults, noise) for scorer, faults in FAULTS]
    trials.append(_off_brand(images, size_px, rng))
    trials.append(_duplicates(scenes, clean, size_px, rng, noise, embed))
    return tuple(row for trial in trials for row in trial.rows())


def _planted(
    scorer: Scorer,
    clean: Sequence[Image.Image],
    faults: dict[str, Fault],
    noise: np.random.Generator,
) -> Trial:
    return Trial(
        scorer,
        [Sample(image) for image in clean],
        {name: [Sample(f(image, noise)) for image in clean] for name, f in faults.items()},
    )


def _off_brand(images: int, size_px: int, rng: random.Random) -> Trial:
    """Show products in the palette's one color, and in others."""
    colors = {name: "#{:02x}{:02x}{:02x}".format(*rgb) for name, rgb in COLORS.items()}
    right, wrong = [], []
    while len(right) < images:
        scene = replace(sample(rng, held_out=None), badge="none")
        sun = (_SUN,) if scene.background == "sunset" else ()
        if scene.color in _GRAYS or (sun and scene.color == "yellow"):
            continue
        others = [
            name
            for name in colors
            if name not in {scene.color, *_GRAYS} and {name, scene.color} not in _ALIKE
        ]
        image = draw(scene, size_px, rng).convert("RGB")
        right.append(Sample(image, palette=(colors[scene.color], *sun)))
        wrong.append(Sample(image, palette=(colors[rng.choice(others)], *sun)))
    return Trial(PaletteDistance(), right, {"product in another color": wrong})


def _duplicates(
    scenes: Sequence[Scene],
    clean: Sequence[Image.Image],
    size_px: int,
    rng: random.Random,
    noise: np.random.Generator,
    embed: Embed | None,
) -> Trial:
    """Compare copies with their originals, and originals with other pictures of the product."""
    others = [draw(_other(scene, rng), size_px, rng).convert("RGB") for scene in scenes]
    vectors = [embed(image) if embed else None for image in clean]
    known = [
        Neighbour(str(index), perceptual_hash(image), vector)
        for index, (image, vector) in enumerate(zip(clean, vectors, strict=True))
    ]

    def beside(images: Sequence[Image.Image]) -> list[Sample]:
        return [
            Sample(image, neighbours=(each,), embedding=embed(image) if embed else None)
            for image, each in zip(images, known, strict=True)
        ]

    faults = {name: [f(image, noise) for image in clean] for name, f in COPIES.items()}
    return Trial(
        NearDuplicate(), beside(others), {name: beside(copies) for name, copies in faults.items()}
    )


def _other(scene: Scene, rng: random.Random) -> Scene:
    """Return the product in another picture: another place, size, number or background."""
    while True:
        attribute = rng.choice(("background", "position", "count", "size"))
        value = rng.choice([v for v in CHOICES[attribute] if v != getattr(scene, attribute)])
        try:
            if attribute == "count" and value != 1:
                return replace(scene, count=value, position="center", size="small")
            return replace(scene, **{attribute: value})
        except ValueError:  # The world has no such scene.
            continue


def _image(levels: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _blur(radius_128: float) -> Fault:
    return lambda image, _: image.filter(ImageFilter.GaussianBlur(radius_128 * image.width / 128))


def _grain(deviation: float) -> Fault:
    return lambda image, noise: _image(
        np.asarray(image, dtype=np.float64) + noise.normal(0, deviation, (*image.size[::-1], 3))
    )


def _gain(factor: float) -> Fault:
    return lambda image, _: ImageEnhance.Brightness(image).enhance(factor)


def _haze(share: float) -> Fault:
    return lambda image, _: Image.blend(image, Image.new("RGB", image.size, (140,) * 3), share)


def _levels(step: float) -> Fault:
    return lambda image, _: _image(np.rint(np.asarray(image, dtype=np.float64) / step) * step)


def _jpeg(quality: int) -> Fault:
    def save(image: Image.Image, _: np.random.Generator) -> Image.Image:
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return save


def _tiles(image: Image.Image, _: np.random.Generator) -> Image.Image:
    levels = np.asarray(image, dtype=np.float64).copy()
    high, wide = levels.shape[0] // 2, levels.shape[1] // 2
    levels[:high, :wide] += 6
    levels[high:, wide:] -= 6
    return _image(levels)


def _cut_off(image: Image.Image, _: np.random.Generator) -> Image.Image:
    levels = np.asarray(image).copy()
    levels[int(levels.shape[0] * 0.8) :] = 0
    return Image.fromarray(levels)


def _crop(share: float) -> Fault:
    """Cut that share of width and height off, half on each side."""

    def cut(image: Image.Image, _: np.random.Generator) -> Image.Image:
        off = share * image.width / 2
        box = (off, off, image.width - off, image.height - off)
        return image.resize(image.size, Image.Resampling.BICUBIC, box=box)

    return cut


FAULTS: tuple[tuple[Scorer, dict[str, Fault]], ...] = (
    (Sharpness(), {"blur 1.4 px in 128": _blur(1.4), "blur 2.5 px in 128": _blur(2.5)}),
    (Noise(), {"noise of 8 levels": _grain(8), "noise of 16 levels": _grain(16)}),
    (
        Exposure(),
        {
            "levels x 1.7": _gain(1.7),
            "levels x 2.2": _gain(2.2),
            "levels x 0.5": _gain(0.5),
            "levels x 0.35": _gain(0.35),
        },
    ),
    (Contrast(), {"85 % gray haze": _haze(0.85)}),
    (
        Banding(),
        {"32 levels": _levels(8), "16 levels": _levels(16), "8 levels": _levels(32)},
    ),
    (
        Artefacts(),
        {
            "JPEG quality 10": _jpeg(10),
            "JPEG quality 30": _jpeg(30),
            "tiles 6 levels apart": _tiles,
            "last fifth black": _cut_off,
        },
    ),
)
COPIES: dict[str, Fault] = {
    "cropped by 2 %": _crop(0.02),
    "saved as JPEG quality 60": _jpeg(60),
    "3 % brighter": _gain(1.03),
    "3 % darker": _gain(0.97),
}


def encoder(folder: Path) -> Embed | None:
    """Return the demo pack's encoder, None if it has not been trained."""
    from generation.scoring import embedding
    from generation.weights import snapshot

    if not folder.is_dir():
        return None
    opened = embedding.open_encoder(folder, snapshot.digest_folder(folder).sha256, "cpu")
    return opened.embed_image


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.planted_faults")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--encoder", type=Path, default=Path("generation/packs/demo/clip"))
    chosen = parser.parse_args()
    out = sys.stdout.write
    out("| scorer | threshold | fault | images | recall | false alarms | ms an image |\n")
    out("|---|---|---|---|---|---|---|\n")
    for row in measure(chosen.images, chosen.size, embed=encoder(chosen.encoder)):
        out(
            f"| {row.scorer} | {row.threshold:g} | {row.fault} | {row.images} | {row.recall:.3f} "
            f"| {row.false_alarms:.3f} | {row.ms:.1f} |\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
