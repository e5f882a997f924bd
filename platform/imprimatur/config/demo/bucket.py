"""The demo's own bucket: its key for the publisher, and a way in that is not the publisher's.

Only the demo's set-up makes the bucket; the publisher finds it or says that it is not there.
"""

import json
import os
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from imprimatur.publishing import credentials

CREDENTIAL = "demo-s3"
REGION = "us-east-1"


def write_credential() -> Path | None:
    """Write the publisher's credential file (0600) from the settings; None if nothing changed."""
    if not settings.DEMO_S3_ACCESS_KEY:
        return None
    path = Path(settings.PUBLISHER_KEY_FOLDER) / credentials.FOLDER / f"{CREDENTIAL}.json"
    text = json.dumps(
        {
            "access_key_id": settings.DEMO_S3_ACCESS_KEY,
            "secret_access_key": settings.DEMO_S3_SECRET_KEY,
        }
    )
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return None
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    hidden = path.with_suffix(".tmp")
    hidden.unlink(missing_ok=True)
    # Private from its first byte, and never half there.
    with os.fdopen(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    hidden.replace(path)
    return path


def config() -> dict[str, object]:
    """Return what the demo's S3 destination is proposed with."""
    return {
        "bucket": settings.DEMO_S3_BUCKET,
        "region": REGION,
        "endpoint_url": settings.DEMO_S3_ENDPOINT,
    }


def make() -> None:
    """Make the bucket if it is missing. Raises: ImproperlyConfigured without the key to it."""
    if not (settings.DEMO_S3_ACCESS_KEY and settings.DEMO_S3_SECRET_KEY):
        raise ImproperlyConfigured(
            "DEMO_S3_ENDPOINT needs DEMO_S3_ACCESS_KEY and DEMO_S3_SECRET_KEY beside it"
        )
    client = _client()
    try:
        client.head_bucket(Bucket=settings.DEMO_S3_BUCKET)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:  # noqa: PLR2004
            raise
        client.create_bucket(Bucket=settings.DEMO_S3_BUCKET)
    finally:
        client.close()


def read(location: str) -> bytes:
    """Return the object at an `s3://bucket/key`, as anybody with the key would fetch it."""
    bucket, key = location.removeprefix("s3://").split("/", 1)
    client = _client()
    try:
        with client.get_object(Bucket=bucket, Key=key)["Body"] as body:
            return bytes(body.read())
    finally:
        client.close()


def _client() -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.DEMO_S3_ENDPOINT,
        region_name=REGION,
        aws_access_key_id=settings.DEMO_S3_ACCESS_KEY,
        aws_secret_access_key=settings.DEMO_S3_SECRET_KEY,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=30,
            ignore_configured_endpoint_urls=True,
            proxies={},
        ),
    )
