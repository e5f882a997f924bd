"""Which part of a picture is of which kind: a map in flat colors, or a mask of one kind."""

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generation.engines import estimators
from generation.engines.placement import Placement
from generation.engines.spec import EstimatorRef
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What recipes call this preprocessor.
NAME: Final = "segmentation/1"

_KINDS = {
    "SegformerForSemanticSegmentation": "SegformerImageProcessorPil",
    "UperNetForSemanticSegmentation": "SegformerImageProcessorPil",
}


def segment_map(
    pixels: "NDArray[np.uint8]",
    ref: EstimatorRef,
    placement: Placement,
    held: MutableMapping[str, Any],
) -> "NDArray[np.uint8]":
    """Draw each kind of thing in a color of its own, by the number that the model gives it.

    pixels: (height, width, 3), uint8, RGB. Returns: the same shape. A ControlNet follows it if it
    was trained on these colors. Raises: ModelUnavailable; RenderFailed.
    """
    return color(_segment(pixels, ref, placement, held)[0])


def segment_mask(
    pixels: "NDArray[np.uint8]",
    ref: EstimatorRef,
    label: str,
    placement: Placement,
    held: MutableMapping[str, Any],
) -> "NDArray[np.uint8]":
    """Draw everything of one kind white.

    pixels: (height, width, 3), uint8, RGB. Returns: (height, width), each value 0 or 255.
    Raises: InvalidInput if the model knows no such kind; ModelUnavailable; RenderFailed.
    """
    found, labels = _segment(pixels, ref, placement, held)
    numbers = [number for number, known in labels.items() if known == label]
    if not numbers:
        raise InvalidInput(
            f"The model that finds the mask knows no '{label}', only "
            f"{', '.join(sorted(labels.values()))}.",
            pointer="/source/mask",
            rule="choice",
        )
    return np.where(np.isin(found, numbers), 255, 0).astype(np.uint8)


def color(kinds: "NDArray[np.int64]") -> "NDArray[np.uint8]":
    """Give each number below 256 a color of its own; 0 is black.

    The bits of the number are dealt to red, green and blue in turn, the lowest to the brightest.
    kinds: (height, width). Returns: (height, width, 3), uint8.

    >>> color(np.array([[0, 1, 2, 3, 255]])).tolist()
    [[[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [224, 224, 192]]]
    """
    colors = np.zeros((*kinds.shape, 3), np.uint8)
    for bit in range(8):
        is_set = ((kinds >> bit) & 1).astype(np.uint8)
        colors[..., bit % 3] |= is_set << np.uint8(7 - bit // 3)
    return colors


def _segment(
    pixels: "NDArray[np.uint8]",
    ref: EstimatorRef,
    placement: Placement,
    held: MutableMapping[str, Any],
) -> tuple["NDArray[np.int64]", dict[int, str]]:
    """Return the number of each pixel's kind and what the model calls each number."""
    estimator = estimators.obtain(ref, _KINDS, placement, held)
    scores = estimators.enlarge(estimator.look(pixels).logits, pixels)
    return scores.argmax(dim=0).numpy(), dict(estimator.model.config.id2label)
