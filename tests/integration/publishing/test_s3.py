"""Delivery to a bucket: through the whole service, on moto, and on a real S3 where one is named."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from imprimatur.publishing import services
from imprimatur.publishing.models import Receipt
from imprimatur.publishing.selectors import DestinationRecord, PublicationRecord

from governance.kernel.digests import sha256_hex
from governance.release.records import ReleaseRecord
from tests.contract.conftest import Place
from tests.factories.publishing import NOW, Press, current


@dataclass(frozen=True)
class Bucket:
    """An S3 destination of the brand, and a way in that is not the publisher's."""

    place: Place
    destination: DestinationRecord
    release: ReleaseRecord

    @property
    def key(self) -> str:
        sha256 = self.release.marked_sha256
        return f"{self.release.brand_id}/{sha256[:2]}/{sha256}.png"

    def head(self) -> dict[str, Any]:
        name = f"{self.place.config['prefix']}/{self.key}"
        found: dict[str, Any] = self.place.client.head_object(
            Bucket=self.place.config["bucket"], Key=name
        )
        return found


@pytest.fixture(params=["moto", pytest.param("real_s3", marks=pytest.mark.s3)])
def bucket(
    request: pytest.FixtureRequest, press: Press, credential: Callable[[str, str], Path]
) -> Bucket:
    place: Place = request.getfixturevalue(f"{request.param}_place")
    release = press.released()
    credential("assets", json.dumps(place.credential))
    destination = press.destination(
        "bucket", kind="s3", config=dict(place.config), credential_ref="assets"
    )
    return Bucket(place, destination, release)


def publish(press: Press, bucket: Bucket) -> PublicationRecord:
    ordered = press.ordered(bucket.release, bucket.destination)
    services.deliver(publication_id=ordered.id, now=NOW)
    return current(ordered)


def test_the_object_is_the_marked_bytes(press: Press, bucket: Bucket) -> None:
    published = publish(press, bucket)
    assert (published.state, published.failure) == ("published", "")
    assert sha256_hex(bucket.place.stored(bucket.key)) == bucket.release.marked_sha256
    config = bucket.place.config
    assert published.location == f"s3://{config['bucket']}/{config['prefix']}/{bucket.key}"


def test_the_object_says_what_it_is(press: Press, bucket: Bucket) -> None:
    publish(press, bucket)
    head = bucket.head()
    assert head["ContentType"] == "image/png"
    assert head["Metadata"]["sha256"] == bucket.release.marked_sha256
    assert head["Metadata"]["release"] == str(bucket.release.id)
    assert head["Metadata"]["reviewed-sha256"] == bucket.release.reviewed_sha256


def test_the_receipt_holds_what_the_service_answered(press: Press, bucket: Bucket) -> None:
    published = publish(press, bucket)
    receipt = Receipt.objects.get(publication_id=published.id)
    head = bucket.head()
    assert receipt.etag == head["ETag"].strip('"')
    assert (receipt.size_bytes, receipt.key) == (head["ContentLength"], bucket.key)


def test_other_bytes_in_the_way_are_left_there(press: Press, bucket: Bucket) -> None:
    bucket.place.tamper(bucket.key, b"somebody else's")
    failed = publish(press, bucket)
    assert failed.state == "failed"
    assert failed.failure.endswith("they were not touched.")
    assert bucket.place.stored(bucket.key) == b"somebody else's"


def test_the_same_bytes_from_a_delivery_whose_answer_was_lost_are_a_success(
    press: Press, bucket: Bucket
) -> None:
    from generation.assets import blobs

    bucket.place.tamper(bucket.key, blobs.get(bucket.release.marked_sha256))
    assert publish(press, bucket).state == "published"


def test_a_bucket_that_is_not_there_fails_with_a_sentence(press: Press, bucket: Bucket) -> None:
    config = {**bucket.place.config, "bucket": "nobody-made-this-bucket"}
    missing = press.destination("missing", kind="s3", config=config, credential_ref="assets")
    ordered = press.ordered(bucket.release, missing)
    services.deliver(publication_id=ordered.id, now=NOW)
    assert current(ordered).state == "failed"
    assert "NoSuchBucket" in current(ordered).failure
