"""Trains the quality head: a small network on the embedding of the contrastive pair's images.

`python -m generation.packs train aesthetic FOLDER --encoder CLIP_FOLDER`. Its scale is that of the
LAION aesthetic predictor, 0..10; 10 is a clean render, 0 one with a fault of full strength.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generation.packs.training import contrastive, examples, faults
from generation.weights import runtime, snapshot

TOP = 10.0
_LAYERS = (contrastive.WIDTH, 96, 32, 1)
_CLEAN, _SOFT = 0.3, 0.55


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; the shipped weights were made with these defaults."""

    seed: int = 7
    images: int = 9000
    steps: int = 3000
    batch: int = 256
    rate: float = 2e-3
    decay: float = 0.02


class Head(nn.Module):
    """Linear layers with ReLU between them, named as the LAION predictor names its own."""

    def __init__(self) -> None:
        super().__init__()
        widths = pairwise(_LAYERS)
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in widths)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Rate (B, D) unit vectors on the scale 0..10."""
        values = embeddings
        for layer in self.layers[:-1]:
            values = torch.relu(layer(values))
        rated: Tensor = self.layers[-1](values).squeeze(1)
        return rated


def train(
    folder: Path, encoder: Path, cache: Path, plan: Plan, tell: Callable[[str], None]
) -> None:
    """Train by `plan` on the embeddings of the model in `encoder` and save the head's folder."""
    embeddings, ratings = _embed(encoder, cache, plan, tell)
    torch.manual_seed(plan.seed)
    head = Head().train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=plan.rate, weight_decay=plan.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.steps)
    for step in range(plan.steps):
        chosen = torch.randint(len(embeddings), (plan.batch,))
        rated = head(nn.functional.dropout(embeddings[chosen], 0.05))
        loss = nn.functional.smooth_l1_loss(rated, ratings[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0 or step == plan.steps - 1:
            tell(f"aesthetic step {step} of {plan.steps}: loss {loss.item():.3f}")
    save(head, folder, snapshot.digest_folder(encoder).sha256)


def save(head: Head, folder: Path, encoder_sha256: str) -> None:
    """Write configuration and half-precision weights; they serve that encoder's folder alone."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architecture": "mlp",
        "embedding_width": _LAYERS[0],
        "activation": "relu",
        "encoder_sha256": encoder_sha256,
        "range": [0.0, TOP],
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    weights = {name: value.half().contiguous() for name, value in head.state_dict().items()}
    runtime.load_library("safetensors.torch").save_file(weights, folder / "model.safetensors")


def _embed(
    encoder: Path, cache: Path, plan: Plan, tell: Callable[[str], None]
) -> tuple[Tensor, Tensor]:
    """Embed renders, clean, softened and spoiled; returns (N, D) and the wanted ratings (N)."""
    open_clip = runtime.load_library("open_clip")
    model: Any = open_clip.create_model(f"local-dir:{encoder}").eval()
    renders = examples.render(cache, plan.images, plan.seed + 1, report=tell)
    rng = np.random.default_rng([plan.seed, 5])
    rows, ratings = [], []
    with torch.inference_mode():
        for start in range(0, len(renders), 100):
            pixels = []
            for index in range(start, min(start + 100, len(renders))):
                image, rating = _vary(renders, index, rng)
                pixels.append(examples.shrink(image, contrastive.SIDE_PX))
                ratings.append(rating)
            rows.append(model.encode_image(contrastive.to_tensor(np.stack(pixels)), normalize=True))
    return torch.cat(rows).clone(), torch.tensor(ratings)


def _vary(renders: examples.Renders, index: int, rng: np.random.Generator) -> tuple[Any, float]:
    """Return a render, perhaps softened or spoiled, and the rating that it deserves."""
    image, kind = renders.image(index), rng.uniform()
    if kind < _CLEAN:
        return image, TOP
    if kind < _SOFT:
        return renders.soften(image, rng), TOP - 1
    spoiled, _, severity = faults.spoil(image, rng)
    return spoiled, TOP * (1 - severity) * 0.8
