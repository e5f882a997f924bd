"""Models that look at a picture for a preprocessor: approved bytes, known classes, float32."""

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from generation.engines import loading
from generation.engines.errors import ModelUnavailable, RenderFailed
from generation.engines.placement import Placement
from generation.engines.spec import EstimatorRef
from generation.weights import runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimator:
    """A loaded model and what turns pixels into its input."""

    model: Any
    processor: Any
    device: torch.device

    def look(self, pixels: "NDArray[np.uint8]") -> Any:
        """Run the model on one picture. pixels: (height, width, 3), uint8, RGB."""
        given = self.processor(images=pixels, return_tensors="pt").to(self.device)
        with torch.no_grad():
            return self.model(**given)


def obtain(
    ref: EstimatorRef,
    kinds: Mapping[str, str],
    placement: Placement,
    held: MutableMapping[str, Any],
) -> Estimator:
    """Return an estimator on the image's device, from `held` if it is there.

    `kinds` maps each model class that is known to the class of its preprocessor.
    Raises: ModelUnavailable.
    """
    key = f"estimator {ref.snapshot_sha256}"
    if key not in held:
        # One stays in memory, as it lies beside an image model.
        for name in [name for name in held if name.startswith("estimator ")]:
            del held[name]
        held[key] = _load(ref, kinds, Placement(placement.device, torch.float32))
    found: Estimator = held[key]
    return found


def enlarge(values: torch.Tensor, pixels: "NDArray[np.uint8]") -> torch.Tensor:
    """Bring what a model found to the size of the picture, by straight lines between values.

    values: (1, C, h, w). Returns: (C, height, width), float32, on the CPU. Raises: RenderFailed if
    a number is not finite.
    """
    if not bool(torch.isfinite(values).all()):
        raise RenderFailed("The preprocessor's model produced numbers that are not finite.")
    # On the CPU, where this is one sum a pixel in a fixed order.
    return torch.nn.functional.interpolate(
        values.float().cpu(), size=pixels.shape[:2], mode="bilinear", align_corners=False
    )[0]


def _load(ref: EstimatorRef, kinds: Mapping[str, str], placement: Placement) -> Estimator:
    """Load a model and its preprocessor from exactly the bytes that were approved."""

    def load() -> Estimator:
        kind = _read_kind(ref, kinds)
        library = runtime.load_library("transformers")
        try:
            return Estimator(
                model=loading.load_model(
                    ref.folder.parent, ref.folder.name, getattr(library, kind), placement
                ).to(placement.device),
                processor=getattr(library, kinds[kind]).from_pretrained(
                    ref.folder, local_files_only=True
                ),
                device=placement.device,
            )
        except Exception as error:  # noqa: BLE001  told apart there, and raised again
            loading.raise_unloadable(error, ref.folder, kind)

    return loading.load_verified(ref.folder, ref.snapshot_sha256, load)


def _read_kind(ref: EstimatorRef, kinds: Mapping[str, str]) -> str:
    """Return the one model class that a folder names. Raises: ModelUnavailable."""
    try:
        named = json.loads((ref.folder / "config.json").read_bytes())["architectures"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        loading.raise_unloadable(error, ref.folder, "a preprocessor's model")
    match named:
        case [str(kind)] if kind in kinds:
            return kind
    raise ModelUnavailable(
        f"The folder '{ref.folder}' holds {named!r}; this preprocessor looks through "
        f"{' or '.join(kinds)}.",
        reason="unknown_component",
        folder=str(ref.folder),
    )
