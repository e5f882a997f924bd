"""How near each part of a picture is: near is white, in the manner of depth ControlNets."""

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generation.engines import estimators
from generation.engines.placement import Placement
from generation.engines.spec import EstimatorRef

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What recipes call this preprocessor.
NAME: Final = "depth/1"

_KINDS = {
    "DPTForDepthEstimation": "DPTImageProcessorPil",
    "DepthAnythingForDepthEstimation": "DPTImageProcessorPil",
}


def depth_map(
    pixels: "NDArray[np.uint8]",
    ref: EstimatorRef,
    placement: Placement,
    held: MutableMapping[str, Any],
) -> "NDArray[np.uint8]":
    """Draw the nearest part white and the farthest black.

    pixels: (height, width, 3), uint8, RGB. Returns: the same shape, gray; black where all is
    equally far. The models predict the inverse of the distance, up to a scale and a shift.
    Raises: ModelUnavailable; RenderFailed.
    """
    seen = estimators.obtain(ref, _KINDS, placement, held).look(pixels)
    nearness = estimators.enlarge(seen.predicted_depth[:, None], pixels)[0].numpy()
    nearness = nearness - nearness.min()
    gray = (nearness / (nearness.max() or 1.0) * 255).round().astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)
