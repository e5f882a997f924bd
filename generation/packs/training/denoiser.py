"""Trains the demo model's transformer on cached latents; resumable and bounded in time."""

import json
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from generation.packs.training import corpus, shapes, text
from generation.packs.training.muon import Muon
from generation.packs.world import captions
from generation.packs.world.scene import Scene

_RATES = _MUON_RATE, _ADAM_RATE = 0.015, 2e-3
_WARM_UP_STEPS = 100
_DECAY_FROM = 0.45
_EMA = 0.995
_UNSAID = 0.1
# Sigmas are drawn by the logistic of a normal variable. Source: arXiv:2403.03206, section 3.1.
_SIGMA_MEAN, _SIGMA_SPREAD = 0.3, 1.1
_SHORT_TOKENS, _SHORT_SHARE = 24, 0.8
_SPARE_ZEROS, _SPARE_SHARE = 8, 0.1
# The corner with the badge: latent rows and columns, and how much more its error counts.
_BADGE_ROWS, _BADGE_COLUMNS, _BADGE_WEIGHT = slice(0, 5), slice(-5, None), 1.6
_CHUNK = 1024
_LOG_EVERY, _SAVE_EVERY_S, _KEEP_EVERY_S = 25, 180.0, 600.0


@dataclass(frozen=True)
class Plan:
    """How long to train; the end is whichever comes first, and the rate falls towards it."""

    seed: int
    minutes: float
    steps: int = 10**9
    batch: int = 64


@dataclass
class _Run:
    """What a checkpoint holds."""

    model: Any
    average: dict[str, torch.Tensor]
    optimizers: tuple[torch.optim.Optimizer, ...]
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    losses: list[float] = field(default_factory=list)


