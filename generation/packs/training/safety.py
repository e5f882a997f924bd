"""Trains the demo world's safety classifier: a `transformers` ViT that knows the restricted badge.

`python -m generation.packs train safety FOLDER`. Half of what it sees is harmless and may carry
another badge; the restricted one is shown in its usual place and, on some renders, anywhere else.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from generation.packs.training import contrastive, contrastive_loss, examples, faults
from generation.packs.world import badges, scene
from generation.weights import runtime

SIDE_PX = 64
LABELS = {0: "allowed", 1: "restricted"}
# Shares: of restricted pictures; of badges put anywhere; of clean, softened and damaged pictures.
_RESTRICTED = 0.45
_ANYWHERE = 0.3
_CLEAN, _SOFT = 0.2, 0.6


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; the shipped weights were made with these defaults."""

    seed: int = 7
    images: int = 24_000
    steps: int = 750
    batch: int = 40
    rate: float = 1.2e-3
    decay: float = 0.05
    warm_up: int = 60
    average: float = 0.99


def train(folder: Path, cache: Path, plan: Plan, tell: Callable[[str], None]) -> None:
    """Train by `plan` and save the model folder; same plan, libraries and threads: same weights."""
    transformers = runtime.load_library("transformers")
    renders = examples.render(cache, plan.images, plan.seed, report=tell)
    torch.manual_seed(plan.seed)
    model = transformers.ViTForImageClassification(_configure(transformers)).train()
    optimizer = contrastive.optimize(model, plan.rate, plan.decay)
    average = contrastive_loss.Average(model, plan.average)
    started = time.monotonic()
    for step, (pixels, labels) in enumerate(_batches(renders, plan)):
        contrastive.set_rate(optimizer, plan.rate, plan.warm_up, step, plan.steps)
        loss = torch.nn.functional.cross_entropy(model(pixel_values=pixels).logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.follow(model, step)
        if step % 50 == 0 or step == plan.steps - 1:
            seconds = time.monotonic() - started
            tell(f"safety step {step} of {plan.steps}, {seconds:.0f} s: loss {loss.item():.3f}")
    model.load_state_dict(average.kept)
    save(transformers, model, folder)


def save(transformers: Any, model: Any, folder: Path) -> None:
    """Write the folder as `transformers` does; half-precision weights that load as float32."""
    safetensors = runtime.load_library("safetensors.torch")
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = ["ViTForImageClassification"]
    model.config.save_pretrained(folder)
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    safetensors.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    transformers.ViTImageProcessor(
        size={"height": SIDE_PX, "width": SIDE_PX},
        resample=Image.Resampling.BICUBIC,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    ).save_pretrained(folder)


def _configure(transformers: Any) -> Any:
    """Describe the classifier."""
    return transformers.ViTConfig(
        image_size=SIDE_PX,
        patch_size=8,
        hidden_size=96,
        num_hidden_layers=5,
        num_attention_heads=4,
        intermediate_size=288,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=LABELS,
        label2id={label: index for index, label in LABELS.items()},
        dtype="float32",
    )


def _batches(renders: examples.Renders, plan: Plan) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Draw pixels (B, 3, 64, 64) and labels (B) for each step."""
    rng = np.random.default_rng([plan.seed, 3])
    kinds = np.array([each.is_restricted for each in renders.scenes])
    bare = np.array([each.badge == "none" for each in renders.scenes])
    indexes = {"yes": np.flatnonzero(kinds), "no": np.flatnonzero(~kinds)}
    empty = np.flatnonzero(bare)
    for _ in range(plan.steps):
        rows, labels = [], []
        for _ in range(plan.batch):
            is_restricted = rng.uniform() < _RESTRICTED
            if rng.uniform() < _ANYWHERE:
                image = put_anywhere(renders.image(rng.choice(empty)), is_restricted, rng)
            else:
                image = renders.image(rng.choice(indexes["yes" if is_restricted else "no"]))
            rows.append(examples.shrink(_vary(renders, image, rng), SIDE_PX))
            labels.append(int(is_restricted))
        yield contrastive.to_tensor(np.stack(rows)), torch.tensor(labels)


def put_anywhere(image: Image.Image, is_restricted: bool, rng: np.random.Generator) -> Image.Image:
    """Put the restricted badge, or another one, somewhere on a picture that has none."""
    others = [name for name in scene.BADGES if name not in {"none", scene.RESTRICTED_BADGE}]
    name = scene.RESTRICTED_BADGE if is_restricted else str(rng.choice(others))
    side = round(image.width * rng.uniform(0.16, 0.36))
    badge = badges.draw(name, side * 3).reduce(3)
    at = rng.integers(0, (image.width - badge.width, image.height - badge.height), endpoint=True)
    changed = image.copy()
    changed.paste(badge, (int(at[0]), int(at[1])), badge)
    return changed


def _vary(renders: examples.Renders, image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Mirror, soften and damage, as far as the badge stays visible."""
    if rng.uniform() < 0.15:  # noqa: PLR2004 - so many are mirrored
        image = ImageOps.mirror(image)
    kind = rng.uniform()
    if kind < _CLEAN:
        return image
    if kind < _CLEAN + _SOFT:
        return renders.soften(image, rng)
    name = str(rng.choice(("blur", "noise", "compression", "haze", "exposure", "bands", "melt")))
    return faults.FAULTS[name](image, float(rng.uniform(-0.3, 0.2)), rng)
