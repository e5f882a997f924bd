"""Trains what a finished model can wear: a LoRA of a look, and a ControlNet that follows outlines.

Both learn from the model as it is shipped: its own autoencoder makes the latents.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from generation.engines.edges import edge_map
from generation.packs.training import corpus, denoiser, look, text
from generation.packs.world import captions, draw
from generation.packs.world.scene import Scene, sample
from generation.weights import runtime

RANK = 8
_LORA_TARGETS = (
    "to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out",
    "ff.net.0.proj", "ff.net.2",
)  # fmt: skip
_CONTROL_LAYERS = 1
_LORA_RATE, _CONTROL_RATE = 4e-3, 1.5e-3
_BATCH = 32
_UNSAID = 0.1
# A caption that leaves much out makes the outlines count.
_TERSE = 0.5
_WARM_UP_STEPS = 50


@dataclass(frozen=True)
class _Examples:
    """Scenes as latents, in the look or as they are, and what the control shows of each."""

    scenes: list[Scene]
    latents: torch.Tensor
    controls: torch.Tensor | None = None


def train_lora(
    base: Path, folder: Path, *, seed: int, minutes: float, images: int = 4000
) -> Mapping[str, float]:
    """Train the look for the model in `base`, on scenes printed in it; leaves it in `folder`."""
    torch.manual_seed(seed)
    peft = runtime.load_library("peft")
    pipeline = _read_pipeline(base)
    model = pipeline.transformer.requires_grad_(False)
    model.add_adapter(
        peft.LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights=True,
                        target_modules=list(_LORA_TARGETS))
    )  # fmt: skip
    scenes, pictures = _draw(seed, images)
    examples = _Examples(scenes, _encode(pipeline.vae, [look.apply(each) for each in pictures]))
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def loss_of(latents: torch.Tensor, tokens: Any, pooled: Any, _control: Any) -> torch.Tensor:
        return denoiser.flow_loss(model, latents, tokens, pooled)

    facts = _fit(pipeline, examples, weights, loss_of, _LORA_RATE, seed=seed, minutes=minutes)
    layers = {
        name: tensor.half().contiguous()
        for name, tensor in peft.utils.get_peft_model_state_dict(model).items()
    }
    type(pipeline).save_lora_weights(folder, transformer_lora_layers=layers)
    return facts


def train_controlnet(
    base: Path, folder: Path, *, seed: int, minutes: float, images: int = 8000
) -> Mapping[str, float]:
    """Train the outlines' ControlNet for the model in `base`; leaves it in `folder`.

    What it sees is what the engine shows it: the edge map, through the autoencoder.
    """
    torch.manual_seed(seed)
    pipeline = _read_pipeline(base)
    model = pipeline.transformer.requires_grad_(False)
    controlnet = runtime.load_library("diffusers").SD3ControlNetModel.from_transformer(
        model, num_layers=_CONTROL_LAYERS, num_extra_conditioning_channels=0
    )
    controlnet.train().requires_grad_(True)
    scenes, pictures = _draw(seed + 1, images)
    controls = _encode(pipeline.vae, [edge_map(picture) for picture in pictures])
    examples = _Examples(scenes, _encode(pipeline.vae, pictures), controls)

    def loss_of(latents: torch.Tensor, tokens: Any, pooled: Any, control: Any) -> torch.Tensor:
        def guided(**inputs: Any) -> Any:
            residuals = controlnet(
                hidden_states=inputs["hidden_states"], timestep=inputs["timestep"],
                encoder_hidden_states=tokens, pooled_projections=pooled,
                controlnet_cond=control, return_dict=False,
            )[0]  # fmt: skip
            return model(**inputs, block_controlnet_hidden_states=residuals)

        return denoiser.flow_loss(guided, latents, tokens, pooled)

    weights = list(controlnet.parameters())
    facts = _fit(pipeline, examples, weights, loss_of, _CONTROL_RATE, seed=seed, minutes=minutes)
    controlnet.half().save_pretrained(folder, safe_serialization=True)
    return facts


def _fit(
    pipeline: Any, examples: _Examples, weights: list[Any],
    loss_of: Callable[..., torch.Tensor], full_rate: float, *, seed: int, minutes: float,
) -> Mapping[str, float]:  # fmt: skip
    """Train the weights on examples drawn by lot, for so many minutes of processor time.

    Not of the wall's: a busy machine would leave them half trained.
    """
    rng = random.Random(seed)  # noqa: S311
    encoders = [pipeline.text_encoder, pipeline.text_encoder_2]
    optimizer = torch.optim.AdamW(weights, full_rate, betas=(0.9, 0.98), weight_decay=0.0)
    began, step, recent = time.process_time(), 0, 0.0
    while (progress := (time.process_time() - began) / (60 * minutes)) < 1:
        chosen = [rng.randrange(len(examples.scenes)) for _ in range(_BATCH)]
        words = [_word(examples.scenes[index], rng) for index in chosen]
        tokens, pooled = text.embed(encoders, pipeline.tokenizer, words)
        for group in optimizer.param_groups:
            group["lr"] = full_rate * min(1.0, (step + 1) / _WARM_UP_STEPS) * (1.01 - progress)
        loss = loss_of(
            examples.latents[chosen],
            torch.nn.functional.pad(tokens, (0, 0, 0, 1)),
            pooled,
            None if examples.controls is None else examples.controls[chosen],
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        step += 1
        recent = loss.item() if step == 1 else 0.98 * recent + 0.02 * loss.item()
    return {"steps": step, "images": step * _BATCH, "loss": recent,
            "seconds": time.process_time() - began}  # fmt: skip


def _read_pipeline(base: Path) -> Any:
    """Read a finished model, in single precision, from this disk only."""
    return runtime.load_library("diffusers").StableDiffusion3Pipeline.from_pretrained(
        base, local_files_only=True, dtype=torch.float32
    )


def _draw(seed: int, count: int) -> tuple[list[Scene], list[NDArray[np.uint8]]]:
    """Draw training scenes that the corpus does not have."""
    rng = random.Random(f"{seed}/adapters")  # noqa: S311
    scenes = [sample(rng) for _ in range(count)]
    return scenes, [np.asarray(draw.draw(scene, corpus.SIDE_PX, rng)) for scene in scenes]


def _encode(autoencoder: Any, pictures: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Return the pictures' latents, (N, 16, H/8, W/8), as the pipeline makes them."""
    config, seen = autoencoder.config, []
    for start in range(0, len(pictures), _BATCH):
        pixels = torch.from_numpy(np.stack(pictures[start : start + _BATCH]))
        with torch.no_grad():
            mean = autoencoder.encode(
                pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
            ).latent_dist.mean
        seen.append((mean - config.shift_factor) * config.scaling_factor)
    return torch.cat(seen)


def _word(scene: Scene, rng: random.Random) -> str:
    """Word a scene in full, in a few words, or not at all."""
    draw_ = rng.random()
    if draw_ < _UNSAID:
        return ""
    if draw_ < _TERSE:
        return f"{scene.color} {scene.object}"
    return captions.caption(scene, rng)
