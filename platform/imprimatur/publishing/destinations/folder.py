"""A folder as a destination: each file appears whole, once, and inside the folder or not at all.

Every step is taken from an open directory, never by a path, so that no link that somebody puts
there can lead a write out of the folder.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
    Removed,
    Stored,
    require_deliverable,
    require_gone,
    require_key,
    require_listed,
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
        },
        "quarantine": {
            "title": "Quarantine",
            "description": "Absolute path of a folder on the same disk, outside the first, for "
            "what nobody authorised; without it, such a file is reported and stays.",
            "type": "string",
            "pattern": "^/",
            "maxLength": 4096,
        },
    },
    "additionalProperties": False,
}
CREDENTIAL_SCHEMA: Mapping[str, Any] = {"type": "object", "maxProperties": 0}

# Beside each file: its media type, its SHA-256 and its metadata, which a folder cannot hold.
SIDECAR_SUFFIX = ".imprimatur.json"

# A file that is being written and has no name yet.
_PART = re.compile(r"\.[0-9a-f]{16}\.part")
_CHUNK_BYTES = 1024 * 1024
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TRANSIENT = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.ETIMEDOUT})
_LINK_MET = frozenset({errno.ELOOP, errno.ENOTDIR})


def connect(config: Mapping[str, Any], _credential: Mapping[str, str]) -> "FolderDestination":
    """Return the folder that `config` names; a folder needs no credential."""
    quarantine = config.get("quarantine")
    return FolderDestination(Path(config["path"]), Path(quarantine) if quarantine else None)


class FolderDestination:
    """Files under one folder of this machine; the folder itself is the operator's to make.

    A missing folder is never made here: it may be a disk that is not mounted.
    """

    def __init__(self, path: Path, quarantine: Path | None = None) -> None:
        self._path = path
        self._quarantine = quarantine

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

    def remove(self, key: str, sha256: str) -> Removed:
        """Take the file and its note away if the file holds these bytes."""
        self._require_own(key)
        try:
            with self._failures(key), self._parent(key, make=False) as (folder, name):
                if _digest(folder, name) != sha256:
                    return Removed.REPLACED_BY_OTHER_BYTES
                # The note first: alone it would speak of a file that is not there.
                for entry in (name + SIDECAR_SUFFIX, name):
                    _unlink(folder, entry)
                os.fsync(folder)
        except DeliveryMissing:
            return Removed.WAS_GONE
        require_gone(self, key, sha256)
        return Removed.REMOVED

    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield the files below `prefix`; each is read, because a folder keeps no digests."""
        require_key(prefix)
        with self._failures(prefix):
            try:
                with self._parent(f"{prefix}/any", make=False) as (folder, _name):
                    yield from _walk(folder, f"{prefix}/")
            except FileNotFoundError:
                # Nothing was ever delivered here; a folder that is not there at all is an error.
                return

    def quarantine(self, key: str, name: str) -> str:
        """Rename the file, and its note, into the quarantine folder, which must exist."""
        require_listed(key)
        require_key(name)
        if self._quarantine is None:
            return ""
        with (
            self._failures(key),
            _opened(self._quarantine) as ward,
            self._parent(key, make=False) as (folder, entry),
        ):
            _rename(folder, entry, ward, name)
            with suppress(FileNotFoundError):
                _rename(folder, entry + SIDECAR_SUFFIX, ward, name + SIDECAR_SUFFIX)
        return (self._quarantine / name).as_uri()

    def _require_own(self, key: str) -> None:
        require_key(key)
        if key.endswith(SIDECAR_SUFFIX):
            message = f"The destination key must not end in {SIDECAR_SUFFIX}."
            raise InvalidInput(message, rule="destination_key", key=key)

    @contextmanager
    def _parent(self, key: str, *, make: bool) -> Iterator[tuple[int, str]]:
        """Open the directory of `key` step by step, following no link below the folder."""
        *folders, name = key.split("/")
        opened = _open_root(self._path)
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


def _open_root(path: Path) -> int:
    try:
        return os.open(path, _OPEN_FOLDER)
    except OSError as error:
        message = "The destination's folder does not exist or cannot be opened."
        raise DestinationUnreachable(message, reason=os.strerror(error.errno or 0)) from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    opened = _open_root(path)
    try:
        yield opened
    finally:
        os.close(opened)


def _walk(folder: int, prefix: str) -> Iterator[Stored]:
    """Yield the files below an open directory in the byte order of their keys.

    A directory sorts with its slash, as it does in a key.
    """
    with os.scandir(folder) as found:
        kinds = {entry.name: entry.is_dir(follow_symlinks=False) for entry in found}
    entries = (
        f"{name}/" if is_folder else name
        for name, is_folder in kinds.items()
        if not _PART.fullmatch(name) and not _is_note(name, kinds)
    )
    for entry in sorted(entries):
        try:
            if entry.endswith("/"):
                below = os.open(entry[:-1], _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                try:
                    yield from _walk(below, prefix + entry)
                finally:
                    os.close(below)
            else:
                yield _stored(folder, entry, prefix + entry)
        except FileNotFoundError:
            # Removed while we looked: there is nothing to tell of it.
            continue


def _is_note(name: str, beside: Mapping[str, bool]) -> bool:
    """Tell whether a file only speaks of another one that is there."""
    return name.endswith(SIDECAR_SUFFIX) and name.removesuffix(SIDECAR_SUFFIX) in beside


def _stored(folder: int, name: str, key: str) -> Stored:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    is_file = stat.S_ISREG(found.st_mode)
    # A link or a pipe has no bytes of its own, and so the digest of none.
    return Stored(key, found.st_size, _digest(folder, name) if is_file else "")


def _rename(folder: int, name: str, other: int, new: str) -> None:
    os.rename(name, new, src_dir_fd=folder, dst_dir_fd=other)
    for changed in (other, folder):
        os.fsync(changed)


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
