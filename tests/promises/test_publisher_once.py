"""Promises 1 and 6: a publisher may die at any step, and nothing leaves twice or unauthorised."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from django.db import transaction
from django.db.models.functions import Now
from imprimatur.config import processes
from imprimatur.config.broker import folder_options
from imprimatur.publishing import credentials, services
from imprimatur.publishing.destinations import folder
from imprimatur.publishing.destinations.folder import FolderDestination
from imprimatur.publishing.models import Finding, Publication, Quarantine, Receipt, Removal
from imprimatur.publishing.selectors import PublicationRecord
from imprimatur.publishing.services import _deliver, _leases, _places, _recall, _reconcile, _release
from kombu import Connection

from generation.assets import blobs
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.ledger import services as ledger
from governance.ledger.models import Entry
from governance.marking import marks
from governance.passport import document
from governance.release.models import Passport, Release, Withdrawal
from governance.tables.records import wait_for_others
from tests import databases
from tests.factories import publishing as make
from tests.factories.publishing import NOW, Press, current

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


class Killed(BaseException):
    """Stands for a process that is gone: nothing in between may catch it."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make.make_authority(tmp_path_factory.mktemp("authority") / "publisher")


@pytest.fixture
def press(settings: Any, tmp_path: Path, authority: Path, db: None) -> Press:
    make.use_installation(settings, tmp_path, authority)
    return Press(tmp_path)


