"""How pleasing an image is, by a small trained head on the suite's shared embedding."""

import json
import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from generation.scoring.protocol import (
    Direction,
    Input,
    Measurement,
    Sample,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)
from generation.weights import runtime, snapshot

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
# The scale of LAION's ratings, whose heads bring no configuration of ours.
_RANGE = (0.0, 10.0)
_LAYER = re.compile(r"layers\.(\d+)\.weight")


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:  # noqa: ARG001
    """Make the scorer of a manifest entry; it has no settings."""
    folder = entry.resolve(root)
    return AestheticHead(
        folder=folder,
        weights_sha256=entry.snapshot_sha256,
        licence=entry.licence,
        id=entry.id or "aesthetic",
        range=_find_range(folder),
    )


@dataclass
class AestheticHead:
    """The output of a head on the image's embedding of unit length, cut to the head's scale.

    Reads the shapes of LAION's heads: one linear layer (`weight`, `bias`; aesthetic-predictor v1)
    and the layers of an MLP by their numbers (`layers.0.weight`, …; improved-aesthetic-predictor,
    which has no activation between them). `config.json` may state `activation` ("none" or "relu"),
    `range`, `embedding_width`, and the `encoder_sha256` whose embeddings the head was trained on:
    those of another encoder are refused. Computed in float64, the same on every machine.
    """

    folder: Path
    weights_sha256: str | None
    licence: str
    id: str = "aesthetic"
    range: tuple[float, float] = _RANGE
    _head: "_Head | None" = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    title: ClassVar[str] = "Aesthetic quality"
    version: ClassVar[str] = "1"
    higher_is: ClassVar[Direction] = "better"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.EMBEDDING})
    cost_ms: ClassVar[float] = 0.5

    def load(self) -> "_Head":
        """Verify the folder and read the head once."""
        with self._lock:
            self._head = self._head or self._load()
            return self._head

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image; `raw` is the value before it was cut to the scale."""
        head = self.load()
        return [self._measure(head, sample) for sample in samples]

    def _measure(self, head: "_Head", sample: Sample) -> Measurement:
        """Measure one image. Raises: ScorerUnavailable for an embedding of another kind."""
        if sample.embedding is None:
            raise ScorerUnavailable("There is no embedding of this image to judge.")
        if head.encoder_sha256 not in {None, sample.encoder_sha256}:
            raise ScorerUnavailable(
                "The aesthetic head was trained on embeddings of another encoder.",
                folder=str(self.folder),
            )
        if sample.embedding.shape != (head.width,):
            raise ScorerUnavailable(
                f"The aesthetic head takes embeddings of {head.width} numbers, not of "
                f"{sample.embedding.size}.",
                folder=str(self.folder),
            )
        raw = head.run(sample.embedding)
        if not math.isfinite(raw):
            return Measurement(raw)
        return Measurement(max(self.range[0], min(self.range[1], raw)), {"raw": raw})

    def _load(self) -> "_Head":
        snapshot.verify(self.folder, self.weights_sha256 or "")
        config = _read_config(self.folder)
        if _find_range(self.folder) != self.range:
            raise ScorerUnavailable(
                "The scale of the aesthetic head has changed since it was opened.",
                folder=str(self.folder),
            )
        tensors = runtime.load_library("safetensors.numpy").load_file(self.folder / WEIGHTS)
        return _read_head(tensors, config, self.folder)


@dataclass(frozen=True)
class _Head:
    """Linear layers as (weight (out, in), bias (out,)) in float64, the last one with one output."""

    layers: tuple[tuple["NDArray[np.float64]", "NDArray[np.float64]"], ...]
    has_relu: bool
    encoder_sha256: str | None

    @property
    def width(self) -> int:
        """Return how many numbers an embedding has."""
        return int(self.layers[0][0].shape[1])

    def run(self, embedding: "NDArray[np.float32]") -> float:
        """Return the head's output for one embedding."""
        values = embedding.astype(np.float64)
        for number, (weight, bias) in enumerate(self.layers):
            if number and self.has_relu:
                values = np.maximum(values, 0.0)
            # Row by row sums, whose order no library of linear algebra changes.
            values = (weight * values).sum(axis=1) + bias
        return float(values[0])


def _read_head(
    tensors: Mapping[str, "NDArray[Any]"], config: Mapping[str, Any], folder: Path
) -> _Head:
    """Read the layers: they fit each other, and no tensor is left. Raises: ScorerUnavailable."""
    if set(tensors) == {"weight", "bias"}:
        pairs = [("weight", "bias")]
    else:
        numbers = sorted(int(found[1]) for name in tensors if (found := _LAYER.fullmatch(name)))
        pairs = [(f"layers.{number}.weight", f"layers.{number}.bias") for number in numbers]
    names = {name for pair in pairs for name in pair}
    activation = config.get("activation", "none")
    if not pairs or names != set(tensors) or activation not in {"none", "relu"}:
        raise ScorerUnavailable(
            f"The aesthetic head in '{folder}' must hold linear layers only, 'weight' and 'bias' "
            "or 'layers.N.weight' and 'layers.N.bias', with the activation 'none' or 'relu'.",
            folder=str(folder),
        )
    layers = tuple((tensors[w].astype(np.float64), tensors[b].astype(np.float64)) for w, b in pairs)
    widths = [int(config.get("embedding_width", layers[0][0].shape[-1]))]
    for weight, bias in layers:
        if weight.ndim != 2 or bias.shape != weight.shape[:1] or weight.shape[1] != widths[-1]:  # noqa: PLR2004
            break
        widths.append(int(weight.shape[0]))
    if len(widths) != len(layers) + 1 or widths[-1] != 1:
        raise ScorerUnavailable(
            f"The layers of the aesthetic head in '{folder}' do not fit together.",
            folder=str(folder),
        )
    encoder = config.get("encoder_sha256")
    return _Head(layers, activation == "relu", str(encoder) if encoder else None)


def _read_config(folder: Path) -> Mapping[str, Any]:
    """Return what stands beside the weights; a head from elsewhere may have nothing."""
    path = folder / CONFIG
    config = json.loads(path.read_bytes()) if path.is_file() else {}
    if not isinstance(config, dict):
        raise ScorerUnavailable(f"'{path}' is not an object.", folder=str(folder))
    return config


def _find_range(folder: Path) -> tuple[float, float]:
    """Return the scale that the folder states, LAION's if it states none that can be read.

    Read before the folder is verified, as a scorer's range is known before its model is loaded;
    loading it insists on the same one.
    """
    try:
        low, high = _read_config(folder)["range"]
        if math.isfinite(low) and math.isfinite(high) and low < high:
            return float(low), float(high)
    except (OSError, KeyError, TypeError, ValueError, ScorerUnavailable):
        return _RANGE
    return _RANGE
