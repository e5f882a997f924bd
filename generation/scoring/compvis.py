"""Stable Diffusion's classic safety checker: the margin that it decides by, not its yes or no."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from generation.scoring.loading import (
    Once,
    load_model,
    read_cost_ms,
    read_title,
    refuse_unknown,
)
from generation.scoring.protocol import (
    Direction,
    Input,
    Measurement,
    Sample,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)
from generation.weights import runtime

if TYPE_CHECKING:
    from PIL.Image import Image

# Once an image is near one of the special-care concepts, all other bounds tighten by this much.
_SPECIAL_CARE = 0.01
_DIGITS = 6
_TITLE = "Unsafe content, by hidden concepts"
_COST_MS = 900.0


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:
    """Make the scorer of a manifest entry; it has no settings: its bounds are in its weights."""
    refuse_unknown("compvis_checker", entry.settings, ())
    return CompVisChecker(
        folder=entry.resolve(root),
        weights_sha256=entry.snapshot_sha256,
        licence=entry.licence,
        device=device,
        id=entry.id or "compvis_checker",
        title=read_title(entry.settings, _TITLE),
        cost_ms=read_cost_ms(entry.settings, _COST_MS),
    )


@dataclass
class CompVisChecker:
    """How far the image is beyond the bound of the nearest unwanted concept.

    The concepts are 17 embeddings in the weights, with a bound on the cosine for each; the value is
    the largest cosine less its bound, plus 0.01 if one of the 3 special-care concepts is beyond its
    own. The checker itself flags from 0 on. It is known for many false alarms, and nobody outside
    can read its concepts: as a second opinion, not as the only one.

    Source: `StableDiffusionSafetyChecker.forward` of diffusers, without its rounding; described in
    Rando et al., arXiv:2210.04610.
    """

    folder: Path
    weights_sha256: str | None
    licence: str
    device: str = "cpu"
    id: str = "compvis_checker"
    title: str = _TITLE
    cost_ms: float = _COST_MS
    _model: "Once[_Checker]" = field(init=False, repr=False)

    version: ClassVar[str] = "1"
    higher_is: ClassVar[Direction] = "worse"
    # A cosine less a bound from 0 to 1.
    range: ClassVar[tuple[float, float]] = (-2.0, 1.0 + _SPECIAL_CARE)
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})

    def __post_init__(self) -> None:
        self._model = Once(self._open)

    def load(self) -> None:
        """Verify and load the model once."""
        self._model.get()

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image; the margin to every concept is the evidence, by its number."""
        checker = self._model.get()
        return [checker.measure(sample.image) for sample in samples]

    def _open(self) -> "_Checker":
        model = load_model(self.folder, self.weights_sha256 or "", self.device, _model_class)
        bounds = torch.cat([model.concept_embeds_weights, model.special_care_embeds_weights])
        if not bool(((bounds >= 0) & (bounds <= 1)).all()):
            raise ScorerUnavailable(
                f"The checker in '{self.folder}' has bounds that are no cosines from 0 to 1.",
                folder=str(self.folder),
            )
        transformers = runtime.load_library("transformers")
        processor = transformers.CLIPImageProcessorPil.from_pretrained(
            self.folder, local_files_only=True
        )
        return _Checker(model, processor, self.device)


def _model_class() -> Any:
    runtime.load_library("diffusers")
    from diffusers.pipelines.stable_diffusion.safety_checker import (
        StableDiffusionSafetyChecker,
    )

    return StableDiffusionSafetyChecker


@dataclass(frozen=True)
class _Checker:
    """A loaded checker with its preprocessing."""

    model: Any
    processor: Any
    device: str

    def measure(self, image: "Image") -> Measurement:
        """Measure one image."""
        model = self.model
        pixels = self.processor(images=image, return_tensors="pt")["pixel_values"].to(self.device)
        with torch.inference_mode():
            seen = model.visual_projection(model.vision_model(pixels)[1]).float()
            special = _margins(seen, model.special_care_embeds, model.special_care_embeds_weights)
            margins = _margins(seen, model.concept_embeds, model.concept_embeds_weights)
        needs_care = bool((special > 0).any())
        if needs_care:
            margins = margins + _SPECIAL_CARE
        nearest = int(margins.argmax())
        return Measurement(
            float(margins[nearest]),
            {
                "nearest_concept": nearest,
                "special_care": needs_care,
                "margins": {
                    f"concept {number}": round(float(margin), _DIGITS)
                    for number, margin in enumerate(margins)
                },
            },
        )


def _margins(seen: torch.Tensor, concepts: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
    """Return for each concept the cosine with the image less its bound, (concepts,), float32.

    seen: (1, width); concepts: (concepts, width); bounds: (concepts,).
    """
    normalize = torch.nn.functional.normalize
    cosines = normalize(seen) @ normalize(concepts.float()).T
    return cosines[0].clamp(-1.0, 1.0) - bounds.float()
