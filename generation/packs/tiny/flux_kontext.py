"""A `FluxKontextPipeline` in the shape of FLUX.1 Kontext with random weights."""

from pathlib import Path
from typing import Final

from generation.packs.tiny import adapters, flux, parts
from generation.weights import runtime

FAMILY: Final = "flux_kontext"
PIPELINE: Final = "FluxKontextPipeline"
GUIDANCE: Final = 2.5


def save(folder: Path, seed: int) -> None:
    """Save the pipeline, whose parts are those of FLUX.1 dev."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = flux.build_transformer(diffusers, has_guidance=True)
        pipeline = diffusers.FluxKontextPipeline(**flux.build_parts(diffusers, transformer))
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = flux.build_transformer(diffusers, has_guidance=True)
        adapters.save_lora(folder, diffusers.FluxKontextPipeline, transformer)
