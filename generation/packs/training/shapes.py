"""The shapes of the demo model's parts: Stable Diffusion 3.5's, made small enough for two cores."""

from typing import Any

import torch

from generation.packs import vocabulary
from generation.packs.training.corpus import CHANNELS, PATCH_PX, SIDE_PX
from generation.weights import runtime

# The longest prompt in tokens; the rest is cut off, as the family does with its own 77.
PROMPT_TOKENS = 32
TEXT_WIDTH = 96
JOINT_WIDTH = 2 * TEXT_WIDTH
HEAD_WIDTH = 32
LAYERS = 6
HEADS = 5
# 16 patches of 16 px: the largest side is 256 px.
PATCHES_A_SIDE = 16


def build_transformer() -> Any:
    """Build the denoiser; its outputs begin at zero, so that training begins at the mean."""
    transformer = runtime.load_library("diffusers").SD3Transformer2DModel(
        sample_size=SIDE_PX // PATCH_PX,
        patch_size=2,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=LAYERS,
        attention_head_dim=HEAD_WIDTH,
        num_attention_heads=HEADS,
        joint_attention_dim=JOINT_WIDTH,
        caption_projection_dim=HEADS * HEAD_WIDTH,
        pooled_projection_dim=2 * TEXT_WIDTH,
        pos_embed_max_size=PATCHES_A_SIDE,
        qk_norm="rms_norm",
    )
    with torch.no_grad():
        silent = [transformer.norm_out.linear, transformer.proj_out]
        for block in transformer.transformer_blocks:
            silent += [block.norm1.linear, block.norm1_context.linear]
        for linear in silent:
            linear.weight.zero_()
            linear.bias.zero_()
    return transformer


def build_text_encoder(tokenizer: Any) -> Any:
    """Build one of the two CLIP text encoders, of two layers."""
    transformers = runtime.load_library("transformers")
    return transformers.CLIPTextModelWithProjection(
        transformers.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=TEXT_WIDTH // HEAD_WIDTH,
            max_position_embeddings=PROMPT_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_tokenizer() -> Any:
    """Build the tokenizer of both CLIP encoders."""
    return vocabulary.build_clip_tokenizer(PROMPT_TOKENS)


def build_autoencoder() -> Any:
    """Build the autoencoder: 8 px to a latent of 16 numbers, wide where the picture is small."""
    return runtime.load_library("diffusers").AutoencoderKL(
        block_out_channels=(16, 24, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=CHANNELS,
        scaling_factor=1.0,
        shift_factor=0.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        sample_size=SIDE_PX,
    )


def build_silent_t5(tokenizer: Any) -> Any:
    """Build the third text encoder, of one layer, whose embeddings are exactly zero.

    The pipeline asks for three encoders; this model was trained with the third one's place empty.
    """
    transformers = runtime.load_library("transformers")
    encoder = transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(tokenizer),
            d_model=JOINT_WIDTH,
            d_kv=HEAD_WIDTH,
            d_ff=HEAD_WIDTH,
            num_layers=1,
            num_heads=1,
            feed_forward_proj="gated-gelu",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
    return encoder
