"""A `QwenImageEditPlusPipeline` in the shape of Qwen-Image-Edit with random weights."""

from pathlib import Path
from typing import Final

from generation.packs import vocabulary
from generation.packs.tiny import adapters, parts, qwen
from generation.weights import runtime

FAMILY: Final = "qwen_edit"
PIPELINE: Final = "QwenImageEditPlusPipeline"
GUIDANCE: Final = 4.0


def save(folder: Path, seed: int) -> None:
    """Save the pipeline, whose parts are those of Qwen-Image and a processor for pictures."""
    diffusers = runtime.load_library("diffusers")
    transformers = runtime.load_library("transformers")
    marks = (*vocabulary.QWEN_MARKS, *vocabulary.QWEN_PICTURE_MARKS.values())
    tokenizer = vocabulary.build_chat_tokenizer(marks, qwen.TEMPLATE)
    with parts.seeded(seed):
        pipeline = diffusers.QwenImageEditPlusPipeline(
            **qwen.build_parts(diffusers, transformers, tokenizer),
            processor=transformers.Qwen2VLProcessor(
                image_processor=transformers.Qwen2VLImageProcessorPil(),
                tokenizer=tokenizer,
                video_processor=transformers.Qwen2VLVideoProcessor(),
                chat_template=qwen.TEMPLATE,
            ),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_lora(folder: Path, seed: int) -> None:
    """Save a LoRA for the attention of this family's tiny transformer."""
    diffusers = runtime.load_library("diffusers")
    with parts.seeded(seed):
        transformer = qwen.build_transformer(diffusers)
        adapters.save_lora(folder, diffusers.QwenImageEditPlusPipeline, transformer)
