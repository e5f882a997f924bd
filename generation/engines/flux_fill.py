"""FLUX.1 Fill: paints in the part of a picture that a mask names, and nothing else; replayable.

Its transformer is given the kept part and the mask besides the noise; what is identical with
FLUX.1 dev comes from there.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from generation.engines import ways
from generation.engines.flux import decode, denoise, encode
from generation.engines.modes import Mode
from generation.engines.placement import Placement
from generation.engines.protocol import OnStep
from generation.engines.resident import ResidentEngine
from generation.engines.shelf import Loaded
from generation.engines.spec import RunSpec, require_sides_divide

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIPELINE = "FluxFillPipeline"

_SIBLINGS = ways.Siblings(inpaint=PIPELINE)


class FluxFillEngine(ResidentEngine):
    """Renders with `FluxFillPipeline`."""

    name = "flux_fill/1"
    modes = frozenset({Mode.GUIDANCE, Mode.ADAPTERS, Mode.INPAINT})
    needed = frozenset({Mode.INPAINT})

    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse sides that do not divide. Raises: InvalidInput."""
        require_sides_divide(spec, pipeline.vae_scale_factor * 2)

    def make(
        self, loaded: Loaded, spec: RunSpec, placement: Placement, on_step: OnStep
    ) -> tuple["NDArray[np.uint8]", Mapping[str, str]]:
        """Run the stages in order; the pipeline prepares the noise, as it begins in the picture."""
        way = ways.choose(loaded, spec, placement, _SIBLINGS)
        embeddings = self.embed(loaded, spec, lambda: encode(loaded.pipeline, spec))
        latents = denoise(way.pipeline, spec, embeddings, way.given, on_step)
        return way.finish(decode(loaded.pipeline, spec, latents)), way.facts


def engine() -> FluxFillEngine:
    """Make the engine of this module's pipeline."""
    return FluxFillEngine()
