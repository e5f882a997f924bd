"""The relay's round: each part alone, so that a broker that is down stops no checkpoint."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from imprimatur.config.management.commands import relay as command
from imprimatur.workflow import relay as module
from imprimatur.workflow.relay import Relay

from governance.kernel.actors import SYSTEM
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import keys, selectors
from governance.ledger import services as ledger
from governance.ledger.checkpoints import CheckpointSigner
from governance.ledger.errors import CheckpointKeyMissing, LogRolledBack
from governance.ledger.events import Event
from governance.outbox.models import Outbox
from governance.quota.records import Discrepancy
from tests import databases
from tests.factories.orders import Desk
from tests.factories.review import NOW

SOON = NOW + timedelta(seconds=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.make_checkpoint_key(tmp_path / "relay", "test.example/log")
    return tmp_path / "relay"


@pytest.fixture
def signer(folder: Path) -> CheckpointSigner:
    return CheckpointSigner.load(folder)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect what the relay logs."""
    said: list[dict[str, Any]] = []

    class Log:
        def info(self, event: str, **facts: Any) -> None:
            said.append({"level": "info", "event": event, **facts})

        warning = error = exception = info

    log = Log()
    for level in ("warning", "error", "exception"):

        def say(event: str, level: str = level, **facts: Any) -> None:
            said.append({"level": level, "event": event, **facts})

        setattr(log, level, say)
    monkeypatch.setattr(module, "log", log)
    return said


def unanswering(_task: str, _kwargs: Mapping[str, Any], _queue: str) -> None:
    raise ConnectionError("the broker does not answer")


class TestARound:
    def test_sends_hints_and_signs_what_happened(
        self, desk: Desk, signer: CheckpointSigner
    ) -> None:
        job = desk.place(variants=2)
        sent: list[tuple[str, str]] = []
        relay = Relay(
            send=lambda _task, kw, queue: sent.append((kw["item_id"], queue)), signer=signer
        )
        assert relay.run(NOW) > 0
        wanted = [(str(item.id), "render.cpu") for item in job.items]
        assert [hint for hint in sent if hint in wanted] == wanted
        checkpoint = selectors.find_checkpoint()
        assert checkpoint is not None
        assert selectors.oldest_pending_at() is None

    def test_is_over_at_once_when_there_is_nothing_to_do(
        self, desk: Desk, signer: CheckpointSigner
    ) -> None:
        relay = Relay(send=lambda *_: None, signer=signer)
        while relay.run(NOW):
            pass
        assert relay.run(NOW) == 0

    def test_goes_on_to_the_checkpoint_when_the_broker_is_down(
        self, desk: Desk, signer: CheckpointSigner, told: list[dict[str, Any]]
    ) -> None:
        desk.place()
        relay = Relay(send=unanswering, signer=signer)
        relay.run(NOW)
        assert selectors.find_checkpoint() is not None
        assert Outbox.objects.filter(sent_at=None).exists()
        failed = [line["part"] for line in told if line["level"] == "exception"]
        assert failed == ["relay hints"]

    @pytest.mark.parametrize(
        ("place", "name", "part"),
        [
            (module.ledger, "sequence", "sequence the ledger"),
            (module.ledger, "sign_checkpoint", "sign a checkpoint"),
            (module.jobs, "sweep", "sweep items"),
            (module.publishing, "sweep", "sweep publications"),
            (module.outbox, "prune", "prune hints"),
            (module.ledger_selectors, "oldest_pending_at", "watch the merge delay"),
        ],
    )
    def test_sends_hints_whatever_else_fails(
        self,
        desk: Desk,
        signer: CheckpointSigner,
        told: list[dict[str, Any]],
        monkeypatch: pytest.MonkeyPatch,
        place: Any,
        name: str,
        part: str,
    ) -> None:
        def fail(**_: Any) -> int:
            raise RuntimeError(name)

        desk.place()
        monkeypatch.setattr(place, name, fail)
        sent: list[str] = []
        Relay(send=lambda task, *_: sent.append(task), signer=signer).run(NOW)
        assert "generation.jobs.render" in sent
        failed = {line["part"] for line in told if line["level"] == "exception"}
        assert part in failed
        assert failed <= {part, "hint the publisher"}

    def test_tidies_the_broker_now_and_then(self, desk: Desk, signer: CheckpointSigner) -> None:
        tidied: list[Any] = []
        relay = Relay(send=lambda *_: None, signer=signer, tidy=lambda now: tidied.append(now) or 0)
        for moment in (NOW, SOON, NOW + module.PRUNE_EVERY):
            relay.run(moment)
        assert tidied == [NOW, NOW + module.PRUNE_EVERY]


