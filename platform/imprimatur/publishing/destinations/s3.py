"""A bucket as a destination, on any S3 service: one conditional write, then proof by reading back.

The object's own metadata holds our SHA-256, and only bytes that were read back count as proof: not
every service answers with a checksum, and some store one without checking it.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imprimatur.publishing.destinations.protocol import (
    SHA256_NAME,
    Delivered,
    DeliveryCorrupt,
    DeliveryMissing,
    DestinationConflict,
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
    "title": "S3 bucket",
    "type": "object",
    "required": ["bucket", "region"],
    "properties": {
        "bucket": {
            "title": "Bucket",
            "type": "string",
            "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        },
        "region": {"title": "Region", "type": "string", "pattern": "^[a-z0-9-]{1,64}$"},
        "endpoint_url": {
            "title": "Endpoint",
            "description": "Address of the service; without it, that of the region.",
            "type": "string",
            "pattern": "^https?://[^/@?#\\s]+/?$",
            "maxLength": 255,
        },
        "prefix": {
            "title": "Prefix",
            "description": "Folder in the bucket under which all keys lie.",
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
            "maxLength": 256,
        },
        "quarantine": {
            "title": "Quarantine",
            "description": "Folder in the bucket, apart from the prefix, for what nobody "
            "authorised; without it, such an object is reported and stays.",
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
            "maxLength": 256,
        },
        "connect_timeout_s": {
            "title": "Seconds to wait for a connection",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 60,
            "default": 5,
        },
        "read_timeout_s": {
            "title": "Seconds to wait for an answer",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 300,
            "default": 30,
        },
    },
    "additionalProperties": False,
}
CREDENTIAL_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["access_key_id", "secret_access_key"],
    "properties": {
        "access_key_id": {"type": "string", "minLength": 1},
        "secret_access_key": {"type": "string", "minLength": 1},
        "session_token": {"type": "string", "minLength": 1},
    },
    "additionalProperties": False,
}

ATTEMPTS = 3
_CHUNK_BYTES = 1024 * 1024
_TAKEN = frozenset({"PreconditionFailed", "412"})
# Another writer of the same key is at work; what it left is seen on the next try.
_CONTENDED = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_SERVER_FAULT_STATUS = 500
_TOO_MANY_REQUESTS = 429
_TRANSIENT = frozenset({"RequestTimeout", "SlowDown", "Throttling", "TooManyRequests"})


class _Body(Protocol):
    def iter_chunks(self, chunk_size: int) -> Iterator[bytes]: ...

    def close(self) -> None: ...


def connect(config: Mapping[str, Any], credential: Mapping[str, str]) -> "S3Destination":
    """Return the bucket that `config` names, reached with `credential` and nothing else.

    Neither profiles, proxies nor endpoints of the environment apply: bytes go to the configured
    address or nowhere.
    """
    client = boto3.session.Session().client(
        "s3",
        region_name=config["region"],
        endpoint_url=config.get("endpoint_url"),
        aws_access_key_id=credential["access_key_id"],
        aws_secret_access_key=credential["secret_access_key"],
        aws_session_token=credential.get("session_token"),
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=config.get("connect_timeout_s", 5),
            read_timeout=config.get("read_timeout_s", 30),
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            ignore_configured_endpoint_urls=True,
            proxies={},
        ),
    )
    return S3Destination(
        client,
        bucket=config["bucket"],
        prefix=config.get("prefix"),
        quarantine=config.get("quarantine"),
    )


class S3Destination:
    """Objects in one bucket, each written once."""

    def __init__(
        self,
        client: Any,
        *,
        bucket: str,
        prefix: str | None = None,
        quarantine: str | None = None,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
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
        """Store `data` under `key` unless the key is taken; the same bytes there are a success.

        A write whose answer was lost meets itself here: the key is taken, by the same bytes.
        """
        require_deliverable(key, data, sha256, metadata)
        for _ in range(ATTEMPTS):
            etag = self._put_once(key, data, sha256, media_type, metadata)
            if etag is None:
                etag = self._etag_if_same(key, sha256)
            if etag is not None:
                return Delivered(self._location(key), etag, len(data))
        message = f"Another writer kept the destination's key {key} busy."
        raise DestinationUnreachable(message, key=key)

    def verify(self, key: str, sha256: str) -> None:
        """Read the stored bytes back and hash them."""
        require_key(key)
        found = self._stored_sha256(key)
        if found is None:
            message = f"The destination holds nothing under {key}."
            raise DeliveryMissing(message, key=key)
        if found != sha256:
            message = f"The destination holds other bytes under {key} than were delivered."
            raise DeliveryCorrupt(message, key=key, sha256=sha256, found=found)

    def remove(self, key: str, sha256: str) -> Removed:
        """Take the object away if it holds these bytes.

        In a bucket with versions the object ends under a delete marker, and its earlier versions
        stay under the bucket's own retention: nobody gets them by the key.
        """
        require_key(key)
        found = self._stored_sha256(key)
        if found is None:
            return Removed.WAS_GONE
        if found != sha256:
            return Removed.REPLACED_BY_OTHER_BYTES
        self._delete(key)
        require_gone(self, key, sha256)
        return Removed.REMOVED

    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects below the folder `prefix`, in pages of the service's own size."""
        require_key(prefix)
        after: Mapping[str, str] = {}
        while True:
            with self._failures(prefix):
                page = self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=f"{self._prefix}{prefix}/", **after
                )
            for item in page.get("Contents", []):
                key = str(item["Key"]).removeprefix(self._prefix)
                yield Stored(key, int(item["Size"]), _unquoted(item["ETag"]))
            if not page.get("IsTruncated"):
                return
            after = {"ContinuationToken": page["NextContinuationToken"]}

    def quarantine(self, key: str, name: str) -> str:
        """Copy the object into the quarantine, then delete it where it was."""
        require_listed(key)
        require_key(name)
        if self._quarantine is None:
            return ""
        there = f"{self._quarantine}/{name}"
        with self._failures(key):
            self._client.copy_object(
                Bucket=self._bucket,
                Key=there,
                CopySource={"Bucket": self._bucket, "Key": self._prefix + key},
            )
        self._delete(key)
        return f"s3://{self._bucket}/{there}"

    def _delete(self, key: str) -> None:
        with self._failures(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def _put_once(
        self, key: str, data: bytes, sha256: str, media_type: str, metadata: Mapping[str, str]
    ) -> str | None:
        """Write if the key is free; return the ETag, or None if it is taken or contended."""
        try:
            with self._failures(key):
                answer = self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._prefix + key,
                    Body=data,
                    ContentType=media_type,
                    Metadata={**metadata, SHA256_NAME: sha256},
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode("ascii"),
                    IfNoneMatch="*",
                )
        except _KeyBusy:
            return None
        return _unquoted(answer["ETag"])

    def _etag_if_same(self, key: str, sha256: str) -> str | None:
        """Return the ETag of an object that holds these bytes, or None if it is gone again.

        Raises: DestinationConflict if it holds others. Its metadata alone is no proof.
        """
        head = self._head(key)
        if head is None:
            return None
        found = self._stored_sha256(key)
        if found is None:
            return None
        if found != sha256:
            message = f"The destination holds other bytes under {key}; they were not touched."
            raise DestinationConflict(message, key=key, found=found)
        return _unquoted(head["ETag"])

    def _head(self, key: str) -> Mapping[str, Any] | None:
        try:
            with self._failures(key):
                return cast(
                    "Mapping[str, Any]",
                    self._client.head_object(Bucket=self._bucket, Key=self._prefix + key),
                )
        except DeliveryMissing:
            return None

    def _stored_sha256(self, key: str) -> str | None:
        """Hash the stored object in pieces, or return None if there is none."""
        digest = hashlib.sha256()
        try:
            with self._failures(key):
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
                body = cast("_Body", answer["Body"])
                try:
                    for chunk in body.iter_chunks(_CHUNK_BYTES):
                        digest.update(chunk)
                finally:
                    body.close()
        except DeliveryMissing:
            return None
        return digest.hexdigest()

    def _location(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{key}"

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        """Name what the service said, by code; its own text may quote the request."""
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code in _TAKEN | _CONTENDED:
                raise _KeyBusy from error
            if code in _ABSENT:
                message = f"The destination holds nothing under {key}."
                raise DeliveryMissing(message, key=key) from error
            is_busy = status >= _SERVER_FAULT_STATUS or status == _TOO_MANY_REQUESTS
            if is_busy or code in _TRANSIENT:
                message = f"The destination cannot serve now ({code or status})."
                raise DestinationUnreachable(
                    message, key=key, reason=code, status=status
                ) from error
            message = f"The destination refused the delivery ({code or status})."
            raise DestinationRefused(
                message, key=key, bucket=self._bucket, reason=code, http_status=status
            ) from error
        except BotoCoreError as error:
            message = "The destination gave no complete answer."
            raise DestinationUnreachable(message, key=key, reason=type(error).__name__) from error


class _KeyBusy(Exception):
    """The key is taken, or being written by somebody else; the bytes there decide what it means."""


def _unquoted(etag: str) -> str:
    return etag.strip('"')
