"""Identities: every row that a URL or the ledger names has a UUIDv7 (RFC 9562, section 5.7)."""

from uuid import UUID

from uuid6 import uuid7 as _uuid7


def uuid7() -> UUID:
    """Return a fresh time-ordered identity as a standard-library UUID.

    >>> uuid7().version
    7
    """
    return UUID(int=_uuid7().int)
