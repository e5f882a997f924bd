"""Safety by an image classifier of transformers; its unsafe labels are named, never guessed."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from generation.scoring.protocol import (
    Direction,
    Measurement,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)
from generation.weights import runtime, snapshot

if TYPE_CHECKING:
    from PIL.Image import Image

KIND = "safety"


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:
    """Make the scorer of a manifest entry; its settings name `unsafe_labels`.

    Raises: ScorerUnavailable if no unsafe label is named.
    """
    labels = entry.settings.get("unsafe_labels")
    if not isinstance(labels, list | tuple) or not labels:
        raise ScorerUnavailable(
            "The safety scorer needs the setting 'unsafe_labels', a list of its model's labels."
        )
    return SafetyClassifier(
        folder=entry.resolve(root),
        weights_sha256=entry.snapshot_sha256,
        licence=entry.licence,
        unsafe_labels=tuple(str(label) for label in labels),
        device=device,
    )


@dataclass
class SafetyClassifier:
    """The probability that an image carries one of the unsafe labels.

    Works with any folder that `AutoModelForImageClassification` loads: ViT classifiers with one
    label per image. Loaded at the first image, after its folder was verified.
    """

    folder: Path
    weights_sha256: str | None
    licence: str
    unsafe_labels: tuple[str, ...]
    device: str = "cpu"
    _loaded: "_Classifier | None" = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    id: ClassVar[str] = "safety"
    version: ClassVar[str] = "1"
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, image: "Image", prompt: str) -> Measurement:  # noqa: ARG002
        """Classify an image; the probability of every label is the evidence."""
        with self._lock:
            loaded = self._loaded = self._loaded or self._load()
        inputs = loaded.processor(images=image, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            logits = loaded.model(**inputs).logits[0].float()
        shares = torch.softmax(logits, dim=-1).tolist()
        probabilities = {label: shares[index] for index, label in loaded.labels.items()}
        # A sum of probabilities can exceed 1 by its last bit.
        value = min(sum(probabilities[label] for label in self.unsafe_labels), 1.0)
        return Measurement(value, {"probabilities": probabilities})

    def _load(self) -> "_Classifier":
        """Verify the folder, load it and insist on its weights and the named labels."""
        snapshot.verify(self.folder, self.weights_sha256 or "")
        transformers = runtime.load_library("transformers")
        model, report = transformers.AutoModelForImageClassification.from_pretrained(
            self.folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        if report["missing_keys"] or report["mismatched_keys"]:
            raise ScorerUnavailable(
                f"The safety model in '{self.folder}' lacks some of its weights. Copy it again.",
                folder=str(self.folder),
            )
        labels = {int(index): str(label) for index, label in model.config.id2label.items()}
        unknown = sorted(set(self.unsafe_labels) - set(labels.values()))
        if unknown:
            raise ScorerUnavailable(
                f"The safety model in '{self.folder}' has no label {', '.join(unknown)}; it has "
                f"{', '.join(labels.values())}.",
                folder=str(self.folder),
            )
        processor = transformers.AutoImageProcessor.from_pretrained(
            self.folder, local_files_only=True, backend="pil"
        )
        return _Classifier(model.eval().to(self.device), processor, labels)


@dataclass(frozen=True)
class _Classifier:
    """A loaded classifier with its preprocessing."""

    model: Any
    processor: Any
    labels: Mapping[int, str]
