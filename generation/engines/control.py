"""A ControlNet beside a loaded pipeline, and the map that it follows."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
from PIL import Image

from generation.engines import edges, loading
from generation.engines.placement import Placement
from generation.engines.spec import ControlRef, RunSpec
from generation.weights import layers, runtime
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PICTURE_MAX_PX = 40_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")
_PREPROCESSORS: "dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]" = {
    edges.NAME: edges.edge_map
}


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


def draw_map(control: ControlRef, width: int, height: int) -> tuple[Image.Image, dict[str, str]]:
    """Turn the picture of a spec into the map that its ControlNet follows, and say which it is.

    Returns: an RGB image of width by height, and facts for the recipe.
    Raises: InvalidInput if the bytes are no picture, or one beyond `PICTURE_MAX_PX`.
    """
    picture = _decode(control.image)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    drawn = _PREPROCESSORS[control.preprocessor](np.asarray(picture))
    return Image.fromarray(drawn, "RGB"), {
        "control.map_sha256": sha256_hex(drawn.tobytes()),
        "control.preprocessor": control.preprocessor,
        "library.pillow": PIL.__version__,
    }


def _decode(data: bytes) -> Image.Image:
    """Decode a picture, its size first."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > PICTURE_MAX_PX:
                raise InvalidInput(
                    f"The picture to follow may have at most {PICTURE_MAX_PX} pixels.",
                    pointer="/control",
                    rule="area_too_large",
                )
            return opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidInput(
            "The picture to follow cannot be read as PNG, JPEG or WebP.",
            pointer="/control",
            rule="image",
        ) from error
