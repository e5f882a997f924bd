"""Looks at bytes that a stranger made, in a process of their own that has little of everything.

Whatever the file does there, whoever sent it gets a plain sentence and this process lives on.
"""

import json
import logging
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from generation.pictures import reencoding
from generation.pictures.errors import DecodingBusy
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput

logger = logging.getLogger(__name__)

BYTES_MAX = 20 * 1024 * 1024
MEDIA_TYPE, PREVIEW_MEDIA_TYPE = "image/png", "image/webp"
_POINTER = "/file"
_WAIT_S = 20.0
# How many at once: each may take all of its memory, and there is one web process for many people.
_AT_ONCE = threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class Limits:
    """What looking at one picture may take; `memory_bytes` is address space, code included."""

    memory_bytes: int = 1024 * 1024 * 1024
    cpu_s: int = 30
    wall_s: float = 40.0


@dataclass(frozen=True, slots=True)
class Examined:
    """A picture that was looked at: what came, and the bare pixels that would be kept of it."""

    received_sha256: str
    received_bytes: int
    received_media_type: str
    width_px: int
    height_px: int
    data: bytes
    sha256: str
    preview: bytes
    preview_sha256: str


def examine(data: bytes, limits: Limits | None = None) -> Examined:
    """Decode a file completely and encode its pixels anew, in a bounded process.

    Raises: InvalidInput if it is no PNG, JPEG or WebP, is damaged, moves, is too large, or takes
    too much to decode; DecodingBusy.
    """
    if not 0 < len(data) <= BYTES_MAX:
        raise InvalidInput(
            _("A picture has between 1 byte and %(max)s MB.") % {"max": BYTES_MAX // 1024**2},
            pointer=_POINTER,
            rule="size",
        )
    if not _AT_ONCE.acquire(timeout=_WAIT_S):
        raise DecodingBusy(
            _("Many pictures arrive at this moment. Send this one again in a minute."),
            retry_after_s=60,
        )
    try:
        answer = _asked(data, limits or Limits())
    finally:
        _AT_ONCE.release()
    said, images = _parsed(answer)
    size = said["sizes"][0]
    kept, preview = images[:size], images[size:]
    return Examined(
        received_sha256=sha256_hex(data),
        received_bytes=len(data),
        received_media_type=said["media_type"],
        width_px=said["width_px"],
        height_px=said["height_px"],
        data=kept,
        sha256=sha256_hex(kept),
        preview=preview,
        preview_sha256=sha256_hex(preview),
    )


def _asked(data: bytes, limits: Limits) -> bytes:
    """Return what the process answers. Raises: InvalidInput if it ends otherwise, or never."""
    # Isolated and without environment: it knows no secret, and takes no module from anywhere else.
    command = [sys.executable, "-I", str(Path(reencoding.__file__).resolve())]
    with subprocess.Popen(
        [*command, str(limits.memory_bytes), str(limits.cpu_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
    ) as child:
        try:
            answer, _nothing = child.communicate(data, timeout=limits.wall_s)
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise _too_much() from error
    if child.returncode != 0:
        logger.warning("Lost a decoding process", extra={"returncode": child.returncode})
        raise _too_much()
    return answer


def _parsed(answer: bytes) -> tuple[dict[str, Any], bytes]:
    """Split an answer into facts and images. Raises: InvalidInput for what is wrong."""
    line, _newline, images = answer.partition(b"\n")
    said: dict[str, Any] = json.loads(line)
    if "wrong" in said:
        raise _objection(said)
    if sum(said["sizes"]) != len(images):
        raise _too_much()
    return said, images


def _objection(said: dict[str, Any]) -> InvalidInput:
    sentences = {
        "format": _("This file is not a PNG, JPEG or WebP image, whatever its name says."),
        "damaged": _("This image is damaged: it cannot be read to its end."),
        "animated": _("This image moves. Only still pictures are taken in."),
        "profile": _("The color profile of this image cannot be read. Save it in sRGB."),
        "pixels": _(
            "This image has %(width)s × %(height)s pixels; at most %(max)s million are taken in."
        )
        % {
            "width": said.get("width_px"),
            "height": said.get("height_px"),
            "max": reencoding.PIXELS_MAX // 1_000_000,
        },
    }
    word = str(said["wrong"])
    if word not in sentences:
        return _too_much()
    return InvalidInput(sentences[word], pointer=_POINTER, rule=word)


def _too_much() -> InvalidInput:
    return InvalidInput(
        _("This image takes too much time or memory to read. Save it anew and smaller."),
        pointer=_POINTER,
        rule="resources",
    )
