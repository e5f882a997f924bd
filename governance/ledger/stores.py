"""Places outside the database where the log is kept: a folder or a bucket, files whole or absent.

A place knows four things: read a file, replace it, create it once, and name what is there in order.
Nothing is ever deleted through it.
"""

import base64
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

from governance.ledger import keys
from governance.ledger.errors import StoreConflict, StoreUnavailable

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
ATTEMPTS = 2
BUCKET = re.compile(
    r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9._/-]*[A-Za-z0-9._-]))?"
)
_TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_ABSENT = frozenset({"NoSuchKey", "NotFound", "404"})


class Store(Protocol):
    """One place. Every act raises StoreUnavailable when the place does not answer or refuses."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None if there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, in place of an earlier one."""

    def created(self, name: str) -> bytes | None:
        """Return the bytes that `create` wrote first, whatever was put over them; None if none."""

    def create(self, name: str, content: bytes, *, until: datetime | None = None) -> None:
        """Write a file that must not be there yet; the same bytes there are a success.

        `until`: nobody may delete or change it before (where the place can hold that).
        Raises: StoreConflict if the name is taken by other bytes.
        """

    def names(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the names below `prefix` (a folder, with its slash) past `after`, in order."""


@dataclass(frozen=True, slots=True)
class Access:
    """How an S3 service is reached; an empty endpoint is Amazon's own."""

    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = field(default="", repr=False)


def connect(place: str, access: Access) -> Store:
    """Return the place that a setting names: an absolute folder, or `s3://bucket/prefix`.

    Raises: StoreUnavailable if it is neither.
    """
    if place.startswith("/"):
        return FolderStore(Path(place))
    named = BUCKET.fullmatch(place)
    if named is None:
        raise StoreUnavailable(
            "A place is an absolute folder, or s3://bucket with or without a prefix."
        )
    return S3Store(_client(access), named[1], named[2] or "")


class FolderStore:
    """Files under one folder, which the operator makes: a missing one may be a missing mount."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None if there is none."""
        with _file_failures(name):
            self._require_folder()
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, in place of an earlier one."""
        with _file_failures(name):
            path = self._place(name)
            if not (path.is_file() and path.read_bytes() == content):
                keys.write_whole(path, content)

    def created(self, name: str) -> bytes | None:
        """Return a file's bytes: a folder has no earlier versions."""
        return self.read(name)

    def create(self, name: str, content: bytes, *, until: datetime | None = None) -> None:  # noqa: ARG002  a folder holds nobody back
        """Write a file that must not be there yet. Raises: StoreConflict."""
        with _file_failures(name):
            path = self._place(name)
            hidden = path.with_name(f".{path.name}.{os.getpid()}.new")
            try:
                keys.write_whole(hidden, content)
                try:
                    os.link(hidden, path)
                except FileExistsError:
                    if path.read_bytes() != content:
                        raise _conflict(name) from None
            finally:
                hidden.unlink(missing_ok=True)
            _sync(path.parent)

    def names(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the names below `prefix` past `after`, in order."""
        with _file_failures(prefix):
            self._require_folder()
            below = self._folder / prefix
            found = sorted(entry.name for entry in os.scandir(below)) if below.is_dir() else []
        full = (prefix + name for name in found if not name.startswith("."))
        yield from (name for name in full if name > after)

    def _place(self, name: str) -> Path:
        self._require_folder()
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _require_folder(self) -> None:
        if not self._folder.is_dir():
            raise StoreUnavailable(f"The folder {self._folder} does not exist.")


class S3Store:
    """Objects under one prefix of a bucket; `create` asks for the bucket's Object Lock.

    A bucket with Object Lock keeps versions: whoever may write can put another version or a delete
    marker on top, and some services (Ceph 16) then pass over If-None-Match. So what was created is
    read from its first version, which the lock holds, and names are those that have any version.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes; None if there is none."""
        try:
            with _s3_failures(name):
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
                with answer["Body"] as body:
                    return cast("bytes", body.read())
        except _Absent:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write an object, in place of an earlier one."""
        with _s3_failures(name):
            self._put(name, content)

    def created(self, name: str) -> bytes | None:
        """Return the bytes of an object's first version; None if it never was there."""
        found = [version for key, version in self._versions(name) if key == name]
        if not found:
            return None
        place = {"Bucket": self._bucket, "Key": self._prefix + name, "VersionId": found[-1]}
        with _s3_failures(name):
            answer = self._client.get_object(**place)
            with answer["Body"] as body:
                return cast("bytes", body.read())

    def create(self, name: str, content: bytes, *, until: datetime | None = None) -> None:
        """Write an object that must not be there yet. Raises: StoreConflict."""
        held = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until} if until else {}
        if self.created(name) is None:
            with suppress(_Taken), _s3_failures(name):
                self._put(name, content, IfNoneMatch="*", **held)
        if self.created(name) != content:
            raise _conflict(name)

    def names(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the names below `prefix` past `after`, in order."""
        last = after
        for name, _ in self._versions(prefix, after=after):
            # Services differ in whether the marker's own name is listed.
            if name > last:
                yield name
                last = name

    def _versions(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, str]]:
        """Yield (name, version) of all that is there, by name and then from the newest on."""
        markers = {"KeyMarker": self._prefix + after} if after else {}
        while True:
            with _s3_failures(prefix):
                answer = self._client.list_object_versions(
                    Bucket=self._bucket, Prefix=self._prefix + prefix, **markers
                )
            for found in answer.get("Versions", []):
                yield found["Key"].removeprefix(self._prefix), found["VersionId"]
            if not answer.get("IsTruncated"):
                return
            markers = {
                "KeyMarker": answer["NextKeyMarker"],
                "VersionIdMarker": answer["NextVersionIdMarker"],
            }

    def _put(self, name: str, content: bytes, **more: Any) -> None:
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        self._client.put_object(
            Bucket=self._bucket,
            Key=self._prefix + name,
            Body=content,
            ChecksumSHA256=digest,
            # Object Lock takes no write without it.
            ChecksumAlgorithm="SHA256",
            **more,
        )


class _Taken(Exception):
    """The key is taken."""


class _Absent(Exception):
    """The key holds nothing."""


def _client(access: Access) -> Any:
    """Return a client of this service and no other: the environment has no say in it."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        region_name=access.region,
        endpoint_url=access.endpoint or None,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            ignore_configured_endpoint_urls=True,
            proxies={},
        ),
    )


@contextmanager
def _s3_failures(name: str) -> Iterator[None]:
    """Name what the service said, by code; its own text may quote the request."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _TAKEN:
            raise _Taken from error
        if code in _ABSENT:
            raise _Absent from error
        raise StoreUnavailable(f"The bucket refused {name} ({code}).", reason=code) from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"The bucket gave no answer for {name}.") from error


@contextmanager
def _file_failures(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise StoreUnavailable(f"The folder cannot be used for {name}: {reason}.") from error


def _conflict(name: str) -> StoreConflict:
    return StoreConflict(
        f"{name} is there already, with other bytes; it was not touched.", name=name
    )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
