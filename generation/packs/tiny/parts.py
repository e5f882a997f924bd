"""What the tiny models of several families share: text encoders, autoencoder, seeded weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

from generation.packs import vocabulary

TEXT_WIDTH: Final = 32
T5_WIDTH: Final = 64
LATENT_CHANNELS: Final = 16
# Of one layer of the language models of FLUX.2, whose transformer is given three.
LANGUAGE_WIDTH: Final = 16

# How far the decoder's blocks outweigh their shortcuts, and how far its colors spread.
_MIX = 4.0
_CONTRAST = 0.25


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random weights from `seed` and leave the process's own generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def build_autoencoder(diffusers: Any, *, scaling_factor: float, shift_factor: float) -> Any:
    """Build an autoencoder of 8 px to a latent and 16 channels that paints soft areas."""
    return _soften(
        diffusers.AutoencoderKL(
            block_out_channels=(8, 16, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            norm_num_groups=4,
            latent_channels=LATENT_CHANNELS,
            scaling_factor=scaling_factor,
            shift_factor=shift_factor,
            use_quant_conv=False,
            use_post_quant_conv=False,
            mid_block_add_attention=False,
            sample_size=256,
        )
    )


def build_flux2_autoencoder(diffusers: Any) -> Any:
    """Build the autoencoder of FLUX.2, which normalizes patches of two by two latents."""
    return _soften(
        diffusers.AutoencoderKLFlux2(
            block_out_channels=(8, 16, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            norm_num_groups=4,
            latent_channels=LATENT_CHANNELS,
            use_quant_conv=False,
            use_post_quant_conv=False,
            mid_block_add_attention=False,
            sample_size=256,
        )
    )


def build_flux2_transformer(diffusers: Any, *, has_guidance: bool) -> Any:
    """Build the denoiser of FLUX.2: one block of two streams, two of one; positions rotate."""
    return listen_to_prompt(
        diffusers.Flux2Transformer2DModel(
            patch_size=1,
            in_channels=4 * LATENT_CHANNELS,
            num_layers=1,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=4,
            joint_attention_dim=3 * LANGUAGE_WIDTH,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=has_guidance,
        )
    )


def build_clip_text(transformers: Any, tokenizer: Any, *, has_projection: bool = True) -> Any:
    """Build a CLIP text encoder, with the projection that SD 3 wants or without."""
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=64,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=vocabulary.CLIP_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    if has_projection:
        return transformers.CLIPTextModelWithProjection(config)
    return transformers.CLIPTextModel(config)


def build_t5(transformers: Any, tokenizer: Any) -> Any:
    """Build a T5 text encoder, whose width bounds the joint attention's."""
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(tokenizer),
            d_model=T5_WIDTH,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def listen_to_prompt(transformer: Any) -> Any:
    """Raise the weights through which the text shifts the whole image, so that prompts differ."""
    with torch.no_grad():
        transformer.norm_out.linear.weight.mul_(6)
        transformer.proj_out.weight.mul_(2)
    return transformer


def soften_video(autoencoder: Any) -> Any:
    """Make the random decoder of an autoencoder for videos paint soft areas of color too.

    Of a single frame only the last of the three time slices of a kernel is used.
    """
    blur = _blur()
    with torch.no_grad():
        for module in autoencoder.decoder.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d) and (
                module.kernel_size[-2:] == (3, 3)
            ):
                mix = torch.randn(module.out_channels, module.in_channels)
                spread = (mix * _MIX / module.in_channels**0.5)[..., None, None] * blur
                in_time = isinstance(module, torch.nn.Conv3d)
                module.weight.copy_(spread[:, :, None] if in_time else spread)
                module.bias.zero_()
        autoencoder.decoder.conv_out.weight.mul_(_CONTRAST)
    return autoencoder


def _blur() -> torch.Tensor:
    """Return a binomial blur: (3, 3), its sum 1."""
    return torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16


def _soften(autoencoder: Any) -> Any:
    """Make the random decoder paint soft areas of color instead of grain.

    Each 3 x 3 kernel becomes a binomial blur times a random mix of channels; the blocks' own paths
    outweigh their shortcuts, which carry the grain. Means nothing, but can be looked at.
    """
    blur = _blur()
    with torch.no_grad():
        for module in autoencoder.decoder.modules():
            if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3):
                mix = torch.randn(module.out_channels, module.in_channels)
                module.weight.copy_((mix * _MIX / module.in_channels**0.5)[..., None, None] * blur)
                module.bias.zero_()
        autoencoder.decoder.conv_out.weight.mul_(_CONTRAST)
    return autoencoder
