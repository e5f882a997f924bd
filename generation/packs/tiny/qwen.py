"""A `QwenImagePipeline` in the shape of Qwen-Image with random weights."""

from pathlib import Path
from typing import Any, Final

from generation.packs import vocabulary
from generation.packs.tiny import adapters, parts
from generation.weights import runtime

FAMILY: Final = "qwen"
PIPELINE: Final = "QwenImagePipeline"
GUIDANCE: Final = 4.0

# The pipeline writes the words around the prompt itself; the template is for other uses.
TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
)
_WIDTH: Final = 32
_HEADS: Final = 4
_HEAD_WIDTH: Final = 16


def save(folder: Path, seed: int) -> None:
    """Save the pipeline with its language model, which can see as well."""
    diffusers = runtime.load_library("diffusers")
    transformers = runtime.load_library("transformers")
    tokenizer = vocabulary.build_chat_tokenizer(vocabulary.QWEN_MARKS, TEMPLATE)
    with parts.seeded(seed):
        pipeline = diffusers.QwenImagePipeline(**build_parts(diffusers, transformers, tokenizer))
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = build_transformer(diffusers)
        adapters.save_lora(folder, diffusers.QwenImagePipeline, transformer)


def save_controlnet(folder: Path, seed: int) -> None:
    """Save a ControlNet for this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        control = diffusers.QwenImageControlNetModel.from_transformer(
            build_transformer(diffusers),
            num_layers=1,
            attention_head_dim=_HEAD_WIDTH,
            num_attention_heads=_HEADS,
        )
        adapters.awaken(control.controlnet_blocks, control.controlnet_x_embedder)
    control.save_pretrained(folder, safe_serialization=True)


def build_parts(diffusers: Any, transformers: Any, tokenizer: Any) -> dict[str, Any]:
    """Put what the pipelines of Qwen-Image are made of around a tokenizer."""
    return {
        "transformer": parts.listen_to_prompt(build_transformer(diffusers)),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=True
        ),
        "vae": _build_autoencoder(diffusers),
        "text_encoder": _build_language_model(transformers, tokenizer),
        "tokenizer": tokenizer,
    }


def build_transformer(diffusers: Any) -> Any:
    """Build the denoiser: joint attention over text and image; positions rotate."""
    return diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=4 * parts.LATENT_CHANNELS,
        out_channels=parts.LATENT_CHANNELS,
        num_layers=2,
        attention_head_dim=_HEAD_WIDTH,
        num_attention_heads=_HEADS,
        joint_attention_dim=_WIDTH,
        axes_dims_rope=(4, 6, 6),
    )


def _build_autoencoder(diffusers: Any) -> Any:
    """Build an autoencoder for videos of 8 px to a latent and 16 channels."""
    return parts.soften_video(
        diffusers.AutoencoderKLQwenImage(
            base_dim=8, z_dim=parts.LATENT_CHANNELS, dim_mult=[1, 2, 2, 2], num_res_blocks=1
        )
    )


def _build_language_model(transformers: Any, tokenizer: Any) -> Any:
    """Build the Qwen 2.5 model with its vision tower, which text does not use.

    Where the tokenizer has no marks for pictures, none is ever shown, and any other mark will do.
    """
    other = vocabulary.QWEN_MARKS[0]
    known = tokenizer.get_vocab()
    marks = {
        f"{use}_token_id": known.get(mark, known[other])
        for use, mark in vocabulary.QWEN_PICTURE_MARKS.items()
    }
    return transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config={
                "vocab_size": len(tokenizer),
                "hidden_size": _WIDTH,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "max_position_embeddings": 2048,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 1_000_000.0,
                    "mrope_section": [2, 3, 3],
                },
                "pad_token_id": tokenizer.pad_token_id,
                "bos_token_id": None,
                "eos_token_id": tokenizer.eos_token_id,
            },
            vision_config={
                "depth": 1,
                "hidden_size": 16,
                "intermediate_size": 32,
                "num_heads": 2,
                "out_hidden_size": _WIDTH,
                "fullatt_block_indexes": [0],
            },
            **marks,
        )
    )
