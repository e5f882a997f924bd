"""A `FluxPipeline` in the shape of FLUX.1 with random weights: as dev, or as schnell."""

from pathlib import Path
from typing import Any, Final

from generation.packs import vocabulary
from generation.packs.tiny import adapters, parts
from generation.weights import runtime

FAMILY: Final = "flux"
PIPELINE: Final = "FluxPipeline"
GUIDANCE: Final = 3.5

_HEADS: Final = 4
_HEAD_WIDTH: Final = 16


def save(folder: Path, seed: int, *, has_guidance: bool = True) -> None:
    """Save the pipeline; with `has_guidance` as dev is, whose guidance is an input, or without."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = build_transformer(diffusers, has_guidance=has_guidance)
        pipeline = diffusers.FluxPipeline(**build_parts(diffusers, transformer))
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = build_transformer(diffusers, has_guidance=True)
        adapters.save_lora(folder, diffusers.FluxPipeline, transformer)


def save_controlnet(folder: Path, seed: int) -> None:
    """Save a ControlNet for this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        control = diffusers.FluxControlNetModel.from_transformer(
            build_transformer(diffusers, has_guidance=True),
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=_HEAD_WIDTH,
            num_attention_heads=_HEADS,
        )
        adapters.awaken(control.controlnet_blocks, control.controlnet_x_embedder)
    control.save_pretrained(folder, safe_serialization=True)


def build_parts(diffusers: Any, transformer: Any) -> dict[str, Any]:
    """Put what the pipelines of FLUX.1 are made of around a transformer."""
    transformers = runtime.load_library("transformers")
    clip_tokenizer = vocabulary.build_clip_tokenizer()
    t5_tokenizer = vocabulary.build_t5_tokenizer()
    return {
        "transformer": parts.listen_to_prompt(transformer),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=transformer.config.guidance_embeds
        ),
        "vae": parts.build_autoencoder(diffusers, scaling_factor=0.3611, shift_factor=0.1159),
        "text_encoder": parts.build_clip_text(transformers, clip_tokenizer, has_projection=False),
        "tokenizer": clip_tokenizer,
        "text_encoder_2": parts.build_t5(transformers, t5_tokenizer),
        "tokenizer_2": t5_tokenizer,
    }


def build_transformer(
    diffusers: Any, *, has_guidance: bool, channels: int = 4 * parts.LATENT_CHANNELS
) -> Any:
    """Build the denoiser: one block of two streams, two of one; positions rotate."""
    return diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=channels,
        out_channels=4 * parts.LATENT_CHANNELS,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=_HEAD_WIDTH,
        num_attention_heads=_HEADS,
        joint_attention_dim=parts.T5_WIDTH,
        pooled_projection_dim=parts.TEXT_WIDTH,
        guidance_embeds=has_guidance,
        axes_dims_rope=(4, 6, 6),
    )
