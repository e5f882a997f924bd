"""What of the log lies outside the database: tiles, anchors and events, each whole or absent."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command
from imprimatur.config.management.commands import relay as command
from imprimatur.workflow import archive as module
from imprimatur.workflow.archive import Archive
from moto.s3.models import S3Backend
from moto.server import ThreadedMotoServer

from governance.ledger import exports, merkle, selectors, services, stores, verifier
from governance.ledger.errors import (
    AnchorAhead,
    ExportAhead,
    LogForked,
    MalformedNote,
    SignatureInvalid,
    StoreConflict,
    StoreUnavailable,
)
from governance.ledger.models import Entry
from governance.ledger.stores import Access, FolderStore, S3Store, Store
from tests import databases
from tests.integration.ledger.log import NOW, Signing, make_signing, unguarded, write

pytestmark = pytest.mark.django_db(transaction=True)

KEEP = timedelta(days=1)


def put_back(signing: Signing, size: int) -> None:
    """Replace the log and the signer's memory by another, as whoever owns both could."""
    databases.reset()
    empty = {"origin": signing.key.name, "size": 0, "note": None}
    (signing.folder / "checkpoint.memory").write_text(json.dumps(empty))
    signing.grow(size)


def versions_past_a_marker(
    self: Any, bucket_name: str, key_marker: str | None = None, **asked: Any
) -> Any:
    """List as S3 does: moto loses the first version past a marker that is no key."""
    found = LISTED_BY_MOTO(self, bucket_name, **asked)
    versions = [each for each in found[0] if each.name > (key_marker or "")]
    return (versions, *found[1:])


LISTED_BY_MOTO = S3Backend.list_object_versions


@pytest.fixture(scope="module")
def moto() -> Iterator[Access]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Backend, "list_object_versions", versions_past_a_marker)
        yield from _moto()


def _moto() -> Iterator[Access]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Access(f"http://{host}:{port}", access_key="anybody", secret_key="anything")
    server.stop()


@pytest.fixture(scope="module")
def real_s3() -> Access:
    endpoint = os.environ.get("IMPRIMATUR_TEST_S3_ENDPOINT")
    if not endpoint:
        pytest.skip("no IMPRIMATUR_TEST_S3_ENDPOINT (tests/services/ceph.sh starts one)")
    return Access(
        endpoint,
        access_key=os.environ["IMPRIMATUR_TEST_S3_ACCESS_KEY_ID"],
        secret_key=os.environ["IMPRIMATUR_TEST_S3_SECRET_ACCESS_KEY"],
    )


