"""A `FluxPipeline` in the shape of FLUX.1 with random weights: as dev, or as schnell."""

from pathlib import Path
from typing import Any, Final

from generation.packs import vocabulary
from generation.packs.tiny import adapters, parts
from generation.weights import runtime

FAMILY: Final = "flux"
PIPELINE: Final = "FluxPipeline"
GUIDANCE: Final = 3.5


def save(folder: Path, seed: int, *, has_guidance: bool = True) -> None:
    """Save the pipeline; with `has_guidance` as dev is, whose guidance is an input, or without."""
    diffusers = runtime.load_library("diffusers")
    transformers = runtime.load_library("transformers")
    clip_tokenizer = vocabulary.build_clip_tokenizer()
    t5_tokenizer = vocabulary.build_t5_tokenizer()
    with parts.seeded(seed):
        pipeline = diffusers.FluxPipeline(
            transformer=parts.listen_to_prompt(_build_transformer(diffusers, has_guidance)),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
                shift=3.0, use_dynamic_shifting=has_guidance
            ),
            vae=parts.build_autoencoder(diffusers, scaling_factor=0.3611, shift_factor=0.1159),
            text_encoder=parts.build_clip_text(transformers, clip_tokenizer, has_projection=False),
            tokenizer=clip_tokenizer,
            text_encoder_2=parts.build_t5(transformers, t5_tokenizer),
            tokenizer_2=t5_tokenizer,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = _build_transformer(diffusers, has_guidance=True)
        adapters.save_lora(folder, diffusers.FluxPipeline, transformer)


def _build_transformer(diffusers: Any, has_guidance: bool) -> Any:
    """Build the denoiser: one block of two streams, two of one; positions rotate."""
    return diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * parts.LATENT_CHANNELS,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=4,
        joint_attention_dim=parts.T5_WIDTH,
        pooled_projection_dim=parts.TEXT_WIDTH,
        guidance_embeds=has_guidance,
        axes_dims_rope=(4, 6, 6),
    )
