"""A `Flux2Pipeline` in the shape of FLUX.2 with random weights: as dev, or without guidance."""

from pathlib import Path
from typing import Any, Final

from generation.packs import vocabulary
from generation.packs.tiny import adapters, parts
from generation.weights import runtime

FAMILY: Final = "flux2"
PIPELINE: Final = "Flux2Pipeline"
GUIDANCE: Final = 4.0

# Only what the user says: the family's system message would be a hundred tokens here.
_TEMPLATE: Final = (
    "{% for message in messages if message['role'] == 'user' %}[INST]"
    "{% for block in message['content'] %}{{ block['text'] }}{% endfor %}"
    "[/INST]{% endfor %}"
)
# The pipeline takes the states after layers 10, 20 and 30.
_LAYERS: Final = 30


def save(folder: Path, seed: int, *, has_guidance: bool = True) -> None:
    """Save the pipeline; with `has_guidance` as dev is, whose guidance is an input, or without."""
    diffusers = runtime.load_library("diffusers")
    transformers = runtime.load_library("transformers")
    tokenizer = vocabulary.build_chat_tokenizer(vocabulary.PIXTRAL_MARKS, _TEMPLATE)
    with parts.seeded(seed):
        pipeline = diffusers.Flux2Pipeline(
            transformer=parts.build_flux2_transformer(diffusers, has_guidance=has_guidance),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
                shift=3.0, use_dynamic_shifting=True
            ),
            vae=parts.build_flux2_autoencoder(diffusers),
            text_encoder=_build_language_model(transformers, tokenizer),
            tokenizer=transformers.PixtralProcessor(
                image_processor=transformers.PixtralImageProcessor(),
                tokenizer=tokenizer,
                chat_template=_TEMPLATE,
            ),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = parts.build_flux2_transformer(diffusers, has_guidance=True)
        adapters.save_lora(folder, diffusers.Flux2Pipeline, transformer)


def _build_language_model(transformers: Any, tokenizer: Any) -> Any:
    """Build the Mistral model with its vision tower, which text does not use."""
    return transformers.Mistral3ForConditionalGeneration(
        transformers.Mistral3Config(
            text_config=transformers.MistralConfig(
                vocab_size=len(tokenizer),
                hidden_size=parts.LANGUAGE_WIDTH,
                intermediate_size=32,
                num_hidden_layers=_LAYERS,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                max_position_embeddings=512,
                pad_token_id=tokenizer.pad_token_id,
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
            ),
            vision_config=transformers.PixtralVisionConfig(
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=32,
                patch_size=16,
            ),
            image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        )
    )
