"""What the trained scorers learn from: cached renders of the demo world, and captions in pairs."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generation.packs.training import corpus, faults, text
from generation.packs.training.contrastive_loss import SILENT
from generation.packs.world import captions, draw, scene
from generation.packs.world.scene import Scene

RENDER_PX = 128
# Labels of an image and of a caption come in this order.
NAMES = scene.ATTRIBUTES
SIZES = tuple(len(scene.CHOICES[name]) for name in NAMES)
# How often a changed caption is changed in this: what is hard to see is asked more often.
_CHANGES = {
    "object": 4, "color": 2, "background": 2, "badge": 3, "count": 2, "position": 2, "light": 4,
    "size": 2,
}  # fmt: skip
# The side that the light comes from shows in shades alone: without this it is hardly learned.
WEIGHTS = tuple(4.0 if name == "light" else 1.0 for name in NAMES)
# So many captions about a badge name nothing else, as a policy's concepts do.
_BADGE_ALONE = 0.35
_BADGES_ALONE = {
    "none": ("no badge", "a picture without a badge", "no sign"),
    "star": ("a star badge", "a gold star", "a picture with a star"),
    "new": ("a new badge", "a red new sticker", "a picture with a new sticker"),
    "hazard": ("a hazard sign", "a warning badge", "a hazard badge", "a picture with a warning"),
}
# A sample of renders is enough to fit the latents' basis.
_FITTED_ON = 3000
_THROUGH_LATENTS = 0.3


@dataclass(frozen=True)
class Renders:
    """Scenes and their pictures; pixels: (N, 128, 128, 3) bytes, possibly on disk."""

    scenes: Sequence[Scene]
    pixels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.scenes)

    def image(self, index: int) -> Image.Image:
        """Return one picture."""
        return Image.fromarray(np.asarray(self.pixels[index]))

    @cached_property
    def basis(self) -> corpus.Basis:
        """The linear latents of these renders: what an image model's coarse grid keeps of them."""
        return corpus.fit(np.asarray(self.pixels[:_FITTED_ON]))

    def soften(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Vary a render as a generated picture differs from one; some go through the latents."""
        if rng.uniform() < _THROUGH_LATENTS:
            latents = self.basis.encode(np.asarray(image)[None])
            latents += rng.normal(0, rng.uniform(0, 0.12), latents.shape).astype(np.float32)
            pixels = np.clip((self.basis.decode(latents)[0] + 1) * 127.5, 0, 255)
            image = Image.fromarray(pixels.astype(np.uint8))
        return faults.soften(image, rng)


@dataclass(frozen=True)
class Caption:
    """A text and what it says: a label for each attribute, SILENT where it says nothing."""

    text: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """A caption that is true of a scene, and the same words with one attribute changed."""

    true: Caption
    changed: Caption
    attribute: str


def render(
    cache: Path,
    count: int,
    seed: int,
    *,
    held_out: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Renders:
    """Draw scenes by lot and keep them in `cache`, or read what an earlier call kept there.

    `held_out` draws only combinations of object, color and background that no training sees.
    """
    name = f"renders-{RENDER_PX}-{seed}-{count}{'-held-out' if held_out else ''}"
    pixels_path, scenes_path = cache / f"{name}.npy", cache / f"{name}.json"
    if scenes_path.is_file():
        scenes = [Scene(**each) for each in json.loads(scenes_path.read_text(encoding="utf-8"))]
        return Renders(scenes, np.load(pixels_path, mmap_mode="r"))
    cache.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{name}")  # noqa: S311 - renders are no secrets
    scenes = [scene.sample(rng, held_out=held_out) for _ in range(count)]
    pixels = np.lib.format.open_memmap(
        pixels_path, mode="w+", dtype=np.uint8, shape=(count, RENDER_PX, RENDER_PX, 3)
    )
    for index, each in enumerate(scenes):
        lot = random.Random(f"{name}/{index}")  # noqa: S311 - as above
        pixels[index] = np.asarray(draw.draw(each, RENDER_PX, lot))
        if index % 2000 == 0:
            report(f"rendered {index} of {count}")
    pixels.flush()
    scenes_path.write_text(json.dumps([vars(each) for each in scenes]), encoding="utf-8")
    return Renders(scenes, pixels)


def label(shown: Scene) -> tuple[int, ...]:
    """Return the index of each attribute's value.

    >>> label(Scene("mug", "red", "white"))
    (1, 0, 0, 0, 0, 1, 0, 1)
    """
    return tuple(scene.CHOICES[name].index(getattr(shown, name)) for name in NAMES)


def tell_apart(shown: Scene, rng: np.random.Generator, attribute: str | None = None) -> Pair:
    """Word a scene truly, and once more with one attribute changed, in otherwise equal words.

    Raises: ValueError if the scene lacks the attribute.
    """
    free = [name for name in NAMES if shown.count == 1 or name not in {"position", "size"}]
    weights = np.array([_CHANGES[name] for name in free], dtype=float)
    chosen = attribute or str(rng.choice(free, p=weights / weights.sum()))
    lot = random.Random(int(rng.integers(2**62)))  # noqa: S311 - captions are no secrets
    other, _ = scene.swapped(shown, lot, chosen)
    if attribute is None and chosen == "badge" and lot.random() < _BADGE_ALONE:
        return Pair(_tell_badge(shown, lot), _tell_badge(other, lot), chosen)
    state, said = lot.getrandbits(62), frozenset({chosen}) - {"object"}
    return Pair(tell(shown, state, said), tell(other, state, said), chosen)


def tell(shown: Scene, state: int, said: frozenset[str] = frozenset()) -> Caption:
    """Word a scene by the lot of `state`, with words among it that say nothing."""
    lot = random.Random(state)  # noqa: S311 - as above
    worded = captions.compose(shown, lot, said)
    words = text.scattered(worded.text, random.Random(state))  # noqa: S311 - as above
    labels = zip(NAMES, label(shown), strict=True)
    return Caption(words, tuple(at if name in worded.named else SILENT for name, at in labels))


def _tell_badge(shown: Scene, lot: random.Random) -> Caption:
    """Word the badge and nothing else."""
    labels = zip(NAMES, label(shown), strict=True)
    return Caption(
        lot.choice(_BADGES_ALONE[shown.badge]),
        tuple(at if name == "badge" else SILENT for name, at in labels),
    )


def shrink(image: Image.Image, side_px: int) -> NDArray[np.uint8]:
    """Squash an image to a square as the scorers' preprocessing does; (side, side, 3) bytes."""
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.BICUBIC))
