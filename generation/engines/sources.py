"""The picture that an image starts from, and its mask: what is kept is kept bit for bit."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from PIL import Image

from generation.engines import pictures, segmentation
from generation.engines.placement import Placement
from generation.engines.spec import BoxMask, PictureRef, RunSpec, SegmentMask, SourceRef
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What recipes call the mask of one box.
BOX: Final = "box/1"


@dataclass(frozen=True)
class Source:
    """A picture of the image's size, its mask of the same size or none, and facts on both."""

    picture: Image.Image
    mask: Image.Image | None
    facts: Mapping[str, str]

    def describe_start(self, spec: RunSpec) -> dict[str, Any]:
        """Return what the pipelines ask for: they encode the picture and draw the noise to it.

        Both are drawn on the CPU by the spec's own generator, so that they are the same everywhere.
        """
        assert spec.source is not None  # noqa: S101  for the type checker: a Source is made of it
        start = {
            "image": self.picture,
            "strength": spec.source.strength,
            "generator": torch.Generator("cpu").manual_seed(spec.seed),
        }
        return start if self.mask is None else start | {"mask_image": self.mask}

    def keep(self, pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        """Put what the mask keeps back into an image, as the autoencoder only comes near to it.

        pixels: (height, width, 3), uint8, RGB. Returns: the same shape.
        """
        # What is black all over is a failure that must be seen as one.
        if self.mask is None or not pixels.any():
            return pixels
        is_painted = np.asarray(self.mask)[:, :, None] > 0
        return np.where(is_painted, pixels, np.asarray(self.picture))


def take(
    source: SourceRef, spec: RunSpec, placement: Placement, held: MutableMapping[str, Any]
) -> Source:
    """Decode the picture and its mask and bring both to the image's size in the same way.

    `held` keeps the models that masks are found with. Raises: InvalidInput; ModelUnavailable;
    RenderFailed.
    """
    whole = pictures.decode(source.image, "source")
    picture = pictures.cover(whole, spec.width, spec.height)
    facts = pictures.describe("source", source.image_sha256, picture, pictures.COVER)
    if source.mask is None:
        return Source(picture, None, facts)
    drawn, more = _draw_mask(source.mask, whole, placement, held)
    mask = pictures.cover(drawn, spec.width, spec.height)
    if mask.getbbox() is None:
        raise InvalidInput(
            "The mask keeps the whole picture: there is nothing to paint anew.",
            pointer="/source/mask",
            rule="empty",
        )
    digest = pictures.describe("mask", "", mask, pictures.COVER)["mask.fitted_sha256"]
    return Source(
        picture, mask, facts | more | {"mask.fit": pictures.COVER, "mask.fitted_sha256": digest}
    )


def _draw_mask(
    mask: PictureRef | BoxMask | SegmentMask,
    whole: Image.Image,
    placement: Placement,
    held: MutableMapping[str, Any],
) -> tuple[Image.Image, dict[str, str]]:
    """Return the mask of a whole picture, white where it is painted anew, and how it was made."""
    if isinstance(mask, BoxMask):
        return _draw_box(mask, whole.size), {"mask.preprocessor": BOX}
    if isinstance(mask, SegmentMask):
        found = segmentation.segment_mask(
            np.asarray(whole), mask.estimator, mask.label, placement, held
        )
        return Image.fromarray(found, "L"), {
            "mask.preprocessor": segmentation.NAME,
            "mask.estimator_sha256": mask.estimator.snapshot_sha256,
        }
    drawn = pictures.decode_mask(mask.image, "source/mask")
    if drawn.size != whole.size:
        raise InvalidInput(
            f"The mask must be as large as its picture, {whole.width} x {whole.height} px.",
            pointer="/source/mask",
            rule="size",
        )
    return drawn, {"mask.sha256": mask.image_sha256}


def _draw_box(box: BoxMask, size: tuple[int, int]) -> Image.Image:
    """Draw a box as large as a picture: every pixel whose middle lies in it is white.

    >>> _draw_box(BoxMask(0.25, 0.0, 0.75, 0.5), (8, 4)).getbbox()
    (2, 0, 6, 2)
    """
    width, height = size
    columns = (np.arange(width) + 0.5) / width
    rows = (np.arange(height) + 0.5) / height
    across = (columns >= box.left) & (columns < box.right)
    down = (rows >= box.top) & (rows < box.bottom)
    return Image.fromarray(np.where(down[:, None] & across, 255, 0).astype(np.uint8), "L")
