"""FLUX.1 Kontext: edits the picture that it is shown, or paints from words; replayable.

It is FLUX.1 dev trained to look at one picture; what is identical comes from there. The picture is
brought to the nearest of the sizes that the model was trained on, by the pipeline.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from generation.engines import ways
from generation.engines.flux import decode, denoise, encode
from generation.engines.modes import Mode
from generation.engines.placement import Placement
from generation.engines.protocol import OnStep
from generation.engines.resident import ResidentEngine
from generation.engines.shelf import Loaded
from generation.engines.spec import RunSpec, require_references, require_sides_divide

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIPELINE = "FluxKontextPipeline"


class FluxKontextEngine(ResidentEngine):
    """Renders with `FluxKontextPipeline`."""

    name = "flux_kontext/1"
    modes = frozenset({Mode.GUIDANCE, Mode.ADAPTERS, Mode.REFERENCES})

    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse a second picture, and sides that do not divide. Raises: InvalidInput."""
        require_references(spec, 1)
        require_sides_divide(spec, pipeline.vae_scale_factor * 2)

    def make(
        self, loaded: Loaded, spec: RunSpec, placement: Placement, on_step: OnStep
    ) -> tuple["NDArray[np.uint8]", Mapping[str, str]]:
        """Run the stages in order."""
        shown, facts = ways.show(spec)
        embeddings = self.embed(loaded, spec, lambda: encode(loaded.pipeline, spec))
        start = {
            "latents": prepare(loaded.pipeline, spec, placement),
            "image": shown[0] if shown else None,
            # The pipeline would scale the ordered size to an area of its own.
            "max_area": spec.width * spec.height,
        }
        latents = denoise(loaded.pipeline, spec, embeddings, start, on_step)
        return decode(loaded.pipeline, spec, latents), facts


def engine() -> FluxKontextEngine:
    """Make the engine of this module's pipeline."""
    return FluxKontextEngine()


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
