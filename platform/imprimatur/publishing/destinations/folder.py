"""A folder as a destination: each file appears whole, once, and inside the folder or not at all.

Every step is taken from an open directory, never by a path, so that no link that somebody puts
there can lead a write out of the folder.
"""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from governance.kernel.errors import InvalidInput
from imprimatur.publishing.destinations.protocol import (
    SHA256_NAME,
    Delivered,
    DeliveryCorrupt,
    DeliveryMissing,
    DestinationConflict,
    DestinationError,
    DestinationRefused,
    DestinationUnreachable,
    require_deliverable,
    require_key,
)

CONFIG_SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Folder",
    "type": "object",
    "required": ["path"],
    "properties": {
        "path": {
            "title": "Folder",
            "description": "Absolute path of a folder that exists, as the publisher sees it.",
            "type": "string",
            "pattern": "^/",
            "maxLength": 4096,
        }
    },
    "additionalProperties": False,
}
CREDENTIAL_SCHEMA: Mapping[str, Any] = {"type": "object", "maxProperties": 0}

# Beside each file: its media type, its SHA-256 and its metadata, which a folder cannot hold.
SIDECAR_SUFFIX = ".imprimatur.json"

_CHUNK_BYTES = 1024 * 1024
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TRANSIENT = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.ETIMEDOUT})
_LINK_MET = frozenset({errno.ELOOP, errno.ENOTDIR})


def connect(config: Mapping[str, Any], _credential: Mapping[str, str]) -> "FolderDestination":
    """Return the folder that `config` names; a folder needs no credential."""
    return FolderDestination(Path(config["path"]))


class FolderDestination:
    """Files under one folder of this machine; the folder itself is the operator's to make.

    A missing folder is never made here: it may be a disk that is not mounted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(
        self,
        key: str,
        data: bytes,
        *,
        sha256: str,
        media_type: str,
        metadata: Mapping[str, str],
    ) -> Delivered:
        """Store `data` under `key` unless the key is taken; the same bytes there are a success."""
        self._require_own(key)
        require_deliverable(key, data, sha256, metadata)
        sidecar = {"media_type": media_type, SHA256_NAME: sha256, "metadata": dict(metadata)}
        with self._failures(key), self._parent(key, make=True) as (folder, name):
            if not _create(folder, name, data) and _digest(folder, name) != sha256:
                message = f"The destination holds other bytes under {key}; they were not touched."
                raise DestinationConflict(message, key=key)
            # Second, and by whoever has the same bytes: the note always belongs to the file.
            _create(folder, name + SIDECAR_SUFFIX, json.dumps(sidecar, sort_keys=True).encode())
        return Delivered((self._path / key).as_uri(), sha256, len(data))

    def verify(self, key: str, sha256: str) -> None:
        """Read the stored bytes back and hash them."""
        self._require_own(key)
        with self._failures(key), self._parent(key, make=False) as (folder, name):
            found = _digest(folder, name)
        if found != sha256:
            message = f"The destination holds other bytes under {key} than were delivered."
            raise DeliveryCorrupt(message, key=key, sha256=sha256, found=found)

    def remove(self, key: str) -> None:
        """Take the file and its note away; a key that holds nothing is a success."""
        self._require_own(key)
        try:
            with self._failures(key), self._parent(key, make=False) as (folder, name):
                # The note first: alone it would speak of a file that is not there.
                for entry in (name + SIDECAR_SUFFIX, name):
                    _unlink(folder, entry)
                os.fsync(folder)
        except DeliveryMissing:
            return

    def _require_own(self, key: str) -> None:
        require_key(key)
        if key.endswith(SIDECAR_SUFFIX):
            message = f"The destination key must not end in {SIDECAR_SUFFIX}."
            raise InvalidInput(message, rule="destination_key", key=key)

    @contextmanager
    def _parent(self, key: str, *, make: bool) -> Iterator[tuple[int, str]]:
        """Open the directory of `key` step by step, following no link below the folder."""
        *folders, name = key.split("/")
        opened = self._open_root()
        try:
            for part in folders:
                if make:
                    _make_folder(opened, part)
                below = os.open(part, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=opened)
                os.close(opened)
                opened = below
            yield opened, name
        finally:
            os.close(opened)

    def _open_root(self) -> int:
        try:
            return os.open(self._path, _OPEN_FOLDER)
        except OSError as error:
            message = "The destination's folder does not exist or cannot be opened."
            raise DestinationUnreachable(message, reason=os.strerror(error.errno or 0)) from error

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        """Name what the file system said."""
        try:
            yield
        except DestinationError:
            raise
        except FileNotFoundError as error:
            message = f"The destination holds nothing under {key}."
            raise DeliveryMissing(message, key=key) from error
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            if error.errno in _TRANSIENT:
                message = f"The destination's folder cannot be used now: {reason}."
                raise DestinationUnreachable(message, key=key, reason=reason) from error
            if error.errno in _LINK_MET:
                message = f"Something else than a folder or file of ours is in the way of {key}."
                raise DestinationRefused(message, key=key, reason=reason) from error
            message = f"The destination's folder refused: {reason}."
            raise DestinationRefused(message, key=key, reason=reason) from error


def _make_folder(parent: int, name: str) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)


def _create(folder: int, name: str, data: bytes) -> bool:
    """Let `name` appear with all of `data`, or return False if the name is taken."""
    temporary = f".{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o644, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A rename would replace; a second name for the file fails if that name is there.
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            return False
    finally:
        os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)
    return True


def _digest(folder: int, name: str) -> str:
    """Hash a file in pieces; a link in its place is an error, not an answer."""
    digest = hashlib.sha256()
    handle = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder
    )
    with os.fdopen(handle, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _unlink(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