@dataclass(frozen=True)
class Step:
    """A point in the publisher's work: before or after a call of `name` on `owner`."""

    when: str
    owner: Any
    name: str

    def __str__(self) -> str:
        return f"{self.when} {self.name}"

    def kills(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Arm the step, and return what disarms it."""
        original = getattr(self.owner, self.name)

        def dying(*args: Any, **named: Any) -> Any:
            if self.when == "after":
                original(*args, **named)
            raise Killed

        monkeypatch.setattr(self.owner, self.name, dying)
        return lambda: monkeypatch.setattr(self.owner, self.name, original)


def steps(*points: tuple[Any, str]) -> list[Step]:
    return [Step(when, *point) for point in points for when in ("before", "after")]


DELIVERY = steps(
    (_leases, "to_deliver"),
    (_deliver, "_connect"),
    (blobs, "get"),
    (FolderDestination, "put"),
    (FolderDestination, "verify"),
    (_leases, "fence"),
    (_deliver.Receipt.objects, "create"),
    (_deliver, "move"),
    (ledger, "append"),
    (_deliver, "_record"),
)
RECALL = steps(
    (_leases, "to_unpublish"),
    (_places, "connect"),
    (FolderDestination, "remove"),
    (folder, "_unlink"),
    (_leases, "fence"),
    (_recall.Removal.objects, "create"),
    (_recall, "move"),
    (ledger, "append"),
    (_recall, "_record"),
)
WITHDRAWAL = steps(
    (_recall.release_services, "withdraw"),
    (_recall, "begin_recall"),
    (_recall, "move"),
    (ledger, "append"),
    (_recall, "_hint"),
)
LOOK_ROUND = steps(
    (_places, "connect"),
    (FolderDestination, "list"),
    (_reconcile, "_record"),
    (Finding.objects, "create"),
    (FolderDestination, "quarantine"),
    (Quarantine.objects, "create"),
    (ledger, "append"),
)
RELEASE = steps(
    (_release, "_approval_of"),
    (blobs, "get"),
    (marks, "mark"),
    (blobs, "put"),
    (document, "write"),
    (_release.asset_services, "keep_blob"),
    (Release.objects, "create"),
    (Passport.objects, "create"),
    (ledger, "append"),
    (_release.release_services, "record_release"),
    (_release, "_record"),
)


def let_time_pass(publication: PublicationRecord) -> None:
    """Let the lease of whoever is gone run out."""
    Publication.objects.filter(pk=publication.id, lease_until__isnull=False).update(
        lease_until=Now() - timedelta(seconds=1)
    )


def objects(press: Press) -> list[str]:
    """Return the sha256 of what lies at the folder destination, and nothing else may lie there."""
    found = [path for path in (press.place / "folder").rglob("*") if path.is_file()]
    images = [path for path in found if path.suffix == ".png"]
    notes = {f"{path.name}.imprimatur.json" for path in images}
    assert {path.name for path in found if path not in images} <= notes
    assert all(path.stem == sha256_hex(path.read_bytes()) for path in images)
    return [path.stem for path in images]


def delivered() -> int:
    return Entry.objects.filter(event="publishing.publication.delivered").count()


class TestAPublisherThatIsKilledWhileItDelivers:
    @pytest.mark.parametrize("step", DELIVERY, ids=str)
    def test_leaves_nothing_unauthorised_and_converges(
        self, press: Press, monkeypatch: pytest.MonkeyPatch, step: Step
    ) -> None:
        ordered = press.ordered()
        disarm = step.kills(monkeypatch)
        with pytest.raises(Killed):
            services.deliver(publication_id=ordered.id, now=NOW)
        disarm()
        assert objects(press) in ([], [ordered.marked_sha256])
        assert (current(ordered).state == "published") == (Receipt.objects.count() == 1)
        assert current(ordered).state in {"pending", "delivering", "published"}
        let_time_pass(ordered)
        services.deliver(publication_id=ordered.id, now=NOW)
        assert current(ordered).state == "published"
        assert objects(press) == [ordered.marked_sha256]
        assert (Receipt.objects.count(), delivered()) == (1, 1)

    def test_is_stopped_by_the_guard_when_it_only_slept_and_the_fence_is_off(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The negative control: without its fence a late publisher tries for a second receipt."""
        ordered, verify, create = press.ordered(), FolderDestination.verify, Receipt.objects.create
        tried: list[UUID] = []

        def verify_after_a_long_sleep(*args: Any) -> None:
            monkeypatch.setattr(FolderDestination, "verify", verify)
            let_time_pass(ordered)
            services.deliver(publication_id=ordered.id, now=NOW)
            verify(*args)

        def try_to_create(**values: Any) -> Receipt:
            tried.append(values["publication"].id)
            return create(**values)

        monkeypatch.setattr(FolderDestination, "verify", verify_after_a_long_sleep)
        monkeypatch.setattr(Receipt.objects, "create", try_to_create)
        monkeypatch.setattr(
            _leases, "fence", lambda lease: Publication.objects.get(pk=lease.publication.pk)
        )
        assert not services.deliver(publication_id=ordered.id, now=NOW)
        assert tried == [ordered.id, ordered.id]
        assert (Receipt.objects.count(), delivered()) == (1, 1)
        assert current(ordered).state == "published"


def withdraw(press: Press, publication: PublicationRecord) -> None:
    services.withdraw(
        actor=press.team.manager, release_id=publication.release_id, reason="Wrong.", now=NOW
    )


class TestAPublisherThatIsKilledWhileItTakesAway:
    @pytest.mark.parametrize("step", RECALL, ids=str)
    def test_converges_on_nothing_and_one_proof(
        self, press: Press, monkeypatch: pytest.MonkeyPatch, step: Step
    ) -> None:
        ordered = press.ordered()
        services.deliver(publication_id=ordered.id, now=NOW)
        withdraw(press, ordered)
        disarm = step.kills(monkeypatch)
        with pytest.raises(Killed):
            services.unpublish(publication_id=ordered.id, now=NOW)
        disarm()
        assert (current(ordered).state == "recalled") == (Removal.objects.count() == 1)
        assert current(ordered).state in {"recalling", "recalled"}
        let_time_pass(ordered)
        services.unpublish(publication_id=ordered.id, now=NOW)
        assert current(ordered).state == "recalled"
        assert [path for path in (press.place / "folder").rglob("*") if path.is_file()] == []
        assert Removal.objects.count() == 1
        assert Entry.objects.filter(event="publishing.publication.recalled").count() == 1

    def test_is_stopped_by_the_guard_when_it_only_slept_and_the_fence_is_off(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The negative control: without its fence a late publisher tries for a second proof."""
        ordered = press.ordered()
        services.deliver(publication_id=ordered.id, now=NOW)
        withdraw(press, ordered)
        remove, create, tried = FolderDestination.remove, Removal.objects.create, []

        def remove_after_a_long_sleep(*args: Any) -> Any:
            monkeypatch.setattr(FolderDestination, "remove", remove)
            let_time_pass(ordered)
            services.unpublish(publication_id=ordered.id, now=NOW)
            return remove(*args)

        def try_to_create(**values: Any) -> Removal:
            tried.append(values["publication"].id)
            return create(**values)

        monkeypatch.setattr(FolderDestination, "remove", remove_after_a_long_sleep)
        monkeypatch.setattr(Removal.objects, "create", try_to_create)
        monkeypatch.setattr(
            _leases, "fence", lambda lease: Publication.objects.get(pk=lease.publication.pk)
        )
        assert not services.unpublish(publication_id=ordered.id, now=NOW)
        assert tried == [ordered.id, ordered.id]
        assert (Removal.objects.count(), current(ordered).state) == (1, "recalled")


class TestAWithdrawalThatIsKilled:
    @pytest.mark.parametrize("step", WITHDRAWAL, ids=str)
    def test_is_whole_or_did_not_happen(
        self, press: Press, monkeypatch: pytest.MonkeyPatch, step: Step
    ) -> None:
        ordered = press.ordered()
        services.deliver(publication_id=ordered.id, now=NOW)
        disarm = step.kills(monkeypatch)
        with pytest.raises(Killed):
            withdraw(press, ordered)
        disarm()
        assert Withdrawal.objects.count() == 0
        assert current(ordered).state == "published"
        withdraw(press, ordered)
        assert current(ordered).state == "recalling"


class TestAPublisherThatIsKilledWhileItLooksRound:
    @pytest.mark.parametrize("step", LOOK_ROUND, ids=str)
    def test_loses_no_finding_and_tells_of_it_once(
        self, press: Press, monkeypatch: pytest.MonkeyPatch, step: Step
    ) -> None:
        ward = press.place / "quarantine"
        ward.mkdir()
        place = press.destination(
            config={"path": str(press.place / "folder"), "quarantine": str(ward)}
        )
        stray = press.place / "folder" / str(press.brand_id) / "stray.png"
        stray.parent.mkdir(parents=True)
        stray.write_bytes(b"not ours")
        disarm = step.kills(monkeypatch)
        with pytest.raises(Killed):
            services.reconcile(destination_id=place.id, now=NOW)
        disarm()
        assert stray.exists() or Finding.objects.exists(), "moved, and nobody knows"
        services.reconcile(destination_id=place.id, now=NOW)
        assert not stray.exists()
        finding = Finding.objects.get()
        assert (ward / str(finding.id)).read_bytes() == b"not ours"
        assert Quarantine.objects.count() <= 1


class TestAPublisherThatIsKilledWhileItReleases:
    @pytest.mark.parametrize("step", RELEASE, ids=str)
    def test_leaves_no_half_release_and_converges(
        self, press: Press, monkeypatch: pytest.MonkeyPatch, step: Step
    ) -> None:
        case = press.provable()
        disarm = step.kills(monkeypatch)
        with pytest.raises(Killed):
            services.release_case(case_id=case.id, now=NOW)
        disarm()
        assert Passport.objects.count() == Release.objects.count()
        assert (
            Release.objects.count() == Entry.objects.filter(event="release.release.created").count()
        )
        release = services.release_case(case_id=case.id, now=NOW)
        assert release is not None
        assert (Release.objects.count(), Passport.objects.count()) == (1, 1)
        assert sha256_hex(blobs.get(release.marked_sha256)) == release.marked_sha256
        assert services.sweep(now=NOW) == 0


# Real processes, killed with SIGKILL. The step is seen from outside, so none of our code helps.


@dataclass
class Bucket:
    """A small S3 of the test's own that can stop at a step of a request, for ever."""

    stops_at: str = ""
    held: dict[str, bytes] = field(default_factory=dict)
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    puts: int = 0
    url: str = ""

    def at(self, step: str) -> None:
        """Stop here if the test asked for it."""
        if step == self.stops_at:
            self.reached.set()
            self.go_on.wait(60)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    bucket = Bucket()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bucket.at("before it is stored")
            if self.path in bucket.held and self.headers["If-None-Match"] == "*":
                self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            bucket.held[self.path] = body
            bucket.puts += 1
            bucket.at("before the answer")
            self.answer(200, b"")

        def do_GET(self) -> None:
            bucket.at("before it is read back")
            self.answer(200, bucket.held[self.path])

        def do_HEAD(self) -> None:
            self.answer(200, bucket.held[self.path])

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("ETag", '"of-the-test"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # the publisher at the other end was killed

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    bucket.url = f"http://127.0.0.1:{server.server_port}"
    yield bucket
    bucket.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def publisher(press: Press, authority: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real publisher process on the test's database, keys and blobs."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "imprimatur.config.settings.test",
        "IMPRIMATUR_VAR": str(press.folder),
        "DATABASE_URL": databases.url(),
        "CELERY_BROKER_URL": "atomicfs://",
        "SEALING_KEY_FILE": str(press.folder / "kek"),
        "PUBLISHER_KEY_FOLDER": str(authority),
        "PUBLIC_KEY_FOLDER": str(press.folder / "public"),
        "LEDGER_ORIGIN": make.ORIGIN,
        "DESTINATION_ROOTS": str(press.place),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "PYTHONWARNINGS": "ignore",
    }
    environment.pop("DATABASE_OWNER_URL", None)
    with (press.folder / "publisher.log").open("ab") as log:
        process = subprocess.Popen(
            processes.argv("publisher", host="127.0.0.1", port=0),
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def hint(press: Press, task: str, **kwargs: str) -> None:
    """Send a hint to the publisher's own broker, as the relay does."""
    options = folder_options(press.folder / "broker")
    # A connection of its own: the broker of the environment is the suite's, not this publisher's.
    with (
        Celery("hints", set_as_current=False) as app,
        Connection("atomicfs://", transport_options=options) as own,
    ):
        app.send_task(task, kwargs=kwargs, queue="publisher", ignore_result=True, connection=own)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL


def wait_until(press: Press, holds: Callable[[], bool], within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            pytest.fail((press.folder / "publisher.log").read_text()[-3000:])
        time.sleep(0.05)


@pytest.mark.processes
class TestARealPublisherProcess:
    @pytest.mark.parametrize(
        "step", ["before it is stored", "before the answer", "before it is read back"]
    )
    def test_that_is_killed_while_it_delivers_converges(
        self, press: Press, bucket: Bucket, authority: Path, step: str
    ) -> None:
        ordered = self.ordered(press, bucket, authority)
        bucket.stops_at = step
        with publisher(press, authority) as process:
            hint(press, "publishing.deliver", publication_id=str(ordered.id))
            wait_until(press, bucket.reached.is_set)
            kill(process)
        assert current(ordered).state == "delivering"
        assert Receipt.objects.count() == 0
        assert [sha256_hex(data) for data in bucket.held.values()] in (
            [],
            [ordered.marked_sha256],
        )
        bucket.stops_at = ""
        bucket.go_on.set()
        let_time_pass(ordered)
        wait_until(press, lambda: self.deliver(ordered))
        assert [sha256_hex(data) for data in bucket.held.values()] == [ordered.marked_sha256]
        assert bucket.puts == 1
        assert (Receipt.objects.count(), delivered()) == (1, 1)

    def test_that_is_killed_before_it_records_a_release_converges(
        self, press: Press, authority: Path
    ) -> None:
        case = press.provable()
        stored = press.folder / "blobs"
        before = len(blobs_in(stored))
        with publisher(press, authority) as process:
            self.wait_until_it_works(press)
            with transaction.atomic():
                # Whoever records a release of this case waits for us: the marked bytes are
                # stored by then, and that is how we see it from here.
                hold_writers(case.id)
                hint(press, "publishing.release", case_id=str(case.id))
                wait_until(press, lambda: len(blobs_in(stored)) > before)
                kill(process)
        assert Release.objects.count() == Passport.objects.count() == 0
        with publisher(press, authority):
            hint(press, "publishing.release", case_id=str(case.id))
            wait_until(press, Release.objects.exists)
        release = Release.objects.get()
        assert sha256_hex(blobs.get(release.marked_sha256)) == release.marked_sha256
        assert Entry.objects.filter(event="release.release.created").count() == 1

    def ordered(self, press: Press, bucket: Bucket, authority: Path) -> PublicationRecord:
        folder = authority / credentials.FOLDER
        folder.mkdir(exist_ok=True)
        path = folder / "assets.json"
        path.touch(mode=0o600)
        path.write_text('{"access_key_id": "anybody", "secret_access_key": "anything"}')
        config = {"bucket": "assets", "region": "us-east-1", "endpoint_url": bucket.url}
        target = press.destination("s3", kind="s3", config=config, credential_ref="assets")
        return press.ordered(destination=target)

    def wait_until_it_works(self, press: Press) -> None:
        """Send a hint about nothing, and see it answered in the log."""
        nothing = str(uuid7())
        hint(press, "publishing.release", case_id=nothing)
        wait_until(press, lambda: nothing in (press.folder / "publisher.log").read_text())

    def deliver(self, ordered: PublicationRecord) -> bool:
        return services.deliver(publication_id=ordered.id, now=NOW)


def blobs_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".tmp"]


def hold_writers(case_id: UUID) -> None:
    """Take the lock under which a release is recorded; on SQLite the transaction is that lock."""
    wait_for_others(str(case_id))
