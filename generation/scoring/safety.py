"""Safety by an image classifier of transformers; its unsafe labels are named, never guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from generation.scoring import heat
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

# From here on the finding is shown in the image, which costs dozens of looks at it.
_EXPLAIN_FROM = 0.5
_TITLE = "Unsafe content"
# For a tiny ViT; a ViT-B takes some 250 ms. An entry says its own.
_COST_MS = 15.0


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:
    """Make the scorer of a manifest entry.

    Its settings name `unsafe_labels`, and may name `explain_from` (the value from which on the
    finding is shown as heat, default 0.5) and `grid` (cells on a side of it, default 6, 0 for no
    heat).

    Raises: ScorerUnavailable if no unsafe label is named, or a setting is not what it must be.
    """
    refuse_unknown("safety", entry.settings, {"unsafe_labels", "explain_from", "grid"})
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
        id=entry.id or "safety",
        title=read_title(entry.settings, _TITLE),
        cost_ms=read_cost_ms(entry.settings, _COST_MS),
        explain_from=heat.read_explain_from(entry.settings, _EXPLAIN_FROM),
        grid=heat.read_grid(entry.settings),
    )


@dataclass
class SafetyClassifier:
    """The probability that an image carries one of the unsafe labels.

    Works with any folder that `AutoModelForImageClassification` loads: classifiers with one label
    per image, such as a ViT with the labels "normal" and "nsfw". Loaded at the first image, after
    its folder was verified.
    """

    folder: Path
    weights_sha256: str | None
    licence: str
    unsafe_labels: tuple[str, ...]
    device: str = "cpu"
    id: str = "safety"
    title: str = _TITLE
    cost_ms: float = _COST_MS
    explain_from: float = _EXPLAIN_FROM
    grid: int = heat.GRID
    _model: "Once[_Classifier]" = field(init=False, repr=False)

    version: ClassVar[str] = "1"
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})

    def __post_init__(self) -> None:
        self._model = Once(self._open)

    def load(self) -> None:
        """Verify and load the model once."""
        self._model.get()

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Classify each image; the probability of every label is the evidence.

        A value from `explain_from` on also shows where in the image it comes from.
        """
        classifier = self._model.get()
        return [self._measure(classifier, sample.image) for sample in samples]

    def _measure(self, classifier: "_Classifier", image: "Image") -> Measurement:
        (probabilities,) = classifier.classify([image])
        value = self._unsafe(probabilities)
        evidence: dict[str, object] = {"probabilities": probabilities}
        if self.grid and value >= self.explain_from:
            look = partial(self._look, classifier)
            evidence |= heat.find(image, look, label=self.unsafe_labels[0], grid=self.grid)
        return Measurement(value, evidence)

    def _look(self, classifier: "_Classifier", images: Sequence["Image"]) -> list[float]:
        return [self._unsafe(each) for each in classifier.classify(images)]

    def _unsafe(self, probabilities: Mapping[str, float]) -> float:
        # A sum of probabilities can exceed 1 by its last bit.
        return min(sum(probabilities[label] for label in self.unsafe_labels), 1.0)

    def _open(self) -> "_Classifier":
        """Load the folder and insist on the named labels and the preprocessing."""
        model = load_model(self.folder, self.weights_sha256 or "", self.device, _model_class)
        labels = {int(index): str(label) for index, label in model.config.id2label.items()}
        unknown = sorted(set(self.unsafe_labels) - set(labels.values()))
        if unknown:
            raise ScorerUnavailable(
                f"The safety model in '{self.folder}' has no label {', '.join(unknown)}; it has "
                f"{', '.join(labels.values())}.",
                folder=str(self.folder),
            )
        processor = runtime.load_library("transformers").AutoImageProcessor.from_pretrained(
            self.folder, local_files_only=True, backend="pil"
        )
        return _Classifier(model, processor, labels, self.device)


def _model_class() -> Any:
    return runtime.load_library("transformers").AutoModelForImageClassification


@dataclass(frozen=True)
class _Classifier:
    """A loaded classifier with its preprocessing."""

    model: Any
    processor: Any
    labels: Mapping[int, str]
    device: str

    def classify(self, images: Sequence["Image"]) -> list[Mapping[str, float]]:
        """Return the probability of every label for each image of a group.

        The size of the group can change the last bits, so a value that counts comes from one of 1.
        """
        inputs = self.processor(images=list(images), return_tensors="pt").to(self.device)
        with torch.inference_mode():
            logits = self.model(**inputs).logits.float()
        return [
            {label: shares[index] for index, label in self.labels.items()}
            for shares in torch.softmax(logits, dim=-1).tolist()
        ]
