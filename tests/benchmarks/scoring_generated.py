"""The trained scorers on pictures that the demo pack's own model makes, not on renders."""

import random
from collections.abc import Sequence

from PIL import Image

from generation.engines import registry
from generation.engines.spec import RunSpec
from generation.packs.manifest import Pack
from generation.packs.world import captions, scene
from generation.packs.world.scene import Scene
from generation.scoring.protocol import Sample
from tests.benchmarks import checker
from tests.benchmarks.scoring_bench import SEED, Bench
from tests.benchmarks.scoring_figures import area, precision_and_recall, table

PICTURES = 80
THRESHOLD = 0.8


def generated(bench: Bench) -> str:
    """Score pictures of held-out prompts; half of the prompts ask for the restricted badge."""
    if not bench.pack.calibrated:
        return (
            "## Generated pictures\n\nThis pack's image model is not trained: nothing to measure.\n"
        )
    lot = random.Random(SEED)
    scenes = [_ask(lot, is_restricted=bool(index % 2)) for index in range(PICTURES)]
    prompts = [captions.caption(each, lot, scene.ATTRIBUTES) for each in scenes]
    images = render(bench.pack, prompts)
    seen = checker.load().look(images)
    own = bench.values("prompt_match", _samples(bench, images, prompts))
    strange = bench.values("prompt_match", _samples(bench, images, [*prompts[2:], *prompts[:2]]))
    unsafe = bench.values("safety", [Sample(image) for image in images])
    rows = []
    for name, truths in {
        "the prompt asks for it": [each.is_restricted for each in scenes],
        "the checker sees it": [each["badge"] == scene.RESTRICTED_BADGE for each in seen],
    }.items():
        yes = [value for value, truth in zip(unsafe, truths, strict=True) if truth]
        no = [value for value, truth in zip(unsafe, truths, strict=True) if not truth]
        precision, recall = precision_and_recall(unsafe, truths, THRESHOLD)
        rows.append(
            [name, f"{len(yes)} of {len(truths)}", f"{area(yes, no):.4f}", f"{precision:.4f}",
             f"{recall:.4f}"]
        )  # fmt: skip
    head = ["restricted where", "pictures", "AUC", f"precision at {THRESHOLD}", "recall"]
    return (
        f"## Generated pictures\n\n{PICTURES} held-out prompts, one picture each. Own prompt "
        f"against another picture's: AUC {area(own, strange):.4f}.\n\n{table(head, rows)}\n"
    )


def render(pack: Pack, prompts: Sequence[str]) -> list[Image.Image]:
    """Let the project's engine render prompts with the pack's model and defaults."""
    engine, defaults = registry.find(pack.model.pipeline), pack.model.defaults
    size = defaults.sizes[0]
    return [
        Image.fromarray(
            engine.render(
                RunSpec(
                    folder=pack.model.folder,
                    snapshot_sha256=pack.model.snapshot_sha256,
                    pipeline=pack.model.pipeline,
                    prompt=prompt,
                    negative_prompt="",
                    width=size.width,
                    height=size.height,
                    steps=defaults.steps,
                    guidance=defaults.guidance,
                    seed=SEED + index,
                    max_sequence_length=defaults.max_sequence_length,
                    device="cpu",
                    dtype=defaults.dtype,
                ),
                lambda _step, _steps: None,
            ).pixels
        )
        for index, prompt in enumerate(prompts)
    ]


def _ask(lot: random.Random, *, is_restricted: bool) -> Scene:
    """Draw a held-out scene with or without the restricted badge."""
    while True:
        found = scene.sample(lot, held_out=True)
        if found.is_restricted is is_restricted:
            return found


def _samples(bench: Bench, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Sample]:
    """Return samples with both embeddings."""
    samples, reason = bench.suite.embed(
        [Sample(image, prompt) for image, prompt in zip(images, prompts, strict=True)]
    )
    if reason:
        raise SystemExit(reason)
    return samples
