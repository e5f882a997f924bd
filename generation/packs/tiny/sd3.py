"""A `StableDiffusion3Pipeline` in the shape of SD 3.5 with random weights, and what it can wear."""

from pathlib import Path
from typing import Any, Final

from generation.packs import vocabulary
from generation.packs.tiny import adapters, parts
from generation.weights import runtime

FAMILY: Final = "sd3"
PIPELINE: Final = "StableDiffusion3Pipeline"
GUIDANCE: Final = 4.0

# The transformer's position table: 64 patches of 16 px, so at most 1024 px a side.
_PATCHES_A_SIDE = 64


def save(folder: Path, seed: int) -> None:
    """Save the pipeline with its three text encoders."""
    diffusers = runtime.load_library("diffusers")
    transformers = runtime.load_library("transformers")
    clip_tokenizer = vocabulary.build_clip_tokenizer()
    t5_tokenizer = vocabulary.build_t5_tokenizer()
    with parts.seeded(seed):
        pipeline = diffusers.StableDiffusion3Pipeline(
            transformer=parts.listen_to_prompt(_build_transformer(diffusers)),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=parts.build_autoencoder(diffusers, scaling_factor=1.5305, shift_factor=0.0609),
            text_encoder=parts.build_clip_text(transformers, clip_tokenizer),
            tokenizer=clip_tokenizer,
            text_encoder_2=parts.build_clip_text(transformers, clip_tokenizer),
            tokenizer_2=clip_tokenizer,
            text_encoder_3=parts.build_t5(transformers, t5_tokenizer),
            tokenizer_3=t5_tokenizer,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = _build_transformer(diffusers)
        adapters.save_lora(folder, diffusers.StableDiffusion3Pipeline, transformer)


def save_controlnet(folder: Path, seed: int) -> None:
    """Save a ControlNet for this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        control = diffusers.SD3ControlNetModel.from_transformer(
            _build_transformer(diffusers), num_layers=1, num_extra_conditioning_channels=0
        )
        adapters.awaken(control.controlnet_blocks, control.pos_embed_input.proj)
    control.save_pretrained(folder, safe_serialization=True)


def _build_transformer(diffusers: Any) -> Any:
    """Build the denoiser: joint attention over text and image, as SD 3.5 has it."""
    return diffusers.SD3Transformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=parts.LATENT_CHANNELS,
        out_channels=parts.LATENT_CHANNELS,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=4,
        joint_attention_dim=parts.T5_WIDTH,
        caption_projection_dim=64,
        pooled_projection_dim=2 * parts.TEXT_WIDTH,
        pos_embed_max_size=_PATCHES_A_SIDE,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
