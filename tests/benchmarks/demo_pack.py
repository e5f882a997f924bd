"""Measures whether the demo pack's pictures show what was asked for, and how long one takes.

- `python -m tests.benchmarks.demo_pack` renders held-out prompts with new seeds through the
  project's own engine and lets the independent checker name what it sees; `--write` puts the tables
  on record in tests/benchmarks/results/demo_pack.md.
- `… --sheet FILE` saves the first pictures as one contact sheet.
- `… --pack FOLDER --steps 8 --guidance 2.5` tries another pack or other numbers.

Held out: combinations of object, color and background that no training saw, drawn by new lots.
"""

import os
import platform
import random
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from PIL import Image

from generation.engines import registry
from generation.engines.spec import RunSpec
from generation.packs import manifest
from generation.packs.world import captions
from generation.packs.world.scene import ATTRIBUTES, Scene, sample
from tests.benchmarks import checker
from tests.benchmarks.scoring_figures import table

PACK = Path(__file__).parents[2] / "generation" / "packs" / "demo"
RESULTS = Path(__file__).parent / "results" / "demo_pack.md"
COMMAND = "OMP_NUM_THREADS=1 python -m tests.benchmarks.demo_pack --write"
SEED = 2026
_MAIN = ("object", "color", "background")
_SHEET_COLUMNS, _SHEET_ROWS = 7, 3


@dataclass(frozen=True)
class Made:
    """One picture, what it was to show, and what the checker sees in it."""

    scene: Scene
    caption: captions.Caption
    image: Image.Image
    seconds: float
    seen: checker.Seen

    def is_right(self, *attributes: str) -> bool:
        """Tell whether the picture shows what the prompt said of these."""
        return all(self.seen[name] == getattr(self.scene, name) for name in attributes)


def ask(count: int, *, held_out: bool, complete: bool) -> list[tuple[Scene, captions.Caption]]:
    """Draw scenes and word them: complete captions name every attribute, the others as people do.

    Rows have no position and no size, so these are judged on single objects only.
    """
    rng = random.Random(f"{SEED}/{held_out}/{complete}")
    scenes = [sample(rng, held_out=held_out) for _ in range(count)]
    said = ATTRIBUTES[1:] if complete else ()
    return [(scene, captions.compose(scene, rng, said)) for scene in scenes]


def render(
    pack: manifest.Pack, asked: list[tuple[Scene, captions.Caption]], chosen: Namespace
) -> list[Made]:
    """Make each picture through the engine, and look at it."""
    engine, defaults = registry.find(pack.model.pipeline), pack.model.defaults
    eye = checker.load()
    made = []
    for index, (scene, caption) in enumerate(asked):
        spec = RunSpec(
            folder=pack.model.folder,
            snapshot_sha256=pack.model.snapshot_sha256,
            pipeline=pack.model.pipeline,
            prompt=caption.text,
            negative_prompt="",
            width=defaults.sizes[0].width,
            height=defaults.sizes[0].height,
            steps=chosen.steps or defaults.steps,
            guidance=chosen.guidance if chosen.guidance is not None else defaults.guidance,
            seed=SEED + index,
            max_sequence_length=defaults.max_sequence_length,
            device="cpu",
            dtype=defaults.dtype,
        )
        began = time.perf_counter()
        image = Image.fromarray(engine.render(spec, lambda _done, _of: None).pixels)
        seconds = time.perf_counter() - began
        made.append(Made(scene, caption, image, seconds, eye.look([image])[0]))
    return made


def shares(made: list[Made]) -> list[list[str]]:
    """Return a row for each attribute, of the pictures whose prompt says something about it."""
    rows = []
    for name in ATTRIBUTES:
        judged = [each for each in made if name in each.caption.named]
        rows.append([name, str(len(judged)), _share([each.is_right(name) for each in judged])])
    rows.append(
        ["object, color and background", str(len(made)), _share([e.is_right(*_MAIN) for e in made])]
        if all(set(_MAIN) <= each.caption.named for each in made)
        else [
            "all that was said",
            str(len(made)),
            _share([each.is_right(*each.caption.named) for each in made]),
        ]
    )
    return rows


