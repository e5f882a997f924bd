"""What others hand to assets and get back: plain values, never rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

PHASH_BITS = 64


@dataclass(frozen=True, slots=True)
class Features:
    """What later images are compared with: a perceptual hash, and an embedding if there was one.

    phash: 64 bits. embedding: float32, little-endian, unit length, by the encoder of that digest;
    None with "" where no encoder ran. fingerprint: the item's, which tells a replay from a copy.
    """

    fingerprint: str
    phash: int
    embedding: bytes | None = None
    encoder_sha256: str = ""


@dataclass(frozen=True, slots=True)
class NeighbourRecord:
    """An image of the same brand that may look like another one.

    embedding: as `Features` holds it; None where no encoder ran or another one did.
    """

    asset_id: UUID
    phash: int
    embedding: bytes | None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One output on an image's way; `parameters` are those that its template declares.

    Number 0 is what the model made, the last one is the image itself.
    """

    number: int
    name: str
    parameters: Mapping[str, Any]
    sha256: str
    size_bytes: int
    width_px: int
    height_px: int
