"""By which name recipes know each way from a picture to the map that a ControlNet follows."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from generation.engines import depth, edges, segmentation
from generation.engines.placement import Placement
from generation.engines.spec import ControlRef, EstimatorRef

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Plain = Callable[[Pixels], Pixels]
    Estimated = Callable[[Pixels, EstimatorRef, Placement, MutableMapping[str, Any]], Pixels]

# Each draws a map of the picture's size: (height, width, 3), uint8, RGB.
PLAIN: "Final[Mapping[str, Plain]]" = {edges.NAME: edges.edge_map}
ESTIMATED: "Final[Mapping[str, Estimated]]" = {
    depth.NAME: depth.depth_map,
    segmentation.NAME: segmentation.segment_map,
}


def draw(
    control: ControlRef,
    pixels: "Pixels",
    placement: Placement,
    held: MutableMapping[str, Any],
) -> tuple["Pixels", dict[str, str]]:
    """Draw the map that a ControlNet follows, and state how.

    `held` keeps the models that are looked through. Raises: ModelUnavailable; RenderFailed.
    """
    facts = {"control.preprocessor": control.preprocessor}
    if control.estimator is None:
        return PLAIN[control.preprocessor](pixels), facts
    drawn = ESTIMATED[control.preprocessor](pixels, control.estimator, placement, held)
    return drawn, facts | {"control.estimator_sha256": control.estimator.snapshot_sha256}