def train(folder: Path, data: Path, texts: Path, plan: Plan) -> Mapping[str, float]:
    """Train in `folder`, going on from its checkpoint if there is one; return what it came to.

    Leaves `transformer/` (the averaged weights, fp16), `curve.jsonl` and `checkpoint.pt`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    run = _start(folder)
    batches = _batches(corpus.Corpus(data), texts, plan.batch, f"{plan.seed}/{run.step}")
    began = saved = time.monotonic()
    before_s = run.seconds
    while (progress := _progress(run, plan)) < 1:
        loss = _step(run, next(batches), progress)
        run.step += 1
        run.images += plan.batch
        run.losses.append(loss)
        now = time.monotonic()
        run.seconds = before_s + now - began
        if run.step % _LOG_EVERY == 0:
            _log(folder, run)
        if now - saved > _SAVE_EVERY_S:
            _save(folder, run)
            saved = now
    _save(folder, run)
    _export(run, folder / "transformer")
    return {"steps": run.step, "images": run.images, "seconds": run.seconds}


def _start(folder: Path) -> _Run:
    """Build the model, or read where an earlier process stopped."""
    model = shapes.build_transformer().train()
    run = _Run(
        model=model,
        average={name: tensor.detach().clone() for name, tensor in model.named_parameters()},
        optimizers=_build_optimizers(model),
    )
    path = folder / "checkpoint.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True)
        model.load_state_dict(kept["model"])
        run.average = kept["average"]
        for optimizer, state in zip(run.optimizers, kept["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        run.step, run.seconds, run.images = kept["step"], kept["seconds"], kept["images"]
    return run


def _build_optimizers(model: Any) -> tuple[torch.optim.Optimizer, ...]:
    """Give the blocks' matrices to Muon, and all else to AdamW."""
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_matrix = name.startswith("transformer_blocks.") and parameter.ndim == 2  # noqa: PLR2004
        is_modulation = ".norm1.linear" in name or ".norm1_context.linear" in name
        (matrices if is_matrix and not is_modulation else others).append(parameter)
    return (
        Muon(matrices, _MUON_RATE, weight_decay=0.01),
        torch.optim.AdamW(others, _ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    )


def _progress(run: _Run, plan: Plan) -> float:
    """Return the part of the training that is done, 0 to 1."""
    return max(run.seconds / (60 * plan.minutes), run.step / plan.steps)


def _rate(step: int, progress: float) -> float:
    """Return the share of the full learning rate: up, level, then straight down to nearly none.

    >>> _rate(1000, 0.2), round(_rate(1000, 1.0), 3)
    (1.0, 0.01)
    """
    warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
    return warm * min(1.0, max(0.01, (1 - progress) / (1 - _DECAY_FROM)))


@dataclass(frozen=True)
class _Batch:
    """latents: (N, 16, 16, 16). tokens: (N, words, 192). pooled: (N, 192)."""

    latents: torch.Tensor
    tokens: torch.Tensor
    pooled: torch.Tensor


def _batches(data: corpus.Corpus, texts: Path, size: int, seed: str) -> Iterator[_Batch]:
    """Yield batches without end, each scene worded anew; scenes rendered meanwhile join in."""
    rng = random.Random(seed)  # noqa: S311
    encoders, tokenizer = text.read(texts), text.read_tokenizer(texts)
    scenes: list[Scene] = []
    while True:
        if len(scenes) < data.count:
            scenes += list(data.read_scenes(len(scenes)))[: data.count - len(scenes)]
        chosen = sorted(rng.randrange(len(scenes)) for _ in range(_CHUNK))
        rng.shuffle(chosen)
        worded = [_word(scenes[index], rng) for index in chosen]
        tokens, pooled = text.embed(encoders, tokenizer, worded)
        latents = torch.from_numpy(np.asarray(data.latents[chosen], dtype=np.float32))
        for start in range(0, _CHUNK - size + 1, size):
            part = slice(start, start + size)
            length = _SHORT_TOKENS if rng.random() < _SHORT_SHARE else shapes.PROMPT_TOKENS
            zeros = rng.randint(2, _SPARE_ZEROS) if rng.random() < _SPARE_SHARE else 1
            yield _Batch(
                latents=latents[part],
                tokens=torch.nn.functional.pad(tokens[part, :length], (0, 0, 0, zeros)),
                pooled=pooled[part],
            )


def _word(scene: Scene, rng: random.Random) -> str:
    """Word a scene, or leave it unsaid, so that guidance has something to push away from."""
    if rng.random() < _UNSAID:
        return ""
    return text.scattered(captions.caption(scene, rng), rng)


def _step(run: _Run, batch: _Batch, progress: float) -> float:
    """Learn from one batch; return its loss."""
    rate = _rate(run.step, progress)
    for optimizer, full in zip(run.optimizers, _RATES, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = full * rate
    loss = flow_loss(run.model, batch.latents, batch.tokens, batch.pooled)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad()
    keep = min(_EMA, (run.step + 1) / (run.step + 10))
    with torch.no_grad():
        for name, parameter in run.model.named_parameters():
            run.average[name].lerp_(parameter, 1 - keep)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise FloatingPointError(f"the loss is {value} at step {run.step}")
    return value


def flow_loss(
    model: Any, latents: torch.Tensor, tokens: torch.Tensor, pooled: torch.Tensor, **more: Any
) -> torch.Tensor:
    """Return the error of the predicted velocity, noise minus picture, badge corner up-weighted.

    Source: arXiv:2403.03206, section 2 (rectified flow) and 3.1 (logit-normal times).
    """
    noise = torch.randn_like(latents)
    sigmas = torch.sigmoid(_SIGMA_MEAN + _SIGMA_SPREAD * torch.randn(len(latents)))
    mixed = torch.lerp(latents, noise, sigmas.view(-1, 1, 1, 1))
    predicted = model(
        hidden_states=mixed, encoder_hidden_states=tokens, pooled_projections=pooled,
        timestep=1000 * sigmas, return_dict=False, **more,
    )[0]  # fmt: skip
    errors = (predicted - (noise - latents)).pow(2)
    weights = torch.ones(latents.shape[-2:])
    weights[_BADGE_ROWS, _BADGE_COLUMNS] = _BADGE_WEIGHT
    weighted: torch.Tensor = (errors * weights).mean()
    return weighted


def _log(folder: Path, run: _Run) -> None:
    """Append a point to the learning curve."""
    recent = run.losses[-_LOG_EVERY:]
    del run.losses[:-_LOG_EVERY]
    point = {
        "step": run.step,
        "images": run.images,
        "seconds": round(run.seconds, 1),
        "loss": round(sum(recent) / len(recent), 5),
    }
    with (folder / "curve.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(f"{json.dumps(point)}\n")


def _save(folder: Path, run: _Run) -> None:
    """Write the checkpoint whole, and now and then the averaged weights beside it."""
    beside = folder / "checkpoint.new"
    torch.save(
        {
            "model": run.model.state_dict(),
            "average": run.average,
            "optimizers": [optimizer.state_dict() for optimizer in run.optimizers],
            "step": run.step,
            "seconds": run.seconds,
            "images": run.images,
        },
        beside,
    )
    beside.replace(folder / "checkpoint.pt")
    mark = folder / f"average-{int(run.seconds // _KEEP_EVERY_S)}"
    if not mark.exists():
        _export(run, mark)


def _export(run: _Run, folder: Path) -> None:
    """Save the averaged weights as the library does, in half precision."""
    model = shapes.build_transformer()
    model.load_state_dict(run.average, strict=False)
    model.half().save_pretrained(folder, safe_serialization=True)
