"""Measures the demo pack's scorers on held-out renders, and all scorers' faults, time and bits.

- `python -m tests.benchmarks.scoring` prints every table; `--write` puts them on record in
  tests/benchmarks/results/scoring.md.
- `… --only match` (safety, aesthetic, planted, generated, bits, speed) measures one part.

Held out: combinations of object, color and background that no training saw, drawn by new lots.
"""

import os
import platform
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from generation.packs import manifest
from generation.packs.training import examples, faults, safety
from generation.packs.training.contrastive_loss import SILENT
from generation.scoring.protocol import Sample
from generation.scoring.suite import ScoringSuite
from tests.benchmarks import planted_faults
from tests.benchmarks.scoring_bench import SEED, Bench
from tests.benchmarks.scoring_figures import area, correlate_ranks, precision_and_recall, table
from tests.benchmarks.scoring_generated import generated

PACK = Path(__file__).parents[2] / "generation" / "packs" / "demo"
RESULTS = Path(__file__).parent / "results" / "scoring.md"
COMMAND = "OMP_NUM_THREADS=1 python -m tests.benchmarks.scoring --write"
# What the speed is measured with, whatever else is.
CORES = 2
# The threshold of the starter pack's scoring policy, which precision and recall are stated for.
SAFETY_THRESHOLD = 0.8


def match(bench: Bench) -> str:
    """Tell true captions from those of other images, and from those changed in one attribute."""
    encoder = bench.suite.encoder
    if encoder is None:
        raise SystemExit("The pack has no encoder.")
    renders, rng = bench.draw(0), np.random.default_rng(SEED)
    seen = [encoder.embed_image(renders.image(index)) for index in range(len(renders))]
    labels = torch.tensor([examples.label(each) for each in renders.scenes])
    pairs = [examples.tell_apart(each, rng) for each in renders.scenes]
    read = [encoder.embed_text(pair.true.text)[0] for pair in pairs]
    own = [float(image @ text) for image, text in zip(seen, read, strict=True)]
    strange = []
    for index, text in enumerate(read):
        other = int(rng.integers(len(seen)))
        said = torch.tensor(pairs[index].true.labels)
        if not bool(((said == labels[other]) | (said == SILENT)).all()):
            strange.append(float(seen[other] @ text))
    rows = [["a caption of another image", str(len(strange)), f"{area(own, strange):.4f}", ""]]
    for attribute in examples.NAMES:
        true, changed = [], []
        for index, shown in enumerate(renders.scenes):
            if shown.count > 1 and attribute in {"position", "size"}:
                continue
            pair = examples.tell_apart(shown, rng, attribute)
            true.append(float(seen[index] @ encoder.embed_text(pair.true.text)[0]))
            changed.append(float(seen[index] @ encoder.embed_text(pair.changed.text)[0]))
        ordered = float(np.mean(np.array(true) > np.array(changed)))
        rows.append(
            [f"{attribute} changed", str(len(true)), f"{area(true, changed):.4f}", f"{ordered:.4f}"]
        )
    head = ["against", "pairs", "AUC", "true caption above its changed one"]
    return f"## Match with the prompt\n\n{table(head, rows)}\n"


def measure_safety(bench: Bench) -> str:
    """Find the restricted badge, as drawn, softened, and put anywhere on a picture."""
    renders, rng = bench.draw(1), np.random.default_rng(SEED + 1)
    truths = [each.is_restricted for each in renders.scenes]
    plain = [renders.image(index) for index in range(len(renders))]
    bare = [index for index, each in enumerate(renders.scenes) if each.badge == "none"]
    hidden = [bool(rng.integers(2)) for _ in bare]
    kinds: Mapping[str, tuple[list[Image.Image], list[bool]]] = {
        "renders": (plain, truths),
        "softened renders": ([renders.soften(image, rng) for image in plain], truths),
        "badge anywhere": (
            [
                safety.put_anywhere(renders.image(index), is_hidden, rng)
                for index, is_hidden in zip(bare, hidden, strict=True)
            ],
            hidden,
        ),
    }
    rows = []
    for name, (images, restricted) in kinds.items():
        values = bench.values("safety", [Sample(image) for image in images])
        yes = [value for value, truth in zip(values, restricted, strict=True) if truth]
        no = [value for value, truth in zip(values, restricted, strict=True) if not truth]
        precision, recall = precision_and_recall(values, restricted, SAFETY_THRESHOLD)
        rows.append(
            [name, f"{len(yes)} of {len(values)}", f"{area(yes, no):.4f}", f"{precision:.4f}",
             f"{recall:.4f}"]
        )  # fmt: skip
    head = ["pictures", "restricted", "AUC", f"precision at {SAFETY_THRESHOLD}", "recall"]
    return f"## Safety\n\n{table(head, rows)}\n"


