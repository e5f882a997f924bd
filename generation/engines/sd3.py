"""The Stable Diffusion 3 family (3, 3.5 Medium, Large, Turbo): one image per call, replayable."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from generation.engines.control import draw_map, load_controlnet
from generation.engines.loop import follow
from generation.engines.modes import Mode
from generation.engines.pixels import decode_latents as decode
from generation.engines.placement import Placement
from generation.engines.protocol import OnStep
from generation.engines.resident import Loaded, ResidentEngine
from generation.engines.spec import ControlRef, RunSpec
from generation.weights import runtime
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIPELINE = "StableDiffusion3Pipeline"


class StableDiffusion3Engine(ResidentEngine):
    """Renders with `StableDiffusion3Pipeline`, and with its ControlNet sibling."""

    name = "sd3/1"
    modes = frozenset(Mode)

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
        pipeline = loaded.pipeline
        more: dict[str, float | Image.Image] = {}
        facts: Mapping[str, str] = {}
        if spec.control is not None:
            more["control_image"], facts = draw_map(spec.control, spec.width, spec.height)
            more["controlnet_conditioning_scale"] = spec.control.scale
            pipeline = _obtain_controlled(loaded, spec.control, spec, placement)
        embeddings = encode(pipeline, spec)
        latents = prepare(pipeline, spec, placement)
        with _own_draws(spec.seed, placement):
            latents = denoise(pipeline, spec, embeddings, latents, on_step, **more)
        return decode(pipeline, latents), facts


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
    latents: torch.Tensor,
    on_step: OnStep,
    **control: float | Image.Image,
) -> torch.Tensor:
    """Follow the flow from noise to image, still in latents.

    control: what the ControlNet sibling asks for besides, its map and how closely it is followed.
    Returns: (1, C, height/8, width/8), scaled as the transformer has them.
    Source: arXiv:2403.03206, section 2; the loop is the pipeline's own.
    """
    return follow(
        pipeline,
        spec,
        on_step,
        **embeddings,
        **control,
        latents=latents,
        guidance_scale=spec.guidance,
    )


def _obtain_controlled(
    loaded: Loaded, control: ControlRef, spec: RunSpec, placement: Placement
) -> Any:
    """Return the sibling of a pipeline that follows a map; the last used ControlNet stays."""
    if control.snapshot_sha256 not in loaded.siblings:
        loaded.siblings.clear()
        controlnet = load_controlnet(control, spec, placement)
        sibling = runtime.load_library("diffusers").StableDiffusion3ControlNetPipeline(
            **loaded.pipeline.components, controlnet=controlnet
        )
        sibling.set_progress_bar_config(disable=True)
        loaded.siblings[control.snapshot_sha256] = sibling
    return loaded.siblings[control.snapshot_sha256]


@contextmanager
def _own_draws(seed: int, placement: Placement) -> Iterator[None]:
    """Make what draws from the process's generator repeat itself, and leave that as it was.

    The ControlNet sibling encodes its map by a draw that takes no generator.
    """
    devices = [placement.device] if placement.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
