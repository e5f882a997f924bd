"""What every destination must do, shown on each kind, and on a real S3 where there is one."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from imprimatur.publishing.destinations import folder
from imprimatur.publishing.destinations.folder import FolderDestination
from imprimatur.publishing.destinations.protocol import (
    Delivered,
    DeliveryCorrupt,
    DeliveryMissing,
    Destination,
    DestinationConflict,
    DestinationRefused,
    Removed,
    Stored,
)
from imprimatur.publishing.destinations.s3 import S3Destination

from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.contract.conftest import Place

IMAGE = b"\x89PNG\r\n\x1a\n" + os.urandom(70_000)
OTHER_IMAGE = IMAGE[:-1] + bytes([IMAGE[-1] ^ 1])
KEY = "campaign/2026/image.png"


def put(destination: Destination, data: bytes = IMAGE, key: str = KEY) -> Delivered:
    return destination.put(
        key,
        data,
        sha256=sha256_hex(data),
        media_type="image/png",
        metadata={"release-id": "0199-a", "asset-id": "0199-b"},
    )


class TestPut:
    def test_stores_the_exact_bytes(self, place: Place, destination: Destination) -> None:
        delivered = put(destination)
        assert place.stored(KEY) == IMAGE
        assert delivered.size_bytes == len(IMAGE)
        assert delivered.location.endswith(KEY)
        assert delivered.etag

    def test_succeeds_again_with_the_same_bytes(self, destination: Destination) -> None:
        assert put(destination) == put(destination)

    def test_leaves_other_bytes_as_they_are(self, place: Place, destination: Destination) -> None:
        put(destination)
        with pytest.raises(DestinationConflict):
            put(destination, OTHER_IMAGE)
        assert place.stored(KEY) == IMAGE

    def test_has_one_winner_among_writers_of_different_bytes(
        self, place: Place, destination: Destination
    ) -> None:
        images = [IMAGE + bytes([number]) for number in range(6)]

        def attempt(image: bytes) -> bytes | None:
            try:
                put(destination, image)
            except DestinationConflict:
                return None
            return image

        with ThreadPoolExecutor(6) as pool:
            winners = [image for image in pool.map(attempt, images) if image is not None]
        assert winners == [place.stored(KEY)]

    def test_succeeds_for_all_writers_of_the_same_bytes(self, destination: Destination) -> None:
        with ThreadPoolExecutor(6) as pool:
            deliveries = set(pool.map(lambda _: put(destination), range(6)))
        assert len(deliveries) == 1

    def test_refuses_bytes_that_are_not_the_recorded_ones(self, destination: Destination) -> None:
        with pytest.raises(DeliveryCorrupt):
            destination.put(
                KEY, OTHER_IMAGE, sha256=sha256_hex(IMAGE), media_type="image/png", metadata={}
            )
        with pytest.raises(DeliveryMissing):
            destination.verify(KEY, sha256_hex(OTHER_IMAGE))

    def test_refuses_a_key_that_is_not_a_plain_path(self, destination: Destination) -> None:
        with pytest.raises(InvalidInput):
            put(destination, key="../image.png")

    def test_refuses_metadata_that_would_not_arrive_as_sent(self, destination: Destination) -> None:
        with pytest.raises(InvalidInput):
            destination.put(
                KEY,
                IMAGE,
                sha256=sha256_hex(IMAGE),
                media_type="image/png",
                metadata={"title": "Blüte"},
            )


class TestVerify:
    def test_accepts_what_was_delivered(self, destination: Destination) -> None:
        put(destination)
        destination.verify(KEY, sha256_hex(IMAGE))

    def test_sees_a_single_changed_bit(self, place: Place, destination: Destination) -> None:
        put(destination)
        place.tamper(KEY, OTHER_IMAGE)
        with pytest.raises(DeliveryCorrupt):
            destination.verify(KEY, sha256_hex(IMAGE))

    def test_sees_truncated_bytes(self, place: Place, destination: Destination) -> None:
        put(destination)
        place.tamper(KEY, IMAGE[:-1])
        with pytest.raises(DeliveryCorrupt):
            destination.verify(KEY, sha256_hex(IMAGE))

    def test_tells_missing_bytes_from_changed_ones(self, destination: Destination) -> None:
        with pytest.raises(DeliveryMissing):
            destination.verify(KEY, sha256_hex(IMAGE))


class TestRemove:
    def test_takes_the_bytes_away(self, destination: Destination) -> None:
        put(destination)
        assert destination.remove(KEY, sha256_hex(IMAGE)) is Removed.REMOVED
        with pytest.raises(DeliveryMissing):
            destination.verify(KEY, sha256_hex(IMAGE))

    def test_says_when_nothing_was_there(self, destination: Destination) -> None:
        sha256 = sha256_hex(IMAGE)
        assert destination.remove(KEY, sha256) is Removed.WAS_GONE
        put(destination)
        assert destination.remove(KEY, sha256) is Removed.REMOVED
        assert destination.remove(KEY, sha256) is Removed.WAS_GONE

    def test_leaves_other_bytes_as_they_are(self, place: Place, destination: Destination) -> None:
        put(destination, OTHER_IMAGE)
        found = destination.remove(KEY, sha256_hex(IMAGE))
        assert found is Removed.REPLACED_BY_OTHER_BYTES
        assert place.stored(KEY) == OTHER_IMAGE

    def test_frees_the_key(self, place: Place, destination: Destination) -> None:
        put(destination)
        destination.remove(KEY, sha256_hex(IMAGE))
        put(destination, OTHER_IMAGE)
        assert place.stored(KEY) == OTHER_IMAGE

    def test_does_not_say_removed_of_what_is_still_handed_out(
        self, destination: Destination, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(destination)
        unable = "_unlink" if isinstance(destination, FolderDestination) else "_delete"
        owner = folder if unable == "_unlink" else type(destination)
        monkeypatch.setattr(owner, unable, lambda *_: None)
        with pytest.raises(DestinationRefused):
            destination.remove(KEY, sha256_hex(IMAGE))


class TestList:
    def keys(self, destination: Destination) -> list[str]:
        return [stored.key for stored in destination.list("campaign")]

    def test_is_empty_where_nothing_was_delivered(self, destination: Destination) -> None:
        assert self.keys(destination) == []

    def test_names_what_was_delivered_as_its_receipt_does(self, destination: Destination) -> None:
        delivered = put(destination)
        (stored,) = destination.list("campaign")
        assert stored == Stored(KEY, delivered.size_bytes, delivered.etag)

    def test_goes_in_the_byte_order_of_the_keys(self, destination: Destination) -> None:
        names = ["a.png", "a/b.png", "a-b.png", "a0.png", "B.png", "a/B/c.png", "b/a.png"]
        for name in names:
            put(destination, key=f"campaign/{name}")
        assert self.keys(destination) == sorted(f"campaign/{name}" for name in names)

    def test_stays_below_the_folder(self, destination: Destination) -> None:
        put(destination)
        put(destination, key="campaigns/image.png")
        put(destination, key="other/image.png")
        assert self.keys(destination) == [KEY]

    def test_comes_in_pages(
        self, place: Place, destination: Destination, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if isinstance(destination, S3Destination):
            ask = destination._client.list_objects_v2
            monkeypatch.setattr(
                destination._client, "list_objects_v2", lambda **named: ask(MaxKeys=2, **named)
            )
        keys = [f"campaign/{number}.png" for number in range(5)]
        for key in keys:
            put(destination, key=key)
        assert self.keys(destination) == keys

    def test_sees_bytes_that_were_changed(self, place: Place, destination: Destination) -> None:
        delivered = put(destination)
        place.tamper(KEY, OTHER_IMAGE)
        (stored,) = destination.list("campaign")
        assert stored.etag != delivered.etag


class TestQuarantine:
    def test_moves_whatever_is_there_out_of_what_is_published(
        self, place: Place, destination: Destination
    ) -> None:
        put(destination)
        ward = place.with_quarantine().connect()
        assert ward.quarantine(KEY, "finding-1").endswith("/finding-1")
        assert list(destination.list("campaign")) == []
        assert place.with_quarantine().quarantined("finding-1") == IMAGE

    def test_takes_a_name_that_we_would_not_give(
        self, place: Place, destination: Destination
    ) -> None:
        put(destination)
        key = "campaign/My Photo (1).png"
        place.tamper(key, OTHER_IMAGE)
        assert place.with_quarantine().connect().quarantine(key, "finding-1")
        assert [stored.key for stored in destination.list("campaign")] == [KEY]

    def test_is_nowhere_unless_the_destination_was_given_one(
        self, place: Place, destination: Destination
    ) -> None:
        put(destination)
        assert destination.quarantine(KEY, "finding-1") == ""
        assert place.stored(KEY) == IMAGE

    def test_says_when_nothing_is_there(self, place: Place) -> None:
        with pytest.raises(DeliveryMissing):
            place.with_quarantine().connect().quarantine(KEY, "finding-1")

    def test_refuses_a_key_that_leads_out(self, place: Place) -> None:
        with pytest.raises(InvalidInput):
            place.with_quarantine().connect().quarantine("campaign/../../etc", "finding-1")


class TestABucketWithVersions:
    @pytest.fixture(params=["moto", pytest.param("real_s3", marks=pytest.mark.s3)])
    def place(self, request: pytest.FixtureRequest) -> Iterator[Place]:
        kept: Place = request.getfixturevalue(f"{request.param}_place")
        bucket = f"versions-{uuid4()}"
        kept.client.create_bucket(Bucket=bucket)
        kept.client.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        yield Place("s3", {**kept.config, "bucket": bucket}, kept.credential, kept.client)
        listed = kept.client.list_object_versions(Bucket=bucket)
        for item in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
            kept.client.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
        kept.client.delete_bucket(Bucket=bucket)

    def test_hands_a_removed_image_out_no_more(
        self, place: Place, destination: Destination
    ) -> None:
        put(destination)
        assert destination.remove(KEY, sha256_hex(IMAGE)) is Removed.REMOVED
        assert list(destination.list("campaign")) == []
        assert destination.remove(KEY, sha256_hex(IMAGE)) is Removed.WAS_GONE
        put(destination)
        destination.verify(KEY, sha256_hex(IMAGE))


class TestS3Object:
    @pytest.fixture(params=["moto", pytest.param("real_s3", marks=pytest.mark.s3)])
    def place(self, request: pytest.FixtureRequest) -> Place:
        found: Place = request.getfixturevalue(f"{request.param}_place")
        return found

    def test_carries_type_digest_and_metadata(self, place: Place, destination: Destination) -> None:
        put(destination)
        head = place.client.head_object(
            Bucket=place.config["bucket"], Key=f"{place.config['prefix']}/{KEY}"
        )
        assert head["ContentType"] == "image/png"
        assert head["Metadata"] == {
            "sha256": sha256_hex(IMAGE),
            "release-id": "0199-a",
            "asset-id": "0199-b",
        }

    def test_is_not_believed_for_its_metadata(self, place: Place, destination: Destination) -> None:
        place.client.put_object(
            Bucket=place.config["bucket"],
            Key=f"{place.config['prefix']}/{KEY}",
            Body=OTHER_IMAGE,
            Metadata={"sha256": sha256_hex(IMAGE)},
        )
        with pytest.raises(DestinationConflict):
            put(destination)

    def test_needs_a_bucket_that_exists(self, place: Place) -> None:
        elsewhere = Place("s3", {**place.config, "bucket": "no-such-bucket"}, place.credential)
        with pytest.raises(DestinationRefused) as refusal:
            put(elsewhere.connect())
        assert refusal.value.facts["reason"] == "NoSuchBucket"


@pytest.mark.s3
class TestRealS3:
    """What moto cannot show: it accepts any signature."""

    def test_refuses_a_wrong_secret(self, real_s3_place: Place) -> None:
        forged = {**real_s3_place.credential, "secret_access_key": "not-the-secret"}
        destination = Place("s3", real_s3_place.config, forged).connect()
        with pytest.raises(DestinationRefused) as refusal:
            put(destination)
        assert refusal.value.facts["reason"] == "SignatureDoesNotMatch"
        for act in (
            lambda: destination.verify(KEY, "0" * 64),
            lambda: destination.remove(KEY, "0" * 64),
            lambda: list(destination.list("campaign")),
        ):
            with pytest.raises(DestinationRefused):
                act()

    def test_refuses_an_unknown_key(self, real_s3_place: Place) -> None:
        unknown = {**real_s3_place.credential, "access_key_id": "nobody"}
        with pytest.raises(DestinationRefused):
            put(Place("s3", real_s3_place.config, unknown).connect())

    def test_stores_an_image_of_many_megabytes(self, real_s3_place: Place) -> None:
        image = os.urandom(9_000_000)
        destination = real_s3_place.connect()
        put(destination, image)
        destination.verify(KEY, sha256_hex(image))
