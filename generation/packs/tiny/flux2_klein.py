"""A `Flux2KleinPipeline` in the shape of FLUX.2 klein with random weights: distilled, or a base."""

from pathlib import Path
from typing import Any, Final

from generation.packs import vocabulary
from generation.packs.tiny import adapters, parts
from generation.weights import runtime

FAMILY: Final = "flux2_klein"
PIPELINE: Final = "Flux2KleinPipeline"
GUIDANCE: Final = 0.0

# As Qwen 3 has it where it is asked not to think.
_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The pipeline takes the states after layers 9, 18 and 27.
_LAYERS: Final = 27


def save(folder: Path, seed: int, *, is_distilled: bool = True) -> None:
    """Save the pipeline; one that is not distilled takes guidance."""
    diffusers = runtime.load_library("diffusers")
    transformers = runtime.load_library("transformers")
    tokenizer = vocabulary.build_chat_tokenizer(vocabulary.QWEN_MARKS, _TEMPLATE)
    with parts.seeded(seed):
        pipeline = diffusers.Flux2KleinPipeline(
            transformer=parts.build_flux2_transformer(diffusers, has_guidance=False),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
                shift=3.0, use_dynamic_shifting=True
            ),
            vae=parts.build_flux2_autoencoder(diffusers),
            text_encoder=_build_language_model(transformers, tokenizer),
            tokenizer=tokenizer,
            is_distilled=is_distilled,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = parts.build_flux2_transformer(diffusers, has_guidance=False)
        adapters.save_lora(folder, diffusers.Flux2KleinPipeline, transformer)


def _build_language_model(transformers: Any, tokenizer: Any) -> Any:
    """Build the Qwen 3 model."""
    return transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=parts.LANGUAGE_WIDTH,
            intermediate_size=32,
            num_hidden_layers=_LAYERS,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=512,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
