"""The Stable Diffusion 3 family (3, 3.5 Medium, Large, Turbo): one image per call, replayable."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from generation.engines import ways
from generation.engines.loop import follow
from generation.engines.modes import Mode
from generation.engines.pixels import decode_latents as decode
from generation.engines.placement import Placement
from generation.engines.protocol import OnStep
from generation.engines.resident import ResidentEngine
from generation.engines.shelf import Loaded
from generation.engines.spec import RunSpec
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIPELINE = "StableDiffusion3Pipeline"

_SIBLINGS = ways.Siblings(
    image_to_image="StableDiffusion3Img2ImgPipeline",
    inpaint="StableDiffusion3InpaintPipeline",
    control="StableDiffusion3ControlNetPipeline",
)


class StableDiffusion3Engine(ResidentEngine):
    """Renders with `StableDiffusion3Pipeline`, and with its siblings for pictures."""

    name = "sd3/2"
    modes = frozenset(Mode) - {Mode.REFERENCES}

    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse a size beyond the positions that the model knows. Raises: InvalidInput."""
        patch_px = pipeline.vae_scale_factor * pipeline.patch_size
        most = pipeline.transformer.config.pos_embed_max_size * patch_px
        for field, side in (("width", spec.width), ("height", spec.height)):
            if side % patch_px:
                raise InvalidInput(
                    f"The {field} must be a multiple of {patch_px} for this model.",
                    pointer=f"/{field}",
                    rule="multiple_of",
                )
            if side > most:
                raise InvalidInput(
                    f"The {field} may be at most {most} px for this model.",
                    pointer=f"/{field}",
                    rule="range",
                )

    def make(
        self, loaded: Loaded, spec: RunSpec, placement: Placement, on_step: OnStep
    ) -> tuple["NDArray[np.uint8]", Mapping[str, str]]:
        """Run the stages in order."""
        way = ways.choose(loaded, spec, placement, _SIBLINGS)
        embeddings = self.embed(loaded, spec, lambda: encode(loaded.pipeline, spec))
        start = dict(way.given)
        if not way.has_start:
            start["latents"] = prepare(loaded.pipeline, spec, placement)
        with _own_draws(spec.seed, placement):
            latents = denoise(way.pipeline, spec, embeddings, start, on_step)
        return way.finish(decode(loaded.pipeline, latents)), way.facts


def engine() -> StableDiffusion3Engine:
    """Make the engine of this module's pipeline."""
    return StableDiffusion3Engine()


def encode(pipeline: Any, spec: RunSpec) -> Mapping[str, torch.Tensor]:
    """Turn the two texts into embeddings.

    prompt_embeds: (1, tokens, joint width); pooled_prompt_embeds: (1, pooled width). The negative
    pair is absent without guidance.
    """
    positive, negative, pooled, negative_pooled = pipeline.encode_prompt(
        prompt=spec.prompt,
        prompt_2=None,
        prompt_3=None,
        negative_prompt=spec.negative_prompt,
        do_classifier_free_guidance=spec.guidance > 1,
        max_sequence_length=spec.max_sequence_length,
    )
    embeddings = {
        "prompt_embeds": positive,
        "pooled_prompt_embeds": pooled,
        "negative_prompt_embeds": negative,
        "negative_pooled_prompt_embeds": negative_pooled,
    }
    return {name: tensor for name, tensor in embeddings.items() if tensor is not None}


def prepare(pipeline: Any, spec: RunSpec, placement: Placement) -> torch.Tensor:
    """Draw the noise to start from.

    Returns: (1, C, height/8, width/8) on the device. Drawn on the CPU by the spec's own generator,
    so that the same seed gives the same noise on every device.
    """
    latents: torch.Tensor = pipeline.prepare_latents(
        1,
        pipeline.transformer.config.in_channels,
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
    """Follow the flow from noise to image, still in latents.

    start: the noise, or the picture to make it from; and the map to follow, where there is one.
    Returns: (1, C, height/8, width/8), scaled as the transformer has them.
    Source: arXiv:2403.03206, section 2; the loop is the pipeline's own.
    """
    return follow(
        pipeline,
        spec,
        on_step,
        **embeddings,
        **start,
        guidance_scale=spec.guidance,
    )


@contextmanager
def _own_draws(seed: int, placement: Placement) -> Iterator[None]:
    """Make what draws from the process's generator repeat itself, and leave that as it was.

    The ControlNet sibling encodes its map by a draw that takes no generator, unlike the others.
    """
    devices = [placement.device] if placement.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
