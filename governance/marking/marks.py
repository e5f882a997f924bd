"""Marks an image layer by layer and reads every layer back: complete marking, or none at all.

A `Marked` exists only after each layer of its profile was found again, trusted, and saying exactly
what its claim says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from governance.kernel.digests import sha256_hex
from governance.marking import c2pa, xmp, xmp_reading
from governance.marking.claims import C2PA_LAYER, XMP_LAYER, MarkingClaim
from governance.marking.containers import sniff
from governance.marking.errors import (
    AlreadyMarked,
    ContainerBroken,
    MarkingIncomplete,
    MarkingRefused,
    ReviewedBytesDiffer,
    TimestampUnavailable,
)
from governance.marking.signing import Signer

PRESENT = "present"
TRUSTED = "Trusted"

# Pixels, then metadata, then the signature over all: no layer may break an earlier one.
LAYER_ORDER = (XMP_LAYER, C2PA_LAYER)


@dataclass(frozen=True, slots=True)
class LayerReading:
    """What one reader found of one layer: its state, and the facts as the layer states them."""

    layer: str
    state: str
    reader: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Marked:
    """The marked bytes, and the proof by reading that every required layer is in them."""

    data: bytes
    sha256: str
    media_type: str
    profile: str
    layers: tuple[LayerReading, ...]


def mark(
    data: bytes, media_type: str, claim: MarkingClaim, signer: Signer, *, anchors: bytes
) -> Marked:
    """Write every layer of the claim's profile into `data`, and read all of them back.

    Raises: ReviewedBytesDiffer if `data` is not what was reviewed; AlreadyMarked if it carries a
    mark (marks are never stripped); MarkingIncomplete if a layer does not read back as claimed.
    """
    _require_markable(data, media_type, claim)
    marked = data
    for layer in LAYER_ORDER:
        if layer in claim.profile.layers:
            marked = _WRITERS[layer](marked, claim, signer)
    readings = read_back(marked, anchors, layers=claim.profile.layers)
    for reading in readings:
        _require_same_facts(reading, claim)
    return Marked(marked, sha256_hex(marked), media_type, claim.profile.label, readings)


def read_back(
    data: bytes, anchors: bytes, *, layers: Sequence[str] = LAYER_ORDER
) -> tuple[LayerReading, ...]:
    """Read each of `layers` from the bytes alone, by a reader that shares no code with its writer.

    Raises: MarkingIncomplete if one is missing, damaged, or not trusted by `anchors`.
    """
    sniff(data)
    return tuple(_read_layer(layer, data, anchors) for layer in layers)


def _require_markable(data: bytes, media_type: str, claim: MarkingClaim) -> None:
    profile = claim.profile
    if unknown := set(profile.layers) - set(LAYER_ORDER):
        message = f"The marking profile asks for layers that are not known: {sorted(unknown)}."
        raise MarkingRefused(message, profile=profile.label)
    if not profile.layers:
        message = "The marking profile names no layer, so nothing would be marked."
        raise MarkingRefused(message, profile=profile.label)
    if profile.timestamp_authority is not None:
        message = "The marking profile asks for time-stamps, and no authority is connected."
        raise TimestampUnavailable(message, profile=profile.label)
    if (found := sniff(data)) != media_type:
        message = f"The image was recorded as {media_type} but its bytes are {found}."
        raise MarkingRefused(message, recorded=media_type, found=found)
    if (sha256 := sha256_hex(data)) != claim.review.reviewed_sha256:
        message = "The bytes to mark are not the bytes that were reviewed."
        raise ReviewedBytesDiffer(message, sha256=sha256, reviewed=claim.review.reviewed_sha256)
    if xmp_reading.read(data) is not None or xmp_reading.carries_manifest(data):
        message = "The image carries a mark already, and existing marks are never overwritten."
        raise AlreadyMarked(message)


def _read_layer(layer: str, data: bytes, anchors: bytes) -> LayerReading:
    try:
        return _READERS[layer](data, anchors)
    except ContainerBroken as error:
        message = f"The layer {layer} cannot be read back: {error.detail}"
        raise MarkingIncomplete(message, layer=layer, state="unreadable") from error


def _write_xmp(data: bytes, claim: MarkingClaim, _signer: Signer) -> bytes:
    return xmp.embed(data, xmp.build(claim))


def _write_c2pa(data: bytes, claim: MarkingClaim, signer: Signer) -> bytes:
    return c2pa.sign(data, claim, signer)


def _read_xmp(data: bytes, _anchors: bytes) -> LayerReading:
    properties = xmp_reading.read(data)
    if properties is None:
        message = "The metadata layer is missing from the image."
        raise MarkingIncomplete(message, layer=XMP_LAYER, state="missing")
    return LayerReading(XMP_LAYER, PRESENT, "imprimatur-xmp-scanner", properties)


def _read_c2pa(data: bytes, anchors: bytes) -> LayerReading:
    reading = c2pa.read(data, anchors)
    if reading is None:
        message = "The signed manifest is missing from the image."
        raise MarkingIncomplete(message, layer=C2PA_LAYER, state="missing")
    state = reading["state"]
    # "Valid" only says that the bytes fit some certificate, whoever made it.
    if state != TRUSTED or not reading["is_embedded"]:
        message = f"The signed manifest reads as {state}, and only {TRUSTED} is accepted."
        raise MarkingIncomplete(
            message, layer=C2PA_LAYER, state=state, problems=reading["problems"]
        )
    return LayerReading(C2PA_LAYER, state, c2pa.READER, c2pa.stated_facts(reading))


def _require_same_facts(reading: LayerReading, claim: MarkingClaim) -> None:
    """Refuse a layer that reads well and says something else than it was told to say."""
    differing = sorted(
        name
        for name, value in _CLAIMED[reading.layer](claim).items()
        if reading.facts.get(name) != value
    )
    if differing:
        message = f"The layer {reading.layer} does not say what was claimed: {differing}."
        raise MarkingIncomplete(message, layer=reading.layer, state="differs", differing=differing)


_WRITERS: Mapping[str, Callable[[bytes, MarkingClaim, Signer], bytes]] = {
    XMP_LAYER: _write_xmp,
    C2PA_LAYER: _write_c2pa,
}
_READERS: Mapping[str, Callable[[bytes, bytes], LayerReading]] = {
    XMP_LAYER: _read_xmp,
    C2PA_LAYER: _read_c2pa,
}
_CLAIMED: Mapping[str, Callable[[MarkingClaim], Mapping[str, str | int]]] = {
    XMP_LAYER: xmp.claimed_facts,
    C2PA_LAYER: c2pa.claimed_facts,
}
