"""Digests and the one canonical form of JSON, so that the same facts always give the same bytes."""

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 lower-case hex digits.

    >>> sha256_hex(b"")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Mapping[str, Any]) -> bytes:
    r"""Serialize by the JSON Canonicalization Scheme (RFC 8785): sorted keys, no spaces, UTF-8.

    >>> canonical_json({"b": 1, "a": "é"})
    b'{"a":"\xc3\xa9","b":1}'
    """
    return bytes(rfc8785.dumps(dict(value)))


def is_sha256(text: str) -> bool:
    """Tell whether `text` is a SHA-256 in lower-case hex.

    >>> is_sha256("0" * 64), is_sha256("0" * 63), is_sha256("G" * 64)
    (True, False, False)
    """
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)  # noqa: PLR2004
