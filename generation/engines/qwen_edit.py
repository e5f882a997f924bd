"""Qwen-Image-Edit: edits the pictures that it is shown, up to three of them; replayable.

It is Qwen-Image with a language model that looks at the pictures together with the prompt; what is
identical comes from there. The pipeline brings each picture to two sizes of its own: one to be
read, one to be painted from.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import torch

from generation.engines import ways
from generation.engines.modes import Mode
from generation.engines.placement import Placement
from generation.engines.protocol import OnStep
from generation.engines.qwen import decode, denoise
from generation.engines.resident import ResidentEngine
from generation.engines.shelf import Loaded
from generation.engines.spec import RunSpec, require_references, require_sides_divide
from generation.weights import runtime
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

PIPELINE = "QwenImageEditPlusPipeline"

# What the model was trained with.
_REFERENCES_MAX = 3
# The processor's marks of a picture: in a prompt they would stand for one that is not there.
_PICTURE_MARKS: Final = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")


class QwenImageEditEngine(ResidentEngine):
    """Renders with `QwenImageEditPlusPipeline`."""

    name = "qwen_edit/1"
    modes = frozenset({Mode.NEGATIVE_PROMPT, Mode.GUIDANCE, Mode.ADAPTERS, Mode.REFERENCES})
    needed = frozenset({Mode.REFERENCES})

    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse too many pictures, texts that are too long, and sides that do not divide.

        The pipeline cuts no text off. Raises: InvalidInput.
        """
        require_references(spec, _REFERENCES_MAX)
        require_sides_divide(spec, pipeline.vae_scale_factor * 2)
        for field, text in (("prompt", spec.prompt), ("negative_prompt", spec.negative_prompt)):
            if any(mark in text for mark in _PICTURE_MARKS):
                raise InvalidInput(
                    f"The text must not contain any of {', '.join(_PICTURE_MARKS)}, which stand "
                    "for pictures.",
                    pointer=f"/{field}",
                    rule="unsupported",
                )
            if len(pipeline.tokenizer(text)["input_ids"]) > spec.max_sequence_length:
                raise InvalidInput(
                    f"The text has more than {spec.max_sequence_length} tokens, and this model "
                    "cuts none off. Shorten it, or order a longer max sequence length.",
                    pointer="/max_sequence_length",
                    rule="range",
                )

    def make(
        self, loaded: Loaded, spec: RunSpec, placement: Placement, on_step: OnStep
    ) -> tuple["NDArray[np.uint8]", Mapping[str, str]]:
        """Run the stages in order."""
        shown, facts = ways.show(spec)
        embeddings = self.embed(loaded, spec, lambda: encode(loaded.pipeline, spec, shown))
        start = {"latents": prepare(loaded.pipeline, spec, placement), "image": shown}
        latents = denoise(loaded.pipeline, spec, embeddings, start, on_step)
        return decode(loaded.pipeline, spec, latents), facts


def engine() -> QwenImageEditEngine:
    """Make the engine of this module's pipeline."""
    return QwenImageEditEngine()


def encode(pipeline: Any, spec: RunSpec, shown: "list[Image.Image]") -> Mapping[str, torch.Tensor]:
    """Turn the pictures and each of the two texts into embeddings and the masks of their tokens.

    Embeddings: (1, tokens, width), as many tokens as pictures and text have; masks: (1, tokens),
    all 1. The negative pair is absent without guidance.
    """
    texts = {"prompt_embeds": spec.prompt}
    if spec.guidance > 1:
        texts["negative_prompt_embeds"] = spec.negative_prompt
    read = [_bring_to_reading_size(pipeline, picture) for picture in shown]
    embeddings = {}
    for name, text in texts.items():
        embedded, _mask = pipeline.encode_prompt(prompt=text, image=read)
        embeddings[name] = embedded
        embeddings[f"{name}_mask"] = torch.ones(
            embedded.shape[:2], dtype=torch.long, device=embedded.device
        )
    return embeddings


def prepare(pipeline: Any, spec: RunSpec, placement: Placement) -> torch.Tensor:
    """Draw the noise to start from.

    Returns: (1, height/16 x width/16, 4 C) on the device: each token is two by two latents. Drawn
    on the CPU by the spec's own generator, so that the same seed gives the same noise everywhere.
    """
    latents: torch.Tensor = pipeline.prepare_latents(
        None,
        1,
        pipeline.transformer.config.in_channels // 4,
        spec.height,
        spec.width,
        placement.dtype,
        placement.device,
        torch.Generator("cpu").manual_seed(spec.seed),
    )[0]
    return latents


def _bring_to_reading_size(pipeline: Any, picture: "Image.Image") -> "Image.Image":
    """Scale a picture as the pipeline does for the language model."""
    rules = runtime.load_library("diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus")
    width, height = rules.calculate_dimensions(
        rules.CONDITION_IMAGE_SIZE, picture.width / picture.height
    )
    scaled: Image.Image = pipeline.image_processor.resize(picture, height, width)
    return scaled