@pytest.mark.django_db
class TestTheBrokersLitter:
    def test_is_removed_where_the_broker_is_a_folder(
        self, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
    ) -> None:
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"processed_folder": str(tmp_path)}
        (tmp_path / "1_x.publisher.msg").write_text("{}")
        assert command.tidy(NOW + timedelta(days=10_000)) == 1

    def test_is_nobodys_business_elsewhere(self, settings: Any) -> None:
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 10}
        assert command.tidy(NOW) == 0


class TestTheMergeDelay:
    def test_is_an_error_in_the_log_once_an_entry_waits_too_long(
        self,
        desk: Desk,
        signer: CheckpointSigner,
        told: list[dict[str, Any]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(module.ledger, "sequence", lambda **_: 0)
        since = selectors.oldest_pending_at()
        assert since is not None
        relay = Relay(send=lambda *_: None, signer=signer)
        relay.run(since + timedelta(seconds=60))
        assert alarms(told) == []
        relay.run(since + timedelta(seconds=76))
        assert [line["waiting_s"] for line in alarms(told)] == [76]

    def test_is_no_alarm_while_the_sequencer_works(
        self, desk: Desk, signer: CheckpointSigner, told: list[dict[str, Any]]
    ) -> None:
        Relay(send=lambda *_: None, signer=signer).run(NOW + timedelta(days=1))
        assert alarms(told) == []


class TestTheBooks:
    def test_are_checked_on_schedule_and_only_a_difference_is_said(
        self,
        desk: Desk,
        signer: CheckpointSigner,
        told: list[dict[str, Any]],
        monkeypatch: pytest.MonkeyPatch,
        settings: Any,
    ) -> None:
        settings.QUOTA_CHECK_EVERY_MIN = 5
        wrong = Discrepancy(uuid7(), "spent", 2, 1)
        found, looks = [(), (wrong,)], list[datetime]()

        def check(*, marks: object, now: datetime) -> tuple[Discrepancy, ...]:
            looks.append(now)
            return found[len(looks) - 1]

        monkeypatch.setattr(module.quota, "check_books", check)
        relay = Relay(send=lambda *_: None, signer=signer)
        for minute in (0, 4, 5, 6):
            relay.run(NOW + timedelta(minutes=minute))
        assert looks == [NOW, NOW + timedelta(minutes=5)]
        said = [line for line in told if "books" in line["event"]]
        assert [(line["level"], line["figure"], line["account_says"]) for line in said] == [
            ("error", "spent", 2)
        ]


@pytest.mark.django_db(transaction=True)
class TestARelaysStart:
    @pytest.fixture
    def in_force(self, settings: Any, folder: Path, transactional_db: None) -> None:
        settings.CHECKPOINT_KEY_FOLDER = folder

    @pytest.mark.usefixtures("in_force")
    def test_is_refused_when_the_log_was_rolled_back(self, signer: CheckpointSigner) -> None:
        record(3)
        ledger.sequence(now=NOW)
        ledger.sign_checkpoint(signer=signer, now=NOW)
        databases.reset()
        record(1)
        ledger.sequence(now=NOW)
        with pytest.raises(LogRolledBack):
            call_command("relay")

    @pytest.mark.usefixtures("in_force")
    def test_is_refused_without_its_key(self, settings: Any, tmp_path: Path) -> None:
        settings.CHECKPOINT_KEY_FOLDER = tmp_path / "nowhere"
        with pytest.raises(CheckpointKeyMissing):
            call_command("relay")


def alarms(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in told if "wait too long" in line["event"] and line["level"] == "error"]


def record(count: int) -> None:
    from django.db import transaction

    with transaction.atomic():
        for _ in range(count):
            ledger.append(
                actor=SYSTEM,
                event=Event.GENERATION_JOB_CREATED,
                subject=SubjectRef("job", uuid7(), uuid7()),
                now=NOW,
            )
