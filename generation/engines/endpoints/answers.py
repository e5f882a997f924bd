"""What a server answers, distrusted: one picture, of the size that was ordered, within a limit."""

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from generation.engines import pictures
from generation.engines.errors import RenderFailed
from generation.engines.spec import RunSpec
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VERSION_LENGTH = 80
# What an uncompressed picture may have around its pixels, and an answer around its picture.
_AROUND_BYTES = 65_536


def most_bytes(spec: RunSpec) -> int:
    """Return how long an answer may be: four channels without compression, in base64."""
    return (spec.width * spec.height * 4 + _AROUND_BYTES) * 4 // 3 + _AROUND_BYTES


def picture_of(answer: bytes, spec: RunSpec) -> "NDArray[np.uint8]":
    """Return the one picture of an answer. Raises: RenderFailed, saying what is amiss."""
    data = _one_picture(answer)
    try:
        picture = pictures.decode(data, "answer")
    except InvalidInput as error:
        raise RenderFailed("The endpoint answered with something that is no picture.") from error
    if picture.size != (spec.width, spec.height):
        raise RenderFailed(
            f"The endpoint made a picture of {picture.width} x {picture.height} px; ordered were "
            f"{spec.width} x {spec.height} px."
        )
    pixels = np.asarray(picture, dtype=np.uint8)
    if not pixels.any():
        raise RenderFailed("The endpoint made a picture that is black all over.")
    return pixels


def version_of(answer: bytes, field: str) -> str:
    """Return the version as a server states it, as one short line; else that it states none.

    >>> version_of(b'{"version": "0.18.0"}', "version"), version_of(b"<html>", "version")
    ('0.18.0', 'not stated')
    """
    try:
        stated = json.loads(answer)[field]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "not stated"
    is_text = isinstance(stated, str) and stated.isprintable() and stated.strip()
    return str(stated)[:_VERSION_LENGTH] if is_text else "not stated"


def _one_picture(answer: bytes) -> bytes:
    try:
        found: Any = json.loads(answer)["data"]
        texts = [each["b64_json"] for each in found]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RenderFailed("The endpoint's answer cannot be read.") from error
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise RenderFailed(
            f"The endpoint answered with {len(texts)} pictures; one was ordered.", count=len(texts)
        )
    try:
        return base64.b64decode(texts[0], validate=True)
    except (binascii.Error, ValueError) as error:
        raise RenderFailed("The endpoint's picture is not written in base64.") from error
