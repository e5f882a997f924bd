"""The Qwen-Image family: one image per call, replayable.

`guidance` is true classifier-free guidance, which its pipeline calls `true_cfg_scale`: above 1 each
step runs twice, once with the negative prompt. The pipeline's own `guidance_scale` is for distilled
models, of which there are none, and is never passed.
"""

from collections.abc import Mapping
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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIPELINE = "QwenImagePipeline"

_SIBLINGS = ways.Siblings(
    image_to_image="QwenImageImg2ImgPipeline",
    inpaint="QwenImageInpaintPipeline",
    control="QwenImageControlNetPipeline",
)


class QwenImageEngine(ResidentEngine):
    """Renders with `QwenImagePipeline`, and with its siblings for pictures."""

    name = "qwen/1"
    modes = frozenset(Mode) - {Mode.REFERENCES}

    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse sides that do not divide; positions rotate, so none is too long.

        Raises: InvalidInput.
        """
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


def engine() -> QwenImageEngine:
    """Make the engine of this module's pipeline."""
    return QwenImageEngine()


def encode(pipeline: Any, spec: RunSpec) -> Mapping[str, torch.Tensor]:
    """Turn the two texts into embeddings and the masks of their tokens.

    Embeddings: (1, tokens, width), as many tokens as the text has; masks: (1, tokens), all 1. The
    negative pair is absent without guidance.
    """
    texts = {"prompt_embeds": spec.prompt}
    if spec.guidance > 1:
        texts["negative_prompt_embeds"] = spec.negative_prompt
    embeddings = {}
    for name, text in texts.items():
        embedded, _mask = pipeline.encode_prompt(
            prompt=text, max_sequence_length=spec.max_sequence_length
        )
        embeddings[name] = embedded
        # A text alone is never padded. The pipeline says so by no mask, and warns when given none.
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
        1,
        pipeline.transformer.config.in_channels // 4,
        spec.height,
        spec.width,
        placement.dtype,
        placement.device,
        torch.Generator("cpu").manual_seed(spec.seed),
    )
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
    return follow(pipeline, spec, on_step, **embeddings, **start, true_cfg_scale=spec.guidance)


@reporting.stage("decode")
def decode(pipeline: Any, spec: RunSpec, latents: torch.Tensor) -> "NDArray[np.uint8]":
    """Unpack the latents, undo their normalization and turn the one frame into pixels.

    The autoencoder is one for videos: (1, C, 1, height/8, width/8) goes in.
    Returns: (height, width, 3), uint8, RGB.
    """
    unpacked = pipeline._unpack_latents(  # noqa: SLF001  the family's own layout, nowhere public
        latents, spec.height, spec.width, pipeline.vae_scale_factor
    ).to(pipeline.vae.dtype)
    config = pipeline.vae.config
    mean, spread = (
        torch.tensor(values).view(1, config.z_dim, 1, 1, 1).to(unpacked)
        for values in (config.latents_mean, config.latents_std)
    )
    # Divided by the inverse, as the pipeline does: multiplied, the last bits would differ.
    scaled = unpacked / (1.0 / spread) + mean
    return to_pixels(pipeline, pipeline.vae.decode(scaled, return_dict=False)[0][:, :, 0])
