"""A ControlNet beside a loaded pipeline, and the map that it follows."""

from collections.abc import MutableMapping
from typing import Any

import numpy as np
from PIL import Image

from generation.engines import loading, pictures, preprocessors
from generation.engines.placement import Placement
from generation.engines.spec import ControlRef, RunSpec
from generation.weights import layers, runtime
from governance.kernel.digests import sha256_hex


def load_controlnet(control: ControlRef, spec: RunSpec, placement: Placement) -> Any:
    """Load the ControlNet of a spec onto its device. Raises: ModelUnavailable."""

    def load() -> Any:
        kind = layers.require_controlnet_fits(control.folder, spec.folder)
        try:
            return loading.load_model(
                control.folder.parent,
                control.folder.name,
                getattr(runtime.load_library("diffusers"), kind),
                placement,
            )
        except Exception as error:  # noqa: BLE001  told apart there, and raised again
            loading.raise_unloadable(error, control.folder, kind)

    return loading.load_verified(control.folder, control.snapshot_sha256, load).to(placement.device)


def draw_map(
    control: ControlRef,
    spec: RunSpec,
    placement: Placement,
    held: MutableMapping[str, Any],
) -> tuple[Image.Image, dict[str, str]]:
    """Turn the picture of a spec into the map that its ControlNet follows, and say which it is.

    `held` keeps the models that a preprocessor looks through.
    Returns: an RGB image of the spec's size, and facts for the recipe.
    Raises: InvalidInput if the bytes are no picture; ModelUnavailable; RenderFailed.
    """
    picture = pictures.cover(pictures.decode(control.image, "control"), spec.width, spec.height)
    drawn, facts = preprocessors.draw(control, np.asarray(picture), placement, held)
    return Image.fromarray(drawn, "RGB"), {
        **pictures.describe("control", control.image_sha256, picture, pictures.COVER),
        **facts,
        "control.map_sha256": sha256_hex(drawn.tobytes()),
    }
