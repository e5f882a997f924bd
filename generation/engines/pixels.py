"""From latents to pixels: the last stage, alike in every family with an autoencoder."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from generation.engines import reporting
from generation.engines.errors import RenderFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@reporting.stage("decode")
def decode_latents(pipeline: Any, latents: torch.Tensor) -> "NDArray[np.uint8]":
    """Turn latents into pixels.

    latents: (1, C, height/8, width/8), scaled as the transformer has them.
    Returns: (height, width, 3), uint8, RGB. Raises: RenderFailed if a number is not finite.
    """
    config = pipeline.vae.config
    decoded = pipeline.vae.decode(
        latents / config.scaling_factor + config.shift_factor, return_dict=False
    )[0]
    return to_pixels(pipeline, decoded)


def to_pixels(pipeline: Any, decoded: torch.Tensor) -> "NDArray[np.uint8]":
    """Turn what an autoencoder decoded into pixels.

    decoded: (1, 3, height, width), from -1 to 1.
    Returns: (height, width, 3), uint8, RGB. Raises: RenderFailed if a number is not finite, which
    would otherwise be cast to a black image.
    """
    if not bool(torch.isfinite(decoded).all()):
        raise RenderFailed(
            "The model produced numbers that are not finite. Run it in 'float32' or 'bfloat16'."
        )
    image = pipeline.image_processor.postprocess(decoded, output_type="np")[0]
    return np.ascontiguousarray((image * 255).round().astype(np.uint8))
