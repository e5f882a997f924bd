"""Whether the brand has nearly the same image already, by perceptual hash and embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from generation.scoring.perceptual import BITS, bits_apart, perceptual_hash
from generation.scoring.pixels import LICENCE
from generation.scoring.protocol import Direction, Input, Measurement, Neighbour, Sample


@dataclass(frozen=True)
class NearDuplicate:
    """The likeness to the most similar image of the brand, 0..1; 1 is the same picture.

    Two images are alike as far as both their hashes and their embeddings are: the share of equal
    bits of the hash, or the cosine if that is lower. The hash sees no colors and the embedding no
    small shifts; together they miss neither. Where one of the two images has no embedding by this
    encoder, the hash speaks alone and finds the same picture in other colors too. A mirrored image
    is another image.

    Start with a threshold of 0.9: at most 6 of 64 bits, and a cosine of at least 0.9. It finds what
    people overlook, and proves nothing.
    """

    id: ClassVar[str] = "near_duplicate"
    title: ClassVar[str] = "Near duplicate"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE, Input.NEIGHBOURS})
    cost_ms: ClassVar[float] = 1.0
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = LICENCE
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Compare each image with its neighbours."""
        return [_measure(sample) for sample in samples]


def likeness(bits: int, cosine: float | None) -> float:
    """Join both views of a pair; no cosine, if an embedding is missing.

    >>> likeness(0, 1.0), likeness(32, 1.0), likeness(0, 0.25), likeness(16, None)
    (1.0, 0.5, 0.25, 0.75)
    """
    same = 1 - bits / BITS
    return same if cosine is None else max(0.0, min(same, cosine))


def _measure(sample: Sample) -> Measurement:
    """Find the most similar neighbour; the first of several that are equally so."""
    facts = {"compared": len(sample.neighbours)}
    if not sample.neighbours:
        return Measurement(0.0, facts)
    own = perceptual_hash(sample.image)
    pairs = [
        (bits_apart(own, each.perceptual_hash), _cosine(sample, each)) for each in sample.neighbours
    ]
    values = [likeness(bits, cosine) for bits, cosine in pairs]
    best = max(range(len(values)), key=values.__getitem__)
    bits, cosine = pairs[best]
    return Measurement(
        values[best],
        {
            **facts,
            "duplicate": {
                "asset_id": sample.neighbours[best].asset_id,
                "distance": bits,
                "similarity": round(values[best], 4),
            },
            "by": "hash" if cosine is None else "hash and embedding",
        },
    )


def _cosine(sample: Sample, other: Neighbour) -> float | None:
    """Return the cosine of two embeddings of one encoder, None if there are not two."""
    if sample.embedding is None or other.embedding is None:
        return None
    if sample.embedding.shape != other.embedding.shape:
        return None
    cosine = float(sample.embedding.astype(np.float64) @ other.embedding.astype(np.float64))
    return min(1.0, cosine)