def measure_aesthetic(bench: Bench) -> str:
    """Tell clean renders from those with one fault, and order faults by their severity."""
    renders, rng = bench.draw(2), np.random.default_rng(SEED + 2)
    indexes = range(len(renders))
    clean = bench.values("aesthetic", bench.embed([renders.image(index) for index in indexes]))
    rows, spoiled, severities = [], [], []
    for name in faults.FAULTS:
        damaged = [
            faults.spoil(renders.image(index), rng, only=name) for index in range(len(renders) // 4)
        ]
        values = bench.values("aesthetic", bench.embed([image for image, _, _ in damaged]))
        spoiled += values
        severities += [severity for _, _, severity in damaged]
        rows.append([name, str(len(values)), f"{area(clean, values):.4f}"])
    order = correlate_ranks([*clean, *spoiled], [*([0.0] * len(clean)), *[-s for s in severities]])
    rows.append(["any", str(len(spoiled)), f"{area(clean, spoiled):.4f}"])
    head = ["fault", "pictures", "AUC against clean renders"]
    return (
        f"## Aesthetics\n\n{table(head, rows)}\n\nSpearman's correlation of the value with the "
        f"fault's severity (none for a clean render): {order:.3f}.\n"
    )


def planted(bench: Bench) -> str:
    """Find planted faults by formula: sharpness, exposure, palette, duplicates and others."""
    embed = bench.suite.encoder.embed_image if bench.suite.encoder else None
    rows = [
        [row.scorer, f"{row.threshold:g}", row.fault, str(row.images), f"{row.recall:.3f}",
         f"{row.false_alarms:.3f}"]
        for row in planted_faults.measure(min(bench.images, 200), embed=embed)
    ]  # fmt: skip
    head = ["scorer", "threshold", "fault", "pictures", "recall", "false alarms"]
    return f"## Planted faults\n\n{table(head, rows)}\n"


def bits(bench: Bench) -> str:
    """Count values that differ in any bit: measured again, and in groups of other images."""
    renders = bench.draw(3)
    samples = [
        Sample(renders.image(index), f"a {shown.color} {shown.object}", palette=("#d02630",))
        for index, shown in enumerate(renders.scenes[:24])
    ]
    alone = [bench.suite.measure([sample])[0] for sample in samples]
    again = [bench.suite.measure([sample])[0] for sample in samples]
    grouped = bench.suite.measure(samples[::-1])[::-1]
    rows = []
    for place, scorer in enumerate(bench.suite.scorers):
        first = [_bits(row[place].measurement) for row in alone]
        differing = [
            sum(one != _bits(row[place].measurement) for one, row in zip(first, rows_, strict=True))
            for rows_ in (again, grouped)
        ]
        measured = sum(one is not None for one in first)
        rows.append([scorer.id, str(measured), *map(str, differing)])
    head = ["scorer", "images measured", "other bits when repeated", "other bits in a group"]
    return f"## Bit-stability\n\n{table(head, rows)}\n"


def _bits(measurement: object) -> str | None:
    value = getattr(measurement, "value", None)
    return None if value is None else float(value).hex()


def speed(bench: Bench) -> str:
    """Time the whole suite in groups of eight, models loaded; the best of five rounds."""
    torch.set_num_threads(CORES)
    renders, rows = bench.draw(3), []
    for side, is_restricted in product((128, 256), (False, True)):
        shown = [
            at for at, each in enumerate(renders.scenes) if each.is_restricted is is_restricted
        ]
        samples = [
            Sample(
                renders.image(at).resize((side, side), Image.Resampling.BICUBIC),
                f"a {renders.scenes[at].color} {renders.scenes[at].object}",
                palette=("#d02630", "#f4f3f0"),
            )
            for at in shown[:8]
        ]
        bench.suite.measure(samples[:1])
        walls, works = [], []
        for _ in range(5):
            wall, work = time.perf_counter(), time.process_time()
            bench.suite.measure(samples)
            walls.append((time.perf_counter() - wall) / len(samples) * 1000)
            works.append((time.process_time() - work) / len(samples) * 1000)
        name = f"{side} px, {'restricted' if is_restricted else 'nothing found'}"
        rows.append([name, str(len(bench.suite.scorers)), f"{min(walls):.0f}", f"{min(works):.0f}"])
    head = ["images", "scorers", "ms an image, wall clock", "ms an image, CPU"]
    return f"## Time of all scorers together, {CORES} threads\n\n{table(head, rows)}\n"


PARTS: Mapping[str, Callable[[Bench], str]] = {
    "match": match,
    "safety": measure_safety,
    "aesthetic": measure_aesthetic,
    "planted": planted,
    "generated": generated,
    "bits": bits,
    "speed": speed,
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=Path, default=PACK)
    parser.add_argument("--cache", type=Path, default=Path("var/training"))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.only and asked.write:
        parser.error("only the whole is put on record")
    pack = manifest.read(asked.pack)
    suite = ScoringSuite.from_folder(asked.pack, pack.scorers)
    bench = Bench(pack, suite, asked.cache, asked.images)
    parts = []
    for name in asked.only or PARTS:
        parts.append(PARTS[name](bench))
        sys.stdout.write(f"{parts[-1]}\n")
        sys.stdout.flush()
    if asked.write:
        machine = f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}"
        RESULTS.write_text(
            f"# The scorers of the demo pack\n\nMeasured on {time.strftime('%Y-%m-%d')} on "
            f"{asked.images} held-out renders; {machine}.\n\n"
            f"    {COMMAND} --images {asked.images}\n\n" + "\n".join(parts),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
