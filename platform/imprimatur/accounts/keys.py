"""API keys, `imp_<prefix>_<secret>`: 256 random bits of which only the SHA-256 is kept."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

_PATTERN = re.compile(r"imp_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class FreshKey:
    """A key at the one moment that its text is known."""

    prefix: str
    text: str
    sha256: str


def make() -> FreshKey:
    """Draw a key from the system's randomness."""
    prefix = secrets.token_hex(6)
    text = f"imp_{prefix}_{secrets.token_urlsafe(32)}"
    return FreshKey(prefix, text, digest(text))


def digest(text: str) -> str:
    """Return what is kept of a key: 256 random bits need no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def prefix_of(text: str) -> str | None:
    """Return the public prefix by which a key is found, or None if this is no key of ours.

    >>> prefix_of("imp_0123456789ab_" + "A" * 43)
    '0123456789ab'
    >>> prefix_of("imp_0123456789ab_short") is None
    True
    """
    match = _PATTERN.fullmatch(text)
    return match.group(1) if match else None


def matches(text: str, sha256: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(digest(text), sha256)