@pytest.fixture(params=["folder", "moto", pytest.param("real_s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        (tmp_path / "place").mkdir()
        yield stores.connect(str(tmp_path / "place"), Access())
        return
    access: Access = request.getfixturevalue(request.param)
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=access.endpoint,
        region_name=access.region,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    bucket = f"ledger-{uuid4()}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    client.close()
    made = stores.connect(f"s3://{bucket}/log", access)
    yield made
    made._client.close()


class TestStore:
    def test_reads_what_it_wrote_and_nothing_else(self, store: Store) -> None:
        assert store.read("a/b") is None
        store.write("a/b", b"one")
        store.write("a/b", b"two")
        assert store.read("a/b") == b"two"

    def test_creates_a_name_once(self, store: Store) -> None:
        store.create("a/b", b"one")
        store.create("a/b", b"one")
        with pytest.raises(StoreConflict):
            store.create("a/b", b"two")
        assert store.read("a/b") == b"one"

    def test_names_what_is_there_in_order(self, store: Store) -> None:
        for name in ("x/3", "x/1", "x/2", "y/0"):
            store.create(name, b"")
        assert list(store.names("x/")) == ["x/1", "x/2", "x/3"]
        assert list(store.names("x/", after="x/1")) == ["x/2", "x/3"]
        assert list(store.names("z/")) == []

    @pytest.mark.parametrize("numbers", [[], [0], [7], [0, 1, 5], [3, 9, 10], [2, 40]])
    @pytest.mark.parametrize("up_to", [0, 1, 10])
    def test_finds_the_last_number_without_reading_them_all(
        self, store: Store, numbers: list[int], up_to: int
    ) -> None:
        for number in numbers:
            store.create(exports.anchor_path(number), b"")
        store.create(f"{exports.ANCHORS}readme", b"")
        found = exports.last_numbered(store, exports.ANCHORS, up_to=up_to)
        larger = [number for number in numbers if number > up_to]
        expected = [min(larger)] if larger else numbers[-1:]
        assert found == (exports.anchor_path(expected[0]) if expected else None)

    def test_holds_an_object_until_its_time(self, store: Store) -> None:
        if isinstance(store, FolderStore):
            pytest.skip("a folder holds nobody back")
        assert isinstance(store, S3Store)
        store.create("held", b"one", until=datetime.now(UTC) + KEEP)
        place = {"Bucket": store._bucket, "Key": store._prefix + "held"}
        version = store._client.head_object(**place)["VersionId"]
        with pytest.raises(ClientError):
            store._client.delete_object(**place, VersionId=version)
        # The control: what nobody holds is deleted by the same call.
        free = {"Bucket": store._bucket, "Key": store._prefix + "free"}
        store.create("free", b"one")
        version = store._client.head_object(**free)["VersionId"]
        store._client.delete_object(**free, VersionId=version)

    def test_reads_what_was_created_under_whatever_is_put_on_top(self, store: Store) -> None:
        if isinstance(store, FolderStore):
            pytest.skip("a folder has no versions")
        assert isinstance(store, S3Store)
        name = exports.anchor_path(5)
        store.create(name, b"true", until=datetime.now(UTC) + KEEP)
        store.write(name, b"forged")
        assert (store.created(name), store.read(name)) == (b"true", b"forged")
        store._client.delete_object(Bucket=store._bucket, Key=store._prefix + name)
        assert store.read(name) is None  # the control: the plain reading is deceived
        assert store.created(name) == b"true"
        assert list(store.names(exports.ANCHORS)) == [name]
        with pytest.raises(StoreConflict):
            store.create(name, b"forged")

    def test_that_is_not_there_is_unavailable(self, tmp_path: Path, moto: Access) -> None:
        nowhere = [
            FolderStore(tmp_path / "not mounted"),
            stores.connect("s3://no-such-bucket-here", moto),
        ]
        for missing in nowhere:
            with pytest.raises(StoreUnavailable):
                missing.write("a", b"")
        with pytest.raises(StoreUnavailable, match="absolute folder"):
            stores.connect("somewhere", Access())
        nowhere[1]._client.close()


class TestPublishTiles:
    def test_grows_in_place_and_verifies_at_each_step(
        self, signing: Signing, tmp_path: Path
    ) -> None:
        folder = tmp_path / "place"
        folder.mkdir()
        store = FolderStore(folder)
        assert services.publish_tiles(store=store) == 0
        for count in (3, 252, 1, 1, 300):
            signing.grow(count)
            assert services.publish_tiles(store=store) == count
            assert verifier.main(["export", str(folder), "--key", str(signing.key)]) == 0
        assert services.publish_tiles(store=store) == 0

    def test_writes_only_what_is_new(self, signing: Signing, store: Store) -> None:
        signing.grow(300)
        services.publish_tiles(store=store)
        wrote: list[str] = []
        write_one = store.write

        def noting(name: str, content: bytes) -> None:
            wrote.append(name)
            write_one(name, content)

        store.write = noting
        signing.grow(2)
        services.publish_tiles(store=store)
        assert wrote == [
            "tile/entries/001.p/46",
            "tile/0/001.p/46",
            "tile/1/000.p/1",
            "checkpoint",
        ]

    def test_never_shows_a_checkpoint_before_its_tiles(
        self, signing: Signing, tmp_path: Path
    ) -> None:
        """Die before each write in turn: what is published verifies, at the old size or the new."""
        signing.grow(300)
        folder = tmp_path / "place"
        folder.mkdir()
        store = FolderStore(folder)
        services.publish_tiles(store=store)
        signing.grow(270)
        for step in range(20):
            left = step

            class Dying(FolderStore):
                def write(self, name: str, content: bytes) -> None:
                    nonlocal left
                    left -= 1
                    if left < 0:
                        raise KeyboardInterrupt
                    super().write(name, content)

            try:
                services.publish_tiles(store=Dying(folder))
            except KeyboardInterrupt:
                assert verifier.main(["export", str(folder), "--key", str(signing.key)]) == 0
            else:
                break
        assert step > 4
        assert exports.CHECKPOINT in {path.name for path in folder.iterdir()}
        assert verifier.main(["export", str(folder), "--key", str(signing.key)]) == 0

    @pytest.mark.parametrize("size", [3, 9])
    def test_does_not_go_on_with_another_past(
        self, signing: Signing, store: Store, size: int
    ) -> None:
        signing.grow(5)
        services.publish_tiles(store=store)
        before = store.read(exports.CHECKPOINT)
        put_back(signing, size)
        with pytest.raises(ExportAhead):
            services.publish_tiles(store=store)
        assert store.read(exports.CHECKPOINT) == before


class TestAnchor:
    def test_is_written_once_and_read_back(self, signing: Signing, store: Store) -> None:
        assert services.anchor(store=store, keep=KEEP, now=datetime.now(UTC)) == 0
        for count in (3, 2):
            signing.grow(count)
            assert services.anchor(store=store, keep=KEEP, now=datetime.now(UTC)) == 1
            assert services.anchor(store=store, keep=KEEP, now=datetime.now(UTC)) == 0
        assert list(store.names(exports.ANCHORS)) == [exports.anchor_path(n) for n in (3, 5)]
        head = services.confirm_anchors(store=store, key=signing.key)
        assert head is not None
        assert (head.size, head.root) == selectors.size_and_root()
        report = services.fsck(key=signing.key, anchored=store)
        assert (report.anchors, report.problems) == (2, ())

    def test_of_none_stops_nobody(self, signing: Signing, store: Store) -> None:
        signing.grow(1)
        assert services.confirm_anchors(store=store, key=signing.key) is None
        assert services.last_anchor(store=store) is None

    def test_ahead_of_the_log_is_no_start(self, signing: Signing, store: Store) -> None:
        signing.grow(5)
        services.anchor(store=store, keep=KEEP, now=datetime.now(UTC))
        put_back(signing, 3)
        services.confirm_continuity(signer=signing.signer)  # the signer's memory went back with it
        with pytest.raises(AnchorAhead):
            services.confirm_anchors(store=store, key=signing.key)
        assert "ahead" in "\n".join(services.fsck(key=signing.key, anchored=store).problems)
        assert services.fsck(key=signing.key).is_sound

    def test_of_another_past_is_a_fork(self, signing: Signing, store: Store) -> None:
        signing.grow(5)
        services.anchor(store=store, keep=KEEP, now=datetime.now(UTC))
        for size in (5, 9):
            put_back(signing, size)
            with pytest.raises(LogForked):
                services.confirm_anchors(store=store, key=signing.key)
            assert "another root" in "\n".join(services.fsck(anchored=store).problems)
        put_back(signing, 5)
        with pytest.raises(LogForked):
            services.anchor(store=store, keep=KEEP, now=datetime.now(UTC))

    def test_that_somebody_else_wrote_is_no_start(
        self, signing: Signing, store: Store, tmp_path: Path
    ) -> None:
        signing.grow(5)
        stranger = make_signing(tmp_path / "stranger")
        size, root = selectors.size_and_root()
        forged = stranger.signer.sign(size, root, lambda *_: (), now=NOW)
        store.create(exports.anchor_path(5), forged.note.encode())
        with pytest.raises(SignatureInvalid):
            services.confirm_anchors(store=store, key=signing.key)
        store.create(exports.anchor_path(9), b"no checkpoint")
        with pytest.raises(MalformedNote):
            services.confirm_anchors(store=store, key=signing.key)
        assert not services.fsck(key=signing.key, anchored=store).is_sound


class TestEvents:
    def _delivered(self, store: Store) -> list[dict[str, Any]]:
        names = store.names(exports.EVENTS)
        return [
            json.loads(line) for name in names for line in (store.read(name) or b"").splitlines()
        ]

    def test_arrive_in_order_with_their_exact_bytes(self, store: Store) -> None:
        write(5)
        services.sequence(now=NOW)
        since = services.deliver_events(store=store, since=services.delivered_events(store=store))
        write(2)
        services.sequence(now=NOW)
        assert services.delivered_events(store=store) == since == 5
        assert services.deliver_events(store=store, since=since) == 7
        assert services.deliver_events(store=store, since=7) == 7
        lines = self._delivered(store)
        assert [line["seq"] for line in lines] == list(range(7))
        assert list(store.names(exports.EVENTS)) == [
            exports.events_path(0, 4),
            exports.events_path(5, 6),
        ]
        raw = b"".join(store.read(name) or b"" for name in store.names(exports.EVENTS))
        for line, entry in zip(raw.splitlines(), Entry.objects.order_by("leaf__seq"), strict=True):
            body = line.partition(b',"entry":')[2][:-1]
            assert body == bytes(entry.body)
            assert json.loads(line)["leaf_hash"] == merkle.leaf_hash(body).hex()

    def test_are_bounded_files(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("governance.ledger.services._events.MAX_LINES", 3)
        write(7)
        services.sequence(now=NOW)
        since = 0
        while (end := services.deliver_events(store=store, since=since)) > since:
            since = end
        assert [line["seq"] for line in self._delivered(store)] == list(range(7))
        assert len(list(store.names(exports.EVENTS))) == 3

    def test_are_not_delivered_twice_after_a_lost_answer(self, store: Store) -> None:
        write(3)
        services.sequence(now=NOW)
        services.deliver_events(store=store, since=0)
        assert services.deliver_events(store=store, since=0) == 3
        assert len(self._delivered(store)) == 3

    def test_stop_when_the_log_was_put_back(self, store: Store) -> None:
        write(5)
        services.sequence(now=NOW)
        services.deliver_events(store=store, since=0)
        databases.reset()
        write(3)
        services.sequence(now=NOW)
        with pytest.raises(ExportAhead):
            services.delivered_events(store=store)


class TestArchive:
    @pytest.fixture
    def places(self, settings: Any, tmp_path: Path) -> Path:
        for name in ("TILES", "ANCHOR", "EVENTS"):
            folder = tmp_path / "places" / name.lower()
            folder.mkdir(parents=True)
            setattr(settings, f"LEDGER_{name}_PLACE", str(folder))
            setattr(settings, f"LEDGER_{name}_EVERY_S", 10)
        return tmp_path / "places"

    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        said: list[str] = []

        class Log:
            def __getattr__(self, level: str) -> Any:
                return lambda event, **_: said.append(f"{level}: {event}")

        monkeypatch.setattr(module, "log", Log())
        return said

    def test_takes_everything_out_when_it_is_due(
        self, signing: Signing, places: Path, told: list[str]
    ) -> None:
        archive = Archive()
        signing.grow(3)
        assert archive.run(NOW) == 3 + 1 + 3
        signing.grow(2)
        assert archive.run(NOW + timedelta(seconds=9)) == 0
        assert archive.run(NOW + timedelta(seconds=10)) == 2 + 1 + 2
        assert told == []
        assert verifier.main(["export", str(places / "tiles"), "--key", str(signing.key)]) == 0

    def test_does_nothing_where_nothing_is_configured(
        self, signing: Signing, told: list[str]
    ) -> None:
        signing.grow(3)
        assert Archive().run(NOW) == 0
        assert told == []

    def test_does_the_other_parts_when_one_fails(
        self, signing: Signing, places: Path, told: list[str]
    ) -> None:
        (places / "anchor").rmdir()
        archive = Archive()
        signing.grow(3)
        assert archive.run(NOW) == 6
        assert told == ["exception: Unable to do a part of the archive's round"]
        (places / "anchor").mkdir()
        assert archive.run(NOW + timedelta(minutes=1)) == 1

    def test_warns_of_a_witness_that_is_away_and_alarms_when_it_lags(
        self, signing: Signing, settings: Any, tmp_path: Path, told: list[str]
    ) -> None:
        from governance.ledger import witness

        witness.make_keys(tmp_path / "w", "witness.example/w1")
        settings.LEDGER_WITNESSES = [f"http://127.0.0.1:9 {tmp_path / 'w' / 'witness.vkey'}"]
        signing.grow(1)
        archive = Archive()
        archive.run(NOW)
        assert told == ["warning: A witness gave no cosignature"]
        archive.run(NOW + timedelta(seconds=61))
        assert told[-1] == "error: A witness lags behind"

    def test_an_anchor_ahead_is_no_start_of_the_relay(
        self, signing: Signing, places: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.CHECKPOINT_KEY_FOLDER = signing.folder
        monkeypatch.setattr(command.start, "require_sound", lambda *_: None)
        signing.grow(5)
        store = services.anchor_store()
        assert store is not None
        services.anchor(store=store, keep=KEEP, now=NOW)
        put_back(signing, 3)
        with pytest.raises(AnchorAhead):
            call_command("relay")


class TestStatus:
    def _status(self) -> str:
        said = StringIO()
        call_command("ledger", "status", stdout=said)
        return said.getvalue()

    def test_says_how_far_the_log_is(self, signing: Signing, settings: Any, tmp_path: Path) -> None:
        settings.LEDGER_ANCHOR_PLACE = str(tmp_path)
        signing.grow(3)
        assert "3 leaves, 3 of them signed; the oldest entry waits 0 s" in self._status()
        assert "Anchored: 0." in self._status()

    @pytest.mark.parametrize("sequenced", [True, False])
    def test_fails_when_an_entry_waits_too_long(self, sequenced: bool) -> None:
        write(1)
        if sequenced:
            services.sequence(now=NOW)
        assert selectors.merge_delay().waiting_s(NOW + timedelta(seconds=61)) == 61
        with pytest.raises(CommandError, match="wait too long"):
            self._status()

    def test_a_damaged_body_is_never_delivered(self, tmp_path: Path) -> None:
        write(1)
        services.sequence(now=NOW)
        with unguarded():
            Entry.objects.update(body=b'{"a":\n1}')
        with pytest.raises(Exception, match="one line of JSON"):
            services.deliver_events(store=FolderStore(tmp_path), since=0)
