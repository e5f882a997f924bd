"""The FLUX.2 dev model: one image per call, replayable.

Guidance is an input of the transformer, as the model was distilled with it; there is no negative
prompt. Pictures to look at are encoded without a draw.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from generation.engines import reporting, ways
from generation.engines.loop import follow
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

PIPELINE = "Flux2Pipeline"

# Beyond it the pipeline would shrink a picture by a rule of its own.
REFERENCE_AREA_PX = 1024 * 1024

# The processor's mark for a picture: the pipeline takes it out of a prompt without a word.
_PICTURE_MARK = "[IMG]"


class Flux2Engine(ResidentEngine):
    """Renders with `Flux2Pipeline`."""

    name = "flux2/1"
    modes = frozenset({Mode.GUIDANCE, Mode.ADAPTERS, Mode.REFERENCES})

    def modes_of(self, folder: Path) -> frozenset[Mode]:
        """Return what the model can do: one without the input for guidance takes none."""
        config = json.loads((folder / "transformer" / "config.json").read_bytes())
        # Configurations from before the library knew of the switch lack it, and mean yes.
        return self.modes if config.get("guidance_embeds", True) else self.modes - {Mode.GUIDANCE}

    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse guidance where there is none, and what would leave the prompt out.

        Positions rotate, so no side is too long for the model itself. Raises: InvalidInput.
        """
        if spec.guidance != 0 and not pipeline.transformer.config.guidance_embeds:
            raise InvalidInput(
                "This model takes no guidance, as it was distilled without one. Set it to 0.",
                pointer="/guidance",
                rule="unsupported",
            )
        if _PICTURE_MARK in spec.prompt:
            raise InvalidInput(
                f"The prompt must not contain '{_PICTURE_MARK}', which stands for a picture.",
                pointer="/prompt",
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


def engine() -> Flux2Engine:
    """Make the engine of this module's pipeline."""
    return Flux2Engine()


def encode(pipeline: Any, spec: RunSpec) -> Mapping[str, torch.Tensor]:
    """Turn the prompt into embeddings, between the words that the family puts around it.

    prompt_embeds: (1, max_sequence_length, 3 x width): three layers of the language model.
    """
    positive, _ids = pipeline.encode_prompt(
        prompt=spec.prompt, max_sequence_length=spec.max_sequence_length
    )
    return {"prompt_embeds": positive}


def prepare(pipeline: Any, spec: RunSpec, placement: Placement) -> torch.Tensor:
    """Draw the noise to start from.

    Returns: (1, 4 C, height/16, width/16) on the device, which the pipeline packs itself. Drawn on
    the CPU by the spec's own generator, so that the same seed gives the same noise everywhere.
    """
    patch_px = pipeline.vae_scale_factor * 2
    return torch.randn(
        (
            1,
            pipeline.transformer.config.in_channels,
            spec.height // patch_px,
            spec.width // patch_px,
        ),
        generator=torch.Generator("cpu").manual_seed(spec.seed),
        dtype=placement.dtype,
    ).to(placement.device)


def denoise(
    pipeline: Any,
    spec: RunSpec,
    embeddings: Mapping[str, torch.Tensor],
    start: Mapping[str, Any],
    on_step: OnStep,
) -> torch.Tensor:
    """Follow the flow from noise to image; the loop is the pipeline's own.

    start: the noise, and the pictures to look at.
    Returns what the pipeline calls latents: packed here, already unpacked by klein's.
    """
    return follow(pipeline, spec, on_step, **embeddings, **start, guidance_scale=spec.guidance)


@reporting.stage("decode")
def decode(pipeline: Any, spec: RunSpec, latents: torch.Tensor) -> "NDArray[np.uint8]":
    """Unpack the latents, undo their normalization and turn them into pixels.

    latents: (1, height/16 x width/16, 4 C), the tokens row by row.
    Returns: (height, width, 3), uint8, RGB.
    """
    patch_px = pipeline.vae_scale_factor * 2
    patches = latents.permute(0, 2, 1).reshape(
        1, -1, spec.height // patch_px, spec.width // patch_px
    )
    norm = pipeline.vae.bn
    mean = norm.running_mean.view(1, -1, 1, 1).to(latents.device, latents.dtype)
    spread = torch.sqrt(norm.running_var.view(1, -1, 1, 1) + pipeline.vae.config.batch_norm_eps).to(
        latents.device, latents.dtype
    )
    unpacked = pipeline._unpatchify_latents(  # noqa: SLF001  the family's own layout, nowhere public
        patches * spread + mean
    )
    return to_pixels(pipeline, pipeline.vae.decode(unpacked, return_dict=False)[0])


def require_room(spec: RunSpec, frame: int) -> None:
    """Refuse a length that the words around the prompt fill alone. Raises: InvalidInput."""
    if spec.max_sequence_length <= frame:
        raise InvalidInput(
            f"The max sequence length must be above {frame} for this model, whose own words "
            "around the prompt take as many tokens.",
            pointer="/max_sequence_length",
            rule="range",
        )


def _count_frame(pipeline: Any) -> int:
    """Count the tokens that the family puts around a prompt."""
    said = (("system", pipeline.system_message), ("user", ""))
    frame = pipeline.tokenizer.apply_chat_template(
        [[{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]],
        add_generation_prompt=False,
        tokenize=True,
        return_dict=True,
    )
    return len(frame["input_ids"][0])
