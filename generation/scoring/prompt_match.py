"""How well an image matches its prompt: the angle between the two embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from generation.scoring.embedding import Encoder, open_encoder
from generation.scoring.protocol import (
    Direction,
    Input,
    Measurement,
    Sample,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:
    """Make the scorer of a manifest entry; it has no settings. Its model is the suite's encoder."""
    encoder = open_encoder(entry.resolve(root), entry.snapshot_sha256, device)
    return PromptMatch(encoder, entry.snapshot_sha256, entry.licence)


@dataclass(frozen=True)
class PromptMatch:
    """The cosine of the angle between the embeddings of image and prompt.

    Source: Hessel et al., arXiv:2104.08718, section 3 (CLIPScore), without its rescaling by 2.5 and
    its cut at zero. Ranks images of one prompt; across prompts the values say little. Of a long
    prompt only the beginning is read, as far as the model's context reaches.
    """

    encoder: Encoder
    weights_sha256: str | None
    licence: str

    id: ClassVar[str] = "prompt_match"
    title: ClassVar[str] = "Match with the prompt"
    version: ClassVar[str] = "1"
    higher_is: ClassVar[Direction] = "better"
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.EMBEDDING, Input.PROMPT})
    cost_ms: ClassVar[float] = 20.0

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Compare each image with its prompt."""
        return [_compare(sample) for sample in samples]


def _compare(sample: Sample) -> Measurement:
    """Measure one image. Raises: ScorerUnavailable without the embeddings."""
    if sample.embedding is None or sample.text_embedding is None:
        raise ScorerUnavailable("There is no embedding of this image to compare with its prompt.")
    cosine = float(np.dot(sample.embedding.astype(np.float64), sample.text_embedding))
    # Rounding can leave the cosine of equal vectors just above 1.
    return Measurement(max(-1.0, min(1.0, cosine)), {"prompt_is_cut": sample.prompt_is_cut})
