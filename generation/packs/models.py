"""The pack's three models in the shapes of the real ones; their weights are random by a seed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from generation.packs import vocabulary
from generation.weights import runtime

_TEXT_WIDTH = 32
_T5_WIDTH = 64
_LATENT_CHANNELS = 16
# The transformer's position table: 64 patches of 16 px, so at most 1024 px a side.
_PATCHES_A_SIDE = 64

# How far the decoder's blocks outweigh their shortcuts, and how far its colors spread.
_MIX = 4.0
_CONTRAST = 0.25

SAFETY_LABELS = {0: "allowed", 1: "restricted"}


def save_sd3(folder: Path, seed: int) -> None:
    """Save a `StableDiffusion3Pipeline` with three text encoders in the shape of SD 3.5."""
    diffusers = runtime.load_library("diffusers")
    transformers = runtime.load_library("transformers")
    clip_tokenizer = vocabulary.build_clip_tokenizer()
    t5_tokenizer = vocabulary.build_t5_tokenizer()
    with _seeded(seed):
        pipeline = diffusers.StableDiffusion3Pipeline(
            transformer=_listen_to_prompt(_build_transformer(diffusers)),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=_soften(_build_autoencoder(diffusers)),
            text_encoder=_build_clip_text(transformers, clip_tokenizer),
            tokenizer=clip_tokenizer,
            text_encoder_2=_build_clip_text(transformers, clip_tokenizer),
            tokenizer_2=clip_tokenizer,
            text_encoder_3=_build_t5(transformers, t5_tokenizer),
            tokenizer_3=t5_tokenizer,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_clip(folder: Path, seed: int) -> None:
    """Save an `open_clip` model folder: configuration, weights and tokenizer."""
    open_clip = runtime.load_library("open_clip")
    safetensors = runtime.load_library("safetensors.torch")
    tokenizer = vocabulary.build_clip_tokenizer()
    config = {
        "embed_dim": 64,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32,
                       "patch_size": 16},
        "text_cfg": {"context_length": vocabulary.CLIP_LENGTH, "vocab_size": len(tokenizer),
                     "width": 64, "heads": 2, "layers": 2, "hf_tokenizer_name": "local"},
    }  # fmt: skip
    with _seeded(seed + 1):
        model = open_clip.CLIP(**config)
    folder.mkdir(parents=True)
    _write_json(
        folder / "open_clip_config.json",
        {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}},
    )
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    safetensors.save_file(weights, folder / "open_clip_model.safetensors")
    vocabulary.save(tokenizer, folder)


def save_safety(folder: Path, seed: int) -> None:
    """Save a `transformers` image classifier folder with an allowed and a restricted label."""
    transformers = runtime.load_library("transformers")
    config = transformers.ViTConfig(
        image_size=64,
        patch_size=16,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=96,
        id2label=SAFETY_LABELS,
        label2id={label: index for index, label in SAFETY_LABELS.items()},
    )
    with _seeded(seed + 2):
        model = transformers.ViTForImageClassification(config)
    model.save_pretrained(folder)
    processor = transformers.ViTImageProcessor(size={"height": 64, "width": 64})
    processor.save_pretrained(folder)


def _build_transformer(diffusers: Any) -> Any:
    """Build the denoiser: joint attention over text and image, as SD 3.5 has it."""
    return diffusers.SD3Transformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=_LATENT_CHANNELS,
        out_channels=_LATENT_CHANNELS,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=4,
        joint_attention_dim=_T5_WIDTH,
        caption_projection_dim=64,
        pooled_projection_dim=2 * _TEXT_WIDTH,
        pos_embed_max_size=_PATCHES_A_SIDE,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )


def _build_autoencoder(diffusers: Any) -> Any:
    """Build the autoencoder: 8 px to a latent, 16 channels, SD 3's scale and shift."""
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=_LATENT_CHANNELS,
        scaling_factor=1.5305,
        shift_factor=0.0609,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        sample_size=256,
    )


def _listen_to_prompt(transformer: Any) -> Any:
    """Raise the weights through which the text shifts the whole image, so that prompts differ."""
    with torch.no_grad():
        transformer.norm_out.linear.weight.mul_(6)
        transformer.proj_out.weight.mul_(2)
    return transformer


def _soften(autoencoder: Any) -> Any:
    """Make the random decoder paint soft areas of color instead of grain.

    Each 3 x 3 kernel becomes a binomial blur times a random mix of channels; the blocks' own paths
    outweigh their shortcuts, which carry the grain. Means nothing, but can be looked at.
    """
    blur = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16
    with torch.no_grad():
        for module in autoencoder.decoder.modules():
            if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3):
                mix = torch.randn(module.out_channels, module.in_channels)
                module.weight.copy_((mix * _MIX / module.in_channels**0.5)[..., None, None] * blur)
                module.bias.zero_()
        autoencoder.decoder.conv_out.weight.mul_(_CONTRAST)
    return autoencoder


def _build_clip_text(transformers: Any, tokenizer: Any) -> Any:
    """Build one of the two CLIP text encoders."""
    return transformers.CLIPTextModelWithProjection(
        transformers.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=_TEXT_WIDTH,
            intermediate_size=64,
            projection_dim=_TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=vocabulary.CLIP_LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _build_t5(transformers: Any, tokenizer: Any) -> Any:
    """Build the T5 text encoder, whose width bounds the joint attention's."""
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(tokenizer),
            d_model=_T5_WIDTH,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw random weights from `seed` and leave the process's own generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _write_json(path: Path, value: object) -> None:
    """Write JSON in one fixed form."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
