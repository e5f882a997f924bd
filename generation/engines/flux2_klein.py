"""The FLUX.2 klein models (4B, 9B, and their undistilled bases): one image per call, replayable.

A distilled one takes no guidance; a base is guided away from an empty text, as its pipeline has no
negative prompt. It is FLUX.2 with a smaller language model; what is identical comes from there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from generation.engines import reporting, ways
from generation.engines.flux2 import REFERENCE_AREA_PX, denoise, prepare, require_room
from generation.engines.modes import Mode
from generation.engines.pixels import to_pixels
from generation.engines.placement import Placement
from generation.engines.protocol import OnStep
from generation.engines.resident import ResidentEngine
from generation.engines.shelf import Loaded
from generation.engines.spec import RunSpec, require_sides_divide
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIPELINE = "Flux2KleinPipeline"


class Flux2KleinEngine(ResidentEngine):
    """Renders with `Flux2KleinPipeline`."""

    name = "flux2_klein/1"
    modes = frozenset({Mode.GUIDANCE, Mode.ADAPTERS, Mode.REFERENCES})

    def modes_of(self, folder: Path) -> frozenset[Mode]:
        """Return what the model can do: one distilled in steps takes no guidance."""
        index = json.loads((folder / "model_index.json").read_bytes())
        return self.modes - {Mode.GUIDANCE} if index.get("is_distilled") else self.modes

    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse guidance that the pipeline would ignore, and what would leave the prompt out.

        Positions rotate, so no side is too long for the model itself. Raises: InvalidInput.
        """
        if spec.guidance != 0 and pipeline.config.is_distilled:
            raise InvalidInput(
                "This model takes no guidance, as it was distilled without one. Set it to 0.",
                pointer="/guidance",
                rule="unsupported",
            )
        require_sides_divide(spec, pipeline.vae_scale_factor * 2)
        require_room(spec, _count_frame(pipeline))

    def make(
        self, loaded: Loaded, spec: RunSpec, placement: Placement, on_step: OnStep
    ) -> tuple["NDArray[np.uint8]", Mapping[str, str]]:
        """Run the stages in order."""
        shown, facts = ways.show(spec, REFERENCE_AREA_PX)
        embeddings = self.embed(loaded, spec, lambda: encode(loaded.pipeline, spec))
        start = {"latents": prepare(loaded.pipeline, spec, placement), "image": shown or None}
        latents = denoise(loaded.pipeline, spec, embeddings, start, on_step)
        return decode(loaded.pipeline, spec, latents), facts


def engine() -> Flux2KleinEngine:
    """Make the engine of this module's pipeline."""
    return Flux2KleinEngine()


def encode(pipeline: Any, spec: RunSpec) -> Mapping[str, torch.Tensor]:
    """Turn the prompt into embeddings, and the empty text where it is guided away from it.

    Each: (1, max_sequence_length, 3 x width): three layers of the language model.
    """
    texts = {"prompt_embeds": spec.prompt}
    if spec.guidance > 1:
        texts["negative_prompt_embeds"] = ""
    return {
        name: pipeline.encode_prompt(prompt=text, max_sequence_length=spec.max_sequence_length)[0]
        for name, text in texts.items()
    }


@reporting.stage("decode")
def decode(pipeline: Any, _spec: RunSpec, latents: torch.Tensor) -> "NDArray[np.uint8]":
    """Turn latents into pixels; this pipeline has unpacked them and undone their normalization.

    latents: (1, C, height/8, width/8). Returns: (height, width, 3), uint8, RGB.
    """
    return to_pixels(pipeline, pipeline.vae.decode(latents, return_dict=False)[0])


def _count_frame(pipeline: Any) -> int:
    """Count the tokens that the family puts around a prompt."""
    frame = pipeline.tokenizer.apply_chat_template(
        [{"role": "user", "content": ""}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )
    return len(pipeline.tokenizer(frame)["input_ids"])
