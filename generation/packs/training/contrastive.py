"""Trains the contrastive pair of the demo world: an `open_clip` model of image and text.

`python -m generation.packs train clip FOLDER`. The image tower is CLIP's own residual network with
attention pooling, which learns from few images; the text tower is CLIP's transformer. Each image is
shown with a true caption and with one in which a single attribute is changed.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generation.packs import vocabulary
from generation.packs.training import contrastive_loss as losses
from generation.packs.training import examples, faults
from generation.weights import runtime

SIDE_PX = 96
CONTEXT = 32
WIDTH = 128
WEIGHTS = "open_clip_model.safetensors"
_MEAN, _STD = 0.5, 0.5
# How many images of a batch are clean, softened without harm, and spoiled by a fault.
_CLEAN, _SOFT = 0.35, 0.4


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; the shipped weights were made with these defaults."""

    seed: int = 7
    images: int = 24_000
    reading_steps: int = 200
    steps: int = 3000
    batch: int = 32
    rate: float = 1.8e-3
    decay: float = 0.05
    warm_up: int = 60
    average: float = 0.995


@dataclass(frozen=True)
class Batch:
    """One step's input: pixels (B, 3, 96, 96), tokens (2B, 32), labels (B, A) and (2B, A)."""

    pixels: Tensor
    tokens: Tensor
    labels: Tensor
    said: Tensor
    damage: Tensor


def describe(tokens: int) -> dict[str, Any]:
    """Return the model's configuration in `open_clip`'s own form."""
    return {
        "embed_dim": WIDTH,
        # With both, sigmoid(exp(scale) * cosine + bias) is a probability: arXiv:2303.15343.
        "init_logit_scale": 3.0, "init_logit_bias": -10.0,
        "vision_cfg": {"image_size": SIDE_PX, "layers": [1, 2, 2, 1], "width": 16,
                       "head_width": 64},
        "text_cfg": {"context_length": CONTEXT, "vocab_size": tokens, "width": WIDTH, "heads": 4,
                     "layers": 3, "hf_tokenizer_name": "local"},
    }  # fmt: skip


