"""Messages between the worker and its scoring process: a length, JSON, and raw bytes after it.

JSON and not pickle: what comes back from a process that runs other people's scorers is only data.
"""

import base64
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from generation.scoring.protocol import Concept, Neighbour, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

JSON_MAX = 8 * 1024 * 1024
BLOB_MAX = 512 * 1024 * 1024
_HEAD = struct.Struct(">II")


class Malformed(Exception):
    """What arrived is no message of ours."""


def send(channel: socket.socket, message: Mapping[str, Any], blob: bytes = b"") -> None:
    """Send one message with its bytes. Raises: OSError if the other end is gone."""
    text = json.dumps(message).encode()
    channel.sendall(_HEAD.pack(len(text), len(blob)) + text + blob)


def receive(
    channel: socket.socket, *, timeout_s: float | None = None
) -> tuple[dict[str, Any], bytes]:
    """Receive one message with its bytes.

    Raises: EOFError if the other end is gone; TimeoutError after `timeout_s`; Malformed.
    """
    until = None if timeout_s is None else monotonic() + timeout_s
    text_size, blob_size = _HEAD.unpack(_read(channel, _HEAD.size, until))
    if text_size > JSON_MAX or blob_size > BLOB_MAX:
        raise Malformed(f"a message of {text_size} and {blob_size} bytes")
    try:
        message = json.loads(_read(channel, text_size, until))
    except (ValueError, RecursionError) as error:
        raise Malformed("a message that is not JSON") from error
    if not isinstance(message, dict):
        raise Malformed("a message that is not an object")
    return message, _read(channel, blob_size, until)


def _read(channel: socket.socket, size: int, until: float | None) -> bytes:
    """Read exactly `size` bytes before `until`."""
    data = bytearray()
    while len(data) < size:
        if until is not None:
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
        try:
            part = channel.recv(min(size - len(data), 1 << 20))
        except ConnectionResetError as error:
            raise EOFError from error
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def pack_vector(vector: "NDArray[np.float32] | None") -> str | None:
    """Write a vector as text, to the last bit."""
    if vector is None:
        return None
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def unpack_vector(text: object) -> "NDArray[np.float32] | None":
    """Read a vector. Raises: Malformed."""
    if text is None:
        return None
    try:
        return np.frombuffer(base64.b64decode(str(text), validate=True), dtype="<f4")
    except ValueError as error:
        raise Malformed("a vector that is none") from error


def pack_context(
    *,
    prompt: str,
    palette: Sequence[str],
    wanted_text: str | None,
    neighbours: Sequence[Neighbour],
    concepts: Sequence[Concept],
) -> dict[str, Any]:
    """Write all that a scorer may look at beside the image."""
    return {
        "prompt": prompt,
        "palette": list(palette),
        "wanted_text": wanted_text,
        "neighbours": [
            [n.asset_id, f"{n.perceptual_hash:x}", pack_vector(n.embedding)] for n in neighbours
        ],
        "concepts": [[c.name, list(c.prompts), list(c.against)] for c in concepts],
    }


def unpack_context(image: "Image", data: Mapping[str, Any]) -> Sample:
    """Read what `pack_context` wrote, as a sample with its image."""
    return Sample(
        image=image,
        prompt=data["prompt"],
        palette=tuple(data["palette"]),
        wanted_text=data["wanted_text"],
        neighbours=tuple(
            Neighbour(asset_id, int(hashed, 16), unpack_vector(vector))
            for asset_id, hashed, vector in data["neighbours"]
        ),
        concepts=tuple(Concept(n, tuple(p), tuple(a)) for n, p, a in data["concepts"]),
    )
