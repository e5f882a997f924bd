"""A `FluxFillPipeline` in the shape of FLUX.1 Fill with random weights."""

from pathlib import Path
from typing import Any, Final

from generation.packs.tiny import adapters, flux, parts
from generation.weights import runtime

FAMILY: Final = "flux_fill"
PIPELINE: Final = "FluxFillPipeline"
GUIDANCE: Final = 30.0

# Beside the noise come the kept part, and the mask: 8 by 8 px of it to a latent.
_CHANNELS: Final = 4 * (2 * parts.LATENT_CHANNELS + 64)


def save(folder: Path, seed: int) -> None:
    """Save the pipeline, whose parts but the transformer are those of FLUX.1 dev."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        pipeline = diffusers.FluxFillPipeline(
            **flux.build_parts(diffusers, _build_transformer(diffusers))
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        adapters.save_lora(folder, diffusers.FluxFillPipeline, _build_transformer(diffusers))


def _build_transformer(diffusers: Any) -> Any:
    """Build the denoiser, which is given more channels than it returns."""
    return flux.build_transformer(diffusers, has_guidance=True, channels=_CHANNELS)