def train(folder: Path, cache: Path, plan: Plan, tell: Callable[[str], None]) -> None:
    """Train by `plan` and save the model folder; same plan, libraries and threads: same weights.

    `cache` keeps the renders between runs; `tell` is told how far it is.
    """
    open_clip = runtime.load_library("open_clip")
    tokenizer = vocabulary.build_clip_tokenizer(CONTEXT)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.save(tokenizer, folder)
    encode = open_clip.tokenizer.HFTokenizer(str(folder), context_length=CONTEXT)
    renders = examples.render(cache, plan.images, plan.seed, report=tell)
    torch.manual_seed(plan.seed)
    model = open_clip.CLIP(**describe(len(tokenizer))).to(memory_format=torch.channels_last)
    prototypes = losses.Prototypes(WIDTH, examples.SIZES)
    whole = torch.nn.ModuleList([model, prototypes])
    optimizer = optimize(whole, plan.rate, plan.decay)
    started = time.monotonic()
    model.train()
    _learn_to_read(model, prototypes, renders, encode, plan, tell)
    average = losses.Average(model, plan.average)
    for step, batch in enumerate(_batches(renders, encode, plan)):
        set_rate(optimizer, plan.rate, plan.warm_up, step, plan.steps)
        loss, parts = _judge(model, prototypes, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
        optimizer.step()
        average.follow(model, step)
        if step % 25 == 0 or step == plan.steps - 1:
            seconds = time.monotonic() - started
            tell(f"clip step {step} of {plan.steps}, {seconds:.0f} s: {_write(parts)}")
    model.load_state_dict(average.kept)
    save(model, folder, len(tokenizer))


def _learn_to_read(
    model: Any,
    prototypes: losses.Prototypes,
    renders: examples.Renders,
    encode: Any,
    plan: Plan,
    tell: Callable[[str], None],
) -> None:
    """Let the text tower find a direction for each value first: pictures then have where to go."""
    rng = np.random.default_rng([plan.seed, 1])
    optimizer = optimize(torch.nn.ModuleList([model, prototypes]), plan.rate, plan.decay)
    for step in range(plan.reading_steps):
        set_rate(optimizer, plan.rate, plan.warm_up, step, 2 * plan.reading_steps)
        shown = rng.integers(len(renders), size=2 * plan.batch)
        pairs = [examples.tell_apart(renders.scenes[index], rng) for index in shown]
        read = model.encode_text(encode([pair.true.text for pair in pairs]), normalize=True)
        said = torch.tensor([pair.true.labels for pair in pairs])
        loss = losses.recognize(prototypes(read), said, examples.WEIGHTS)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 25 == 0 or step == plan.reading_steps - 1:
            tell(f"clip reading step {step} of {plan.reading_steps}: {loss.item():.3f}")


def save(model: torch.nn.Module, folder: Path, tokens: int) -> None:
    """Write configuration and half-precision weights as `open_clip` reads them."""
    safetensors = runtime.load_library("safetensors.torch")
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    safetensors.save_file(weights, folder / WEIGHTS)
    config = {
        "model_cfg": describe(tokens),
        # A squashed picture is whole: a crop would hide what stands at its edge.
        "preprocess_cfg": {
            "mean": [_MEAN] * 3,
            "std": [_STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")


def _judge(
    model: Any, prototypes: losses.Prototypes, batch: Batch
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Return the loss of one batch and its parts."""
    seen = model.encode_image(batch.pixels, normalize=True)
    read = model.encode_text(batch.tokens, normalize=True)
    logits = (seen @ read.T) * model.logit_scale.exp() + model.logit_bias
    parts = {
        "pairs": losses.contrast(logits, batch.labels, batch.said),
        "seen": losses.recognize(prototypes(seen), batch.labels, examples.WEIGHTS),
        "read": losses.recognize(prototypes(read), batch.said, examples.WEIGHTS),
        "damage": torch.nn.functional.mse_loss(prototypes.tell_damage(seen), batch.damage),
    }
    loss = parts["pairs"] + parts["seen"] + 0.5 * parts["read"] + 2 * parts["damage"]
    return loss, parts


def _batches(renders: examples.Renders, encode: Any, plan: Plan) -> Iterator[Batch]:
    """Draw the batches of the whole training, each image in turn in an order drawn anew."""
    rng = np.random.default_rng([plan.seed, 2])
    order: list[int] = []
    for _ in range(plan.steps):
        while len(order) < plan.batch:
            order += rng.permutation(len(renders)).tolist()
        chosen, order = order[: plan.batch], order[plan.batch :]
        yield _batch(renders, chosen, encode, rng)


def _batch(
    renders: examples.Renders, chosen: list[int], encode: Any, rng: np.random.Generator
) -> Batch:
    """Vary the chosen images and write their captions."""
    pixels, damage, pairs = [], [], []
    for index in chosen:
        image, severity = renders.image(index), 0.0
        kind = rng.uniform()
        if kind > _CLEAN + _SOFT:
            image, _, severity = faults.spoil(image, rng)
        elif kind > _CLEAN:
            image = renders.soften(image, rng)
        pixels.append(examples.shrink(image, SIDE_PX))
        damage.append(severity)
        pairs.append(examples.tell_apart(renders.scenes[index], rng))
    texts = [*(pair.true.text for pair in pairs), *(pair.changed.text for pair in pairs)]
    said = [*(pair.true.labels for pair in pairs), *(pair.changed.labels for pair in pairs)]
    return Batch(
        pixels=to_tensor(np.stack(pixels)),
        tokens=encode(texts),
        labels=torch.tensor([examples.label(renders.scenes[index]) for index in chosen]),
        said=torch.tensor(said),
        damage=torch.tensor(damage),
    )


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Turn (B, H, W, 3) bytes into (B, 3, H, W) float32 on the scale -1..1, channels last."""
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return ((values - _MEAN) / _STD).contiguous(memory_format=torch.channels_last)


def optimize(module: torch.nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    """Decay matrices and kernels; leave biases, norms and temperatures alone."""
    values = [value for value in module.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in values if value.ndim > 1], "weight_decay": decay},
        {"params": [value for value in values if value.ndim == 1], "weight_decay": 0.0},
        # Temperatures are few and far from where they must get to.
        {"params": [value for value in values if not value.ndim], "weight_decay": 0.0, "speed": 5},
    ]
    return torch.optim.AdamW([each for each in groups if each["params"]], rate, betas=(0.9, 0.98))


def set_rate(
    optimizer: torch.optim.Optimizer, rate: float, warm_up: int, step: int, steps: int
) -> None:
    """Warm up, then follow half a cosine down to a hundredth of the rate."""
    share = min(1.0, (step + 1) / warm_up)
    cosine = 0.5 * (1 + np.cos(np.pi * step / steps))
    for group in optimizer.param_groups:
        group["lr"] = rate * share * (0.01 + 0.99 * cosine) * group.get("speed", 1)


def _write(parts: Mapping[str, Tensor]) -> str:
    """Write the parts of a loss on one line."""
    return ", ".join(f"{name} {float(value.detach()):.3f}" for name, value in parts.items())
