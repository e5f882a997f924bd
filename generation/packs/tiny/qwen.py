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
_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
)
_WIDTH: Final = 32


def save(folder: Path, seed: int) -> None:
    """Save the pipeline with its language model, which can see as well."""
    diffusers = runtime.load_library("diffusers")
    transformers = runtime.load_library("transformers")
    tokenizer = vocabulary.build_chat_tokenizer(vocabulary.QWEN_MARKS, _TEMPLATE)
    with parts.seeded(seed):
        pipeline = diffusers.QwenImagePipeline(
            transformer=parts.listen_to_prompt(_build_transformer(diffusers)),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
                shift=3.0, use_dynamic_shifting=True
            ),
            vae=_build_autoencoder(diffusers),
            text_encoder=_build_language_model(transformers, tokenizer),
            tokenizer=tokenizer,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = _build_transformer(diffusers)
        adapters.save_lora(folder, diffusers.QwenImagePipeline, transformer)


def _build_transformer(diffusers: Any) -> Any:
    """Build the denoiser: joint attention over text and image; positions rotate."""
    return diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=4 * parts.LATENT_CHANNELS,
        out_channels=parts.LATENT_CHANNELS,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=4,
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
    """Build the Qwen 2.5 model with its vision tower, which text does not use."""
    mark = tokenizer.convert_tokens_to_ids(vocabulary.QWEN_MARKS[0])
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
            # No picture is ever shown, so any mark will do that text does not use.
            image_token_id=mark,
            video_token_id=mark,
            vision_start_token_id=mark,
            vision_end_token_id=mark,
        )
    )
