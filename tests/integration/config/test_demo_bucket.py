"""The demo's bucket: its key goes to the publisher's folder alone, and only the set-up makes it."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.exceptions import ImproperlyConfigured
from imprimatur.config.demo import bucket
from imprimatur.publishing import credentials
from imprimatur.publishing.destinations import registry
from moto.server import ThreadedMotoServer

from governance.kernel.digests import sha256_hex


@pytest.fixture
def publisher_folder(settings: Any, tmp_path: Path) -> Path:
    settings.PUBLISHER_KEY_FOLDER = tmp_path / "publisher"
    settings.DEMO_S3_ACCESS_KEY, settings.DEMO_S3_SECRET_KEY = "anybody", "anything"
    settings.DEMO_S3_BUCKET = "demo-of-a-test"
    return tmp_path / "publisher"


@pytest.fixture
def endpoint(settings: Any, publisher_folder: Path) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings.DEMO_S3_ENDPOINT = f"http://{host}:{port}"
    yield settings.DEMO_S3_ENDPOINT
    server.stop()


class TestWriteCredential:
    def test_writes_a_private_file_that_the_publisher_finds(self, publisher_folder: Path) -> None:
        path = bucket.write_credential()
        assert path == publisher_folder / "credentials" / "demo-s3.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert credentials.resolve(bucket.CREDENTIAL) == {
            "access_key_id": "anybody",
            "secret_access_key": "anything",
        }
        assert [file.name for file in path.parent.iterdir()] == ["demo-s3.json"]

    def test_leaves_it_alone_until_the_settings_change(
        self, settings: Any, publisher_folder: Path
    ) -> None:
        path = bucket.write_credential()
        assert path is not None
        assert bucket.write_credential() is None
        settings.DEMO_S3_SECRET_KEY = "another"
        assert bucket.write_credential() == path
        assert json.loads(path.read_text())["secret_access_key"] == "another"

    def test_writes_nothing_where_no_key_is_given(
        self, settings: Any, publisher_folder: Path
    ) -> None:
        settings.DEMO_S3_ACCESS_KEY = ""
        assert bucket.write_credential() is None
        assert not publisher_folder.exists()


class TestMake:
    def test_makes_the_bucket_once_and_the_publisher_can_use_it(self, endpoint: str) -> None:
        bucket.make()
        bucket.make()
        bucket.write_credential()
        adapter = registry.connect("s3", bucket.config(), credentials.resolve(bucket.CREDENTIAL))
        delivered = adapter.put(
            "a/b.png", b"x", sha256=sha256_hex(b"x"), media_type="image/png", metadata={}
        )
        assert bucket.read(delivered.location) == b"x"

    def test_reads_nothing_that_is_not_there(self, endpoint: str) -> None:
        bucket.make()
        with pytest.raises(ClientError):
            bucket.read("s3://demo-of-a-test/a/nothing.png")

    def test_names_the_settings_that_are_missing(
        self, settings: Any, publisher_folder: Path
    ) -> None:
        settings.DEMO_S3_SECRET_KEY = ""
        with pytest.raises(ImproperlyConfigured, match="DEMO_S3_SECRET_KEY"):
            bucket.make()
