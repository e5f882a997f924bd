"""Measures what the demo pack's look and outlines do, beside the same pictures without them.

`python -m tests.benchmarks.demo_adapters [--count 60]` prints the tables. Every picture is compared
with the one of the same seed and prompt that wears nothing.
"""

import random
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generation.engines import registry
from generation.engines.edges import edge_map
from generation.engines.spec import AdapterRef, ControlRef, RunSpec
from generation.packs import manifest, shipped
from generation.packs.training import look
from generation.packs.world import captions, draw
from generation.packs.world.scene import Scene, sample, swapped
from governance.kernel.digests import sha256_hex
from tests.benchmarks import checker
from tests.benchmarks.scoring_figures import table

SEED = 4052
# An edge that moved by so little is still the same edge.
_NEAR_PX = 2
# How far a frame's color may be from cream, of 255, on average.
_LIKE_CREAM = 12
_CREAM = look.apply(np.zeros((32, 32, 3), np.uint8))[0, 0].astype(int)
_MAIN = ("object", "color", "background")

Pixels = NDArray[np.uint8]


def report(pack: manifest.Pack, count: int) -> str:
    """Render with and without, and write a table for each adapter of the pack."""
    parts = []
    for adapter in pack.adapters:
        title, head, measure = {
            "lora": ("The look", ["strength", "framed in cream", *_MAIN], measure_look),
            "controlnet": ("Outlines", ["closeness", "edges followed", *_MAIN], measure_outlines),
        }[adapter.kind]
        parts += [f"## {title}, {count} pictures", table(head, measure(pack, adapter, count))]
    return "\n\n".join(parts)


def measure_look(pack: manifest.Pack, adapter: manifest.PackAdapter, count: int) -> list[list[str]]:
    """Return for each strength how many pictures have the frame, and how many are still right."""
    scenes, specs = _ask(pack, count)
    rows = []
    for strength in (0.0, 0.5, 1.0):
        worn = (AdapterRef(adapter.folder, adapter.snapshot_sha256, strength),) if strength else ()
        made = _render(pack, [replace(spec, adapters=worn) for spec in specs])
        framed = sum(_is_framed(pixels) for pixels in made)
        rows.append([f"{strength:g}", f"{framed / count:.3f}", *_right(scenes, made)])
    return rows


def measure_outlines(
    pack: manifest.Pack, adapter: manifest.PackAdapter, count: int
) -> list[list[str]]:
    """Return how much of a source's edges comes back in another color, and what is then right.

    The source is a drawn scene; the prompt asks for the same thing in another color.
    """
    rng = random.Random(SEED)
    sources, _ = _ask(pack, count)
    scenes = [swapped(source, rng, "color")[0] for source in sources]
    drawn = [np.asarray(draw.draw(source, 128, rng).convert("RGB")) for source in sources]
    specs = _specs(pack, scenes)
    rows = []
    for closeness in (0.0, 0.5, 0.8, 1.0):
        controls = [_control(adapter, pixels, closeness) if closeness else None for pixels in drawn]
        made = _render(
            pack,
            [replace(spec, control=each) for spec, each in zip(specs, controls, strict=True)],
        )
        followed = np.mean([_followed(a, b) for a, b in zip(drawn, made, strict=True)])
        rows.append([f"{closeness:g}", f"{followed:.3f}", *_right(scenes, made)])
    return rows


def _ask(pack: manifest.Pack, count: int) -> tuple[list[Scene], list[RunSpec]]:
    """Draw held-out scenes by lot, and ask for each in words."""
    rng = random.Random(f"{SEED}/adapters")
    scenes = [sample(rng, held_out=True) for _ in range(count)]
    return scenes, _specs(pack, scenes)


def _specs(pack: manifest.Pack, scenes: Sequence[Scene]) -> list[RunSpec]:
    rng, defaults = random.Random(SEED), pack.model.defaults
    return [
        RunSpec(
            folder=pack.model.folder,
            snapshot_sha256=pack.model.snapshot_sha256,
            pipeline=pack.model.pipeline,
            prompt=captions.compose(scene, rng, _MAIN).text,
            negative_prompt="",
            width=defaults.sizes[0].width,
            height=defaults.sizes[0].height,
            steps=defaults.steps,
            guidance=defaults.guidance,
            seed=SEED + number,
            max_sequence_length=defaults.max_sequence_length,
            device="cpu",
            dtype=defaults.dtype,
        )
        for number, scene in enumerate(scenes)
    ]


def _control(adapter: manifest.PackAdapter, pixels: Pixels, closeness: float) -> ControlRef:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    return ControlRef(
        adapter.folder, adapter.snapshot_sha256, data, sha256_hex(data), scale=closeness
    )


def _render(pack: manifest.Pack, specs: Sequence[RunSpec]) -> list[Pixels]:
    engine = registry.find(pack.model.pipeline)
    return [engine.render(spec, lambda _done, _of: None).pixels for spec in specs]


def _right(scenes: Sequence[Scene], made: Sequence[Pixels]) -> list[str]:
    """Write for each main attribute how many pictures show what was asked for."""
    seen = checker.load().look([Image.fromarray(pixels) for pixels in made])
    return [
        f"{np.mean([s[name] == getattr(scene, name) for s, scene in pairs]):.3f}"
        for pairs in [list(zip(seen, scenes, strict=True))]
        for name in _MAIN
    ]


def _is_framed(pixels: Pixels) -> bool:
    """Tell whether the outer half of where the frame belongs is cream."""
    width = look.FRAME_PX // 2
    rim = np.ones(pixels.shape[:2], bool)
    rim[width:-width, width:-width] = False
    return float(np.abs(pixels[rim].astype(int) - _CREAM).mean()) < _LIKE_CREAM


def _followed(source: Pixels, made: Pixels) -> float:
    """Return how much of the source's edges lies near an edge of the picture, 0..1."""
    wanted, there = edge_map(source)[:, :, 0] > 0, edge_map(made)[:, :, 0] > 0
    near = np.zeros_like(there)
    for down in range(-_NEAR_PX, _NEAR_PX + 1):
        for across in range(-_NEAR_PX, _NEAR_PX + 1):
            near |= np.roll(there, (down, across), (0, 1))
    return float((wanted & near).sum() / max(1, wanted.sum()))


def main() -> None:
    """Run what the command line names."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    count = parser.parse_args().count
    sys.stdout.write(f"{report(manifest.read(shipped.FOLDER), count)}\n")


if __name__ == "__main__":
    main()
