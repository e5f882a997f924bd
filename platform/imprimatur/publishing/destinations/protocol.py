"""What every destination can do, how it fails, and which keys and metadata all of them accept.

A key is written once: the same bytes again are a success, other bytes are a conflict, and nothing
is ever overwritten.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from governance.kernel.digests import is_sha256, sha256_hex
from governance.kernel.errors import DomainError, InvalidInput

KEY_LENGTH_MAX = 512
_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*\Z")
_METADATA_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}\Z")
_METADATA_VALUE = re.compile(r"(?:[!-~](?:[ -~]{0,510}[!-~])?)?\Z")
# S3 allows 2 KB of user metadata; the rest is for our own entry.
_METADATA_BYTES_MAX = 1800
SHA256_NAME = "sha256"


class DestinationError(DomainError):
    """A delivery did not happen, or cannot be shown to have happened.

    `is_transient` tells whether trying again later can help without anybody acting.
    """

    code = "destination_error"
    is_transient: ClassVar[bool] = False


class DestinationUnreachable(DestinationError):
    """The destination gave no answer, or said that it cannot serve now."""

    code = "destination_unreachable"
    is_transient = True


class DestinationRefused(DestinationError):
    """The destination answered no: wrong credential, no such bucket, a read-only folder."""

    code = "destination_refused"


class DestinationConflict(DestinationError):
    """The key is taken by other bytes; they were left as they are."""

    code = "destination_conflict"
    status = 409


class DeliveryCorrupt(DestinationError):
    """The bytes are not the recorded ones, before sending or after reading back."""

    code = "delivery_corrupt"


class DeliveryMissing(DeliveryCorrupt):
    """Nothing is stored under the key that should hold the bytes."""

    code = "delivery_missing"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where the bytes are now, as the destination names them."""

    location: str
    etag: str
    size_bytes: int


class Removed(StrEnum):
    """What lay under a key that was to be cleared of certain bytes; in each case they are gone."""

    REMOVED = "removed"
    WAS_GONE = "was_gone"
    REPLACED_BY_OTHER_BYTES = "replaced_by_other_bytes"


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as a listing names it; `etag` is worth what a delivery's is."""

    key: str
    size_bytes: int
    etag: str


class Destination(Protocol):
    """One configured place for released bytes; all calls are bounded in time."""

    def put(
        self,
        key: str,
        data: bytes,
        *,
        sha256: str,
        media_type: str,
        metadata: Mapping[str, str],
    ) -> Delivered:
        """Store `data` under `key` unless the key is taken; the same bytes there are a success.

        Raises: DestinationConflict if other bytes are there; DeliveryCorrupt if `data` is not
        `sha256`; InvalidInput for a key or metadata that not every destination can hold.
        """

    def verify(self, key: str, sha256: str) -> None:
        """Read the stored bytes back and hash them.

        Raises: DeliveryMissing if there are none; DeliveryCorrupt if they are others.
        """

    def remove(self, key: str, sha256: str) -> Removed:
        """Take the bytes of that sha256 away, see that they are gone, and tell what was found.

        Other bytes under the key are left as they are: they are not ours to remove.
        Raises: DestinationRefused if the bytes are still handed out afterwards.
        """

    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield what lies below the folder `prefix`, in the byte order of the keys, page by page.

        What a destination keeps beside an object for itself is no object.
        """

    def quarantine(self, key: str, name: str) -> str:
        """Move whatever lies under `key` out of what is published; return where to.

        Empty if this destination was given no such place. `name` is new for each thing found.
        Raises: DeliveryMissing if nothing is there any more.
        """


def require_gone(destination: Destination, key: str, sha256: str) -> None:
    """Refuse to call bytes removed that are still handed out."""
    try:
        destination.verify(key, sha256)
    except DeliveryCorrupt:
        return
    message = f"The destination still hands out the bytes under {key} after their removal."
    raise DestinationRefused(message, key=key, sha256=sha256)


def require_deliverable(key: str, data: bytes, sha256: str, metadata: Mapping[str, str]) -> None:
    """Refuse, before anything is sent, what could not be delivered or verified everywhere."""
    require_key(key)
    require_metadata(metadata)
    if not is_sha256(sha256) or sha256_hex(data) != sha256:
        message = "The bytes to deliver do not have their recorded SHA-256."
        raise DeliveryCorrupt(message, key=key, sha256=sha256)


def require_key(key: str) -> None:
    """Refuse a key that is not a plain relative path.

    >>> require_key("brand/2026/image.png")
    >>> require_key("../image.png")
    Traceback (most recent call last):
    ...
    governance.kernel.errors.InvalidInput: The destination key is not a plain relative path.
    """
    if len(key) > KEY_LENGTH_MAX or not _KEY.match(key):
        message = "The destination key is not a plain relative path."
        raise InvalidInput(message, rule="destination_key", key=key)


def require_listed(key: str) -> None:
    """Refuse a key that no listing can have named: foreign keys may look odd, but lead nowhere.

    >>> require_listed("brand/My Photo (1).png")
    >>> require_listed("brand/../../etc")
    Traceback (most recent call last):
    ...
    governance.kernel.errors.InvalidInput: The destination key leads out of the destination.
    """
    if not key or "\0" in key or {"", ".", ".."} & set(key.split("/")):
        message = "The destination key leads out of the destination."
        raise InvalidInput(message, rule="destination_key", key=key)


def require_metadata(metadata: Mapping[str, str]) -> None:
    """Refuse metadata that some destination would drop, fold or truncate."""
    for name, value in metadata.items():
        if name == SHA256_NAME or not _METADATA_NAME.match(name):
            message = f"The metadata name {name!r} cannot be stored."
            raise InvalidInput(message, rule="metadata_name", name=name)
        if not _METADATA_VALUE.match(value):
            message = f"The metadata value of {name!r} is too long or not plain ASCII text."
            raise InvalidInput(message, rule="metadata_value", name=name)
    if sum(len(name) + len(value) for name, value in metadata.items()) > _METADATA_BYTES_MAX:
        message = "The metadata is too long to be stored with the image."
        raise InvalidInput(message, rule="metadata_size", limit_bytes=_METADATA_BYTES_MAX)
