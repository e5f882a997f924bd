"""Puts the trained parts together as a `StableDiffusion3Pipeline` folder, in half precision."""

from pathlib import Path
from typing import Any

import torch

from generation.packs import vocabulary
from generation.packs.training import shapes, text
from generation.weights import runtime

# How long sampling dwells on the noisy end, where a scene is decided; 2 beat 1 on new prompts.
SHIFT = 2.0


def load_pipeline(work: Path) -> Any:
    """Build the pipeline from a training folder's parts, in single precision."""
    diffusers = runtime.load_library("diffusers")
    tokenizer = text.read_tokenizer(work / "text")
    t5_tokenizer = vocabulary.build_t5_tokenizer()
    first, second = text.read(work / "text")
    return diffusers.StableDiffusion3Pipeline(
        transformer=_read(diffusers.SD3Transformer2DModel, work / "transformer" / "transformer"),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=SHIFT),
        vae=_read(diffusers.AutoencoderKL, work / "autoencoder" / "vae"),
        text_encoder=first,
        tokenizer=tokenizer,
        text_encoder_2=second,
        tokenizer_2=tokenizer,
        text_encoder_3=shapes.build_silent_t5(t5_tokenizer),
        tokenizer_3=t5_tokenizer,
    )


def save_pipeline(work: Path, folder: Path) -> None:
    """Save the pipeline of a training folder in the standard layout."""
    load_pipeline(work).to(torch.float16).save_pretrained(folder, safe_serialization=True)


def _read(kind: Any, folder: Path) -> Any:
    """Read one part as single precision, from this disk only."""
    return kind.from_pretrained(folder, local_files_only=True, torch_dtype=torch.float32).eval()
