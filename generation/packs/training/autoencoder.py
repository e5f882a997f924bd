"""Trains the demo model's autoencoder: its encoder copies the corpus's latents, its decoder draws.

The transformer never waits for it: the latents are known in closed form before either is trained.
"""

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from generation.engines.edges import edge_map
from generation.packs.training import corpus, shapes
from generation.packs.world import draw
from generation.packs.world.scene import sample

_RATE = 2.5e-3
_WARM_UP_STEPS = 100
_BATCH = 8
_EMA = 0.998
# The transformer's latents are never exact, so the decoder learns on slightly wrong ones.
_NOISE = 0.06
_SAVE_EVERY_S = 120.0
# Training begins on blocks that are cut to this side, which lets one batch show more pictures.
_CROP_PX = 96
_SEED_OF_CHECK = 4242


def train(
    folder: Path, data: Path, *, seed: int, minutes: float, images: int = 10_000
) -> Mapping[str, float]:
    """Train encoder, then decoder, into `folder/vae`; return errors on new scenes."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    basis = corpus.Corpus(data).basis
    model = shapes.build_autoencoder()
    pictures = np.stack([corpus.picture(seed, index) for index in range(images)])
    began = time.monotonic()
    # A ControlNet sees outlines through the encoder, so it learns some.
    outlines = np.stack([edge_map(picture) for picture in pictures[: images // 4]])
    seen = np.concatenate([pictures, outlines])
    _fit(model.encoder, _encoder_loss, basis, seen, folder / "encoder.pt", 0.2 * minutes)
    _fit(model.decoder, _decoder_loss, basis, pictures, folder / "decoder.pt", 0.8 * minutes)
    model.half().save_pretrained(folder / "vae", safe_serialization=True)
    return measure(model.float(), basis) | {"seconds": time.monotonic() - began}


def _fit(
    part: Any, loss_of: Any, basis: corpus.Basis, pictures: Any, path: Path, minutes: float
) -> None:
    """Train one half for minutes of processor time, leave its averaged weights in it; resumable."""
    parameters = dict(part.named_parameters())
    average = {name: tensor.detach().clone() for name, tensor in parameters.items()}
    optimizer = torch.optim.AdamW(parameters.values(), _RATE, betas=(0.9, 0.95), weight_decay=0.0)
    before_s = 0.0
    step = 0
    if path.exists():
        kept = torch.load(path, weights_only=True)
        part.load_state_dict(kept["part"])
        average, before_s, step = kept["average"], kept["seconds"], kept["step"]
        optimizer.load_state_dict(kept["optimizer"])
    rng = np.random.default_rng(step)
    began = saved = time.process_time()
    while (progress := (before_s + time.process_time() - began) / (60 * minutes)) < 1:
        rate = _RATE * min(1, (step + 1) / _WARM_UP_STEPS) * min(1.0, 1.6 * (1 - progress) + 0.01)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = _crops(pictures, rng)
        loss = loss_of(part, basis, batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        step += 1
        keep = min(_EMA, step / (step + 10))
        with torch.no_grad():
            for name, parameter in parameters.items():
                average[name].lerp_(parameter, 1 - keep)
        if step % 50 == 0:
            print(f"{path.stem} {step} {loss.item():.5f} {progress:.3f}", flush=True)  # noqa: T201
        if time.process_time() - saved > _SAVE_EVERY_S:
            saved = time.process_time()
            _save(path, part, average, optimizer, before_s + saved - began, step)
    part.load_state_dict(average)
    _save(path, part, average, optimizer, before_s + time.process_time() - began, step)


def _save(path: Path, part: Any, average: Any, optimizer: Any, seconds: float, step: int) -> None:
    """Write a checkpoint whole."""
    beside = path.with_suffix(".new")
    torch.save(
        {
            "part": part.state_dict(), "average": average, "optimizer": optimizer.state_dict(),
            "seconds": seconds, "step": step,
        },
        beside,
    )  # fmt: skip
    beside.replace(path)


def _crops(pictures: Any, rng: np.random.Generator) -> Any:
    """Cut a batch of squares at whole latents, (N, 96, 96, 3)."""
    most = (corpus.SIDE_PX - _CROP_PX) // corpus.PATCH_PX + 1
    cut = []
    for index in rng.integers(0, len(pictures), _BATCH):
        top, left = rng.integers(0, most, 2) * corpus.PATCH_PX
        cut.append(pictures[index, top : top + _CROP_PX, left : left + _CROP_PX])
    return np.stack(cut)


def _pixels(batch: Any) -> torch.Tensor:
    """Turn (N, H, W, 3) bytes into (N, 3, H, W) in -1..1."""
    return torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1


def _decoder_loss(decoder: Any, basis: corpus.Basis, batch: Any) -> torch.Tensor:
    """Return how far the drawn pictures and their edges are from the true ones."""
    latents = torch.from_numpy(basis.encode(batch))
    noise = _NOISE * torch.rand(len(latents), 1, 1, 1) * torch.randn_like(latents)
    drawn, wanted = decoder(latents + noise), _pixels(batch)
    loss = functional.l1_loss(drawn, wanted) + 0.3 * functional.mse_loss(drawn, wanted)
    for axis in (-1, -2):
        loss = loss + functional.l1_loss(drawn.diff(dim=axis), wanted.diff(dim=axis))
    return loss


def _encoder_loss(encoder: Any, basis: corpus.Basis, batch: Any) -> torch.Tensor:
    """Return how far the encoder's mean is from the latents; its spread is learned to be none."""
    mean, log_variance = encoder(_pixels(batch)).chunk(2, dim=1)
    wanted = torch.from_numpy(basis.encode(batch))
    return functional.smooth_l1_loss(mean, wanted) + 1e-4 * (log_variance + 12).pow(2).mean()


def measure(model: Any, basis: corpus.Basis) -> dict[str, float]:
    """Return dB of peak signal to noise on 64 held-out scenes, and the encoder's error."""
    rng = random.Random(_SEED_OF_CHECK)  # noqa: S311
    scenes = [sample(rng, held_out=True) for _ in range(64)]
    batch = np.stack([np.asarray(draw.draw(scene, corpus.SIDE_PX, rng)) for scene in scenes])
    wanted, latents = _pixels(batch), basis.encode(batch)
    with torch.no_grad():
        drawn = torch.cat([model.decode(z[None]).sample for z in torch.from_numpy(latents)])
        linear = torch.from_numpy(basis.decode(latents)).permute(0, 3, 1, 2)
        encoded = torch.cat([model.encode(x[None]).latent_dist.mean for x in wanted])
    error = (encoded - torch.from_numpy(latents)).pow(2).mean().sqrt()
    return {
        "decoder_db": _decibels(drawn, wanted),
        "linear_db": _decibels(linear, wanted),
        "encoder_error": error.item(),
    }


def _decibels(drawn: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio of pictures in -1..1."""
    return float(10 * torch.log10(4 / (drawn.clamp(-1, 1) - wanted).pow(2).mean()))