def by_object(made: list[Made]) -> list[list[str]]:
    """Return for each object how often it was right, and what was seen instead."""
    groups: dict[str, list[Made]] = defaultdict(list)
    for each in made:
        groups[each.scene.object].append(each)
    return [
        [
            name,
            str(len(group)),
            _share([each.is_right("object") for each in group]),
            ", ".join(sorted(str(e.seen["object"]) for e in group if not e.is_right("object"))),
        ]
        for name, group in sorted(groups.items())
    ]


def save_sheet(made: list[Made], path: Path) -> None:
    """Save the pictures side by side."""
    side = made[0].image.width
    down = -(-len(made) // _SHEET_COLUMNS)
    sheet = Image.new("RGB", (side * _SHEET_COLUMNS, side * down), (255, 255, 255))
    for index, each in enumerate(made):
        sheet.paste(each.image, (index % _SHEET_COLUMNS * side, index // _SHEET_COLUMNS * side))
    sheet.save(path, optimize=True)


def _share(right: list[bool]) -> str:
    """Write how many of these are right."""
    return f"{sum(right) / len(right):.3f}" if right else "none asked"


def report(pack: manifest.Pack, chosen: Namespace) -> str:
    """Render, judge and write every table."""
    runs = {
        "Held-out combinations, every attribute said": ask(
            chosen.count, held_out=True, complete=True
        ),
        "Trained combinations, every attribute said": ask(
            chosen.count // 2, held_out=False, complete=True
        ),
        "Held-out combinations, worded freely": ask(
            chosen.count // 2, held_out=True, complete=False
        ),
    }
    parts, seconds = [], []
    for title, asked in runs.items():
        made = render(pack, asked, chosen)
        seconds += [each.seconds for each in made[1:]]
        parts += [f"## {title}", table(["what", "asked", "right"], shares(made))]
        if not parts[2:]:
            head = ["object", "asked", "right", "seen instead"]
            parts.append(table(head, by_object(made)))
            if chosen.sheet:
                save_sheet(made[: _SHEET_ROWS * _SHEET_COLUMNS], chosen.sheet)
        if chosen.quick:
            break
    seconds.sort()
    parts.append(
        f"An image took {seconds[len(seconds) // 2]:.2f} s (median), "
        f"{seconds[int(len(seconds) * 0.95)]:.2f} s (95th percentile) at "
        f"{chosen.steps or pack.model.defaults.steps} steps; {torch.get_num_threads()} threads, "
        f"load average {os.getloadavg()[0]:.0f}."
    )
    return "\n\n".join(parts)


def main() -> None:
    """Run what the command line names."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=Path, default=PACK)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--figures", type=Path, help="a file that the model's card will quote")
    parser.add_argument("--quick", action="store_true", help="the first table only")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    text = report(manifest.read(chosen.pack), chosen)
    sys.stdout.write(f"{text}\n")
    if chosen.figures:
        chosen.figures.write_text(text.replace("## ", "### ") + "\n", encoding="utf-8")
    if chosen.write:
        RESULTS.write_text(f"{_head()}\n\n{text}\n", encoding="utf-8")


def _head() -> str:
    """Write on what was measured, how and by whom."""
    return (
        "# Do the demo pack's pictures show what was asked for?\n\n"
        f"Measured on {datetime.now(UTC).date()}. Machine: {os.cpu_count()} cores, "
        f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}."
        f"\n\n    {COMMAND}\n\n"
        "The judge is the independent checker (`tests/benchmarks/checker.py`, its own accuracy in "
        "`scoring.md`); it never sees a prompt."
    )


if __name__ == "__main__":
    main()
