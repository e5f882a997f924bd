"""Places to deliver to: a folder, S3 as moto plays it, and a real S3 where one is named."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from imprimatur.publishing.destinations import registry
from imprimatur.publishing.destinations.protocol import Destination
from moto.server import ThreadedMotoServer

REGION = "us-east-1"


@dataclass(frozen=True)
class Place:
    """One configured destination, and a way in behind its back."""

    kind: str
    config: Mapping[str, Any]
    credential: Mapping[str, str]
    client: Any = None

    def connect(self) -> Destination:
        return registry.connect(self.kind, self.config, self.credential)

    def tamper(self, key: str, data: bytes) -> None:
        if self.client is None:
            path = Path(self.config["path"]) / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        else:
            self.client.put_object(
                Bucket=self.config["bucket"], Key=f"{self.config['prefix']}/{key}", Body=data
            )

    def stored(self, key: str) -> bytes:
        if self.client is None:
            return (Path(self.config["path"]) / key).read_bytes()
        answer = self.client.get_object(
            Bucket=self.config["bucket"], Key=f"{self.config['prefix']}/{key}"
        )
        with answer["Body"] as body:
            return bytes(body.read())

    def with_quarantine(self) -> "Place":
        """Return the same place with somewhere to put what nobody authorised."""
        if self.client is None:
            ward = Path(f"{self.config['path']}.quarantine")
            ward.mkdir(exist_ok=True)
            return replace(self, config={**self.config, "quarantine": str(ward)})
        ward_prefix = f"quarantine/{self.config['prefix']}"
        return replace(self, config={**self.config, "quarantine": ward_prefix})

    def quarantined(self, name: str) -> bytes:
        """Read what was put there."""
        if self.client is None:
            return (Path(self.config["quarantine"]) / name).read_bytes()
        answer = self.client.get_object(
            Bucket=self.config["bucket"], Key=f"{self.config['quarantine']}/{name}"
        )
        with answer["Body"] as body:
            return bytes(body.read())


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def moto_bucket(moto_endpoint: str) -> Iterator[Place]:
    yield from _bucket(moto_endpoint, {"access_key_id": "anybody", "secret_access_key": "anything"})


@pytest.fixture(scope="session")
def real_s3_bucket() -> Iterator[Place]:
    endpoint = os.environ.get("IMPRIMATUR_TEST_S3_ENDPOINT")
    if not endpoint:
        pytest.skip("no IMPRIMATUR_TEST_S3_ENDPOINT (tests/services/ceph.sh starts one)")
    yield from _bucket(
        endpoint,
        {
            "access_key_id": os.environ["IMPRIMATUR_TEST_S3_ACCESS_KEY_ID"],
            "secret_access_key": os.environ["IMPRIMATUR_TEST_S3_SECRET_ACCESS_KEY"],
        },
    )


@pytest.fixture
def moto_place(moto_bucket: Place) -> Place:
    return _own_prefix(moto_bucket)


@pytest.fixture
def real_s3_place(real_s3_bucket: Place) -> Place:
    return _own_prefix(real_s3_bucket)


@pytest.fixture
def folder_place(tmp_path: Path) -> Place:
    return Place("folder", {"path": str(tmp_path)}, {})


@pytest.fixture(
    params=["folder", "moto", pytest.param("real_s3", marks=pytest.mark.s3)],
)
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def destination(place: Place) -> Destination:
    return place.connect()


def _bucket(endpoint: str, credential: Mapping[str, str]) -> Iterator[Place]:
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=credential["access_key_id"],
        aws_secret_access_key=credential["secret_access_key"],
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    bucket = f"test-{uuid4()}"
    client.create_bucket(Bucket=bucket)
    config = {"bucket": bucket, "region": REGION, "endpoint_url": endpoint}
    yield Place("s3", config, credential, client)
    for item in client.list_objects_v2(Bucket=bucket).get("Contents", []):
        client.delete_object(Bucket=bucket, Key=item["Key"])
    client.delete_bucket(Bucket=bucket)
    client.close()


def _own_prefix(bucket: Place) -> Place:
    """Give each test a folder of its own in the shared bucket."""
    return replace(bucket, config={**bucket.config, "prefix": f"published/{uuid4()}"})
