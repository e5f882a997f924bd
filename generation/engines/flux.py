"""The FLUX.1 family (dev, schnell): one image per call, replayable.

Guidance is an input of dev's transformer and none of schnell's; there is no negative prompt. Its
models that were trained to edit are families of their own: `flux_kontext`, `flux_fill`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from generation.engines import ways
from generation.engines.loop import follow
from generation.engines.modes import Mode
from generation.engines.pixels import decode_latents
from generation.engines.placement import Placement
from generation.engines.protocol import OnStep
from generation.engines.resident import ResidentEngine
from generation.engines.shelf import Loaded
from generation.engines.spec import RunSpec, require_sides_divide
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIPELINE = "FluxPipeline"

_SIBLINGS = ways.Siblings(
    image_to_image="FluxImg2ImgPipeline",
    inpaint="FluxInpaintPipeline",
    control="FluxControlNetPipeline",
)


class FluxEngine(ResidentEngine):
    """Renders with `FluxPipeline`, and with its siblings for pictures."""

    name = "flux/1"
    modes = frozenset(Mode) - {Mode.NEGATIVE_PROMPT, Mode.REFERENCES}

    def modes_of(self, folder: Path) -> frozenset[Mode]:
        """Return what the model can do: one distilled without guidance takes none."""
        if json.loads((folder / "transformer" / "config.json").read_bytes())["guidance_embeds"]:
            return self.modes
        return self.modes - {Mode.GUIDANCE}

    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse guidance that the transformer does not take, and sides that do not divide.

        Positions rotate, so no side is too long for the model itself. Raises: InvalidInput.
        """
        if spec.guidance != 0 and not pipeline.transformer.config.guidance_embeds:
            raise InvalidInput(
                "This model takes no guidance, as it was distilled without one. Set it to 0.",
                pointer="/guidance",
                rule="unsupported",
            )
        require_sides_divide(spec, pipeline.vae_scale_factor * 2)

    def make(
        self, loaded: Loaded, spec: RunSpec, placement: Placement, on_step: OnStep
    ) -> tuple["NDArray[np.uint8]", Mapping[str, str]]:
        """Run the stages in order."""
        way = ways.choose(loaded, spec, placement, _SIBLINGS)
        embeddings = self.embed(loaded, spec, lambda: encode(loaded.pipeline, spec))
        start = dict(way.given)
        if not way.has_start:
            start["latents"] = prepare(loaded.pipeline, spec, placement)
        latents = denoise(way.pipeline, spec, embeddings, start, on_step)
        return way.finish(decode(loaded.pipeline, spec, latents)), way.facts


def engine() -> FluxEngine:
    """Make the engine of this module's pipeline."""
    return FluxEngine()


def encode(pipeline: Any, spec: RunSpec) -> Mapping[str, torch.Tensor]:
    """Turn the prompt into embeddings.

    prompt_embeds: (1, tokens, joint width), by T5; pooled_prompt_embeds: (1, pooled width), CLIP.
    """
    positive, pooled, _ids = pipeline.encode_prompt(
        prompt=spec.prompt, max_sequence_length=spec.max_sequence_length
    )
    return {"prompt_embeds": positive, "pooled_prompt_embeds": pooled}


def prepare(pipeline: Any, spec: RunSpec, placement: Placement) -> torch.Tensor:
    """Draw the noise to start from.

    Returns: (1, height/16 x width/16, 4 C) on the device: each token is two by two latents. Drawn
    on the CPU by the spec's own generator, so that the same seed gives the same noise everywhere.
    """
    latents: torch.Tensor = pipeline.prepare_latents(
        1,
        pipeline.transformer.config.in_channels // 4,
        spec.height,
        spec.width,
        placement.dtype,
        placement.device,
        torch.Generator("cpu").manual_seed(spec.seed),
    )[0]
    return latents


def denoise(
    pipeline: Any,
    spec: RunSpec,
    embeddings: Mapping[str, torch.Tensor],
    start: Mapping[str, Any],
    on_step: OnStep,
) -> torch.Tensor:
    """Follow the flow from noise to image, still packed; the loop is the pipeline's own.

    start: the noise, or the picture to make it from; and the map to follow, where there is one.
    """
    return follow(pipeline, spec, on_step, **embeddings, **start, guidance_scale=spec.guidance)


def decode(pipeline: Any, spec: RunSpec, latents: torch.Tensor) -> "NDArray[np.uint8]":
    """Unpack the latents and turn them into pixels: (height, width, 3), uint8, RGB."""
    unpacked = pipeline._unpack_latents(  # noqa: SLF001  the family's own layout, nowhere public
        latents, spec.height, spec.width, pipeline.vae_scale_factor
    )
    return decode_latents(pipeline, unpacked)
