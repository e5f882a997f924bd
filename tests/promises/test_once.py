"""Promise 6, once: whatever dies, and whenever, each item is made and billed once."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from imprimatur.config.env import env_database
from imprimatur.config.postgresql import base as postgresql

from generation.assets.models import Asset, Blob, Score
from generation.jobs.errors import LeaseLost
from generation.jobs.models import JobItem, Replay
from governance.ledger.models import Entry as LedgerEntry
from governance.outbox.models import Outbox
from governance.quota import selectors as quota
from governance.quota.models import Account, Entry
from governance.review.models import Case, Subject
from tests import processes
from tests.factories import jobs as make
from tests.factories import replays, review
from tests.packs import shared_pack

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]

LEASE_S = 3
# Long enough to be interrupted on a fast machine, short enough to be made again on a slow one.
LONG = {"steps": 80, "side_px": 512}


@pytest.fixture
def floor(
    tmp_path: Path, settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[processes.Floor]:
    review.use_sealing_key(settings, tmp_path)
    settings.MODELS_FOLDER = shared_pack(tmp_path_factory).folder.parent
    settings.LEASE_S = LEASE_S
    with processes.floor(tmp_path, LEASE_S=LEASE_S, HINT_AGAIN_S=1, CHECKPOINT_EVERY_S=1) as laid:
        yield laid


@pytest.fixture
def shop(floor: processes.Floor, tmp_path_factory: pytest.TempPathFactory) -> make.Shop:
    return make.shop(pack=shared_pack(tmp_path_factory))


def row(item_id: UUID) -> JobItem:
    return JobItem.objects.get(pk=item_id)


def wait_until_rendering(
    floor: processes.Floor, item_id: UUID, epoch: int = 1
) -> subprocess.Popen[bytes]:
    """Wait until some steps are done, and return the worker: it is in the middle of a render."""
    floor.wait_for(
        f"the first steps of epoch {epoch}",
        lambda: JobItem.objects.filter(pk=item_id, epoch=epoch, steps_done__gt=0).exists(),
    )
    item = row(item_id)
    assert item.state == "leased"
    _host, pid, _device = item.leased_by.rsplit(":", 2)
    return floor.named(int(pid))


def wait_until_over(floor: processes.Floor, item_id: UUID) -> JobItem:
    floor.wait_for(
        "the item's end", lambda: JobItem.objects.filter(pk=item_id, state="in_review").exists()
    )
    return row(item_id)


def assert_once(shop: make.Shop, item_id: UUID, *, epoch: int) -> None:
    """One asset, one case, one settlement on each account, and the books balance."""
    item = row(item_id)
    assert (item.state, item.epoch) == ("in_review", epoch)
    asset = Asset.objects.get(item_id=item_id)
    assert Blob.objects.filter(sha256=asset.sha256).count() == 1
    assert Subject.objects.filter(kind="asset").count() == 1
    assert Case.objects.filter(subject_id=asset.subject_id).count() == 1
    assert Score.objects.filter(asset=asset).count() == len(
        set(Score.objects.filter(asset=asset).values_list("scorer", flat=True))
    )
    kinds = sorted(Entry.objects.filter(item_id=item_id).values_list("kind", flat=True))
    assert kinds == ["reserve"] * 3 + ["settle"] * 3
    assert set(shop.balances().values()) == {(0, 1)}
    assert quota.check_books() == []
    assert LedgerEntry.objects.filter(event="generation.item.rendered").count() == 1


class TestAKilledWorker:
    def test_leaves_an_item_that_another_one_finishes_once(
        self, floor: processes.Floor, shop: make.Shop
    ) -> None:
        item = shop.order(**LONG).items[0]
        for name in ("relay", "worker", "worker"):
            floor.start(name)
        victim = wait_until_rendering(floor, item.id)
        floor.end(victim, signal.SIGKILL)
        assert row(item.id).state == "leased"
        assert Asset.objects.count() == 0
        assert wait_until_over(floor, item.id).attempts == 2
        assert_once(shop, item.id, epoch=2)

    def test_ends_an_item_that_kills_each_of_its_workers_with_a_refund(
        self, floor: processes.Floor, shop: make.Shop
    ) -> None:
        floor.environment["ITEM_ATTEMPTS"] = "2"
        item = shop.order(**LONG).items[0]
        for name in ("relay", "worker", "worker"):
            floor.start(name)
        for epoch in (1, 2):
            floor.end(wait_until_rendering(floor, item.id, epoch), signal.SIGKILL)
        floor.wait_for(
            "the item's end", lambda: JobItem.objects.filter(pk=item.id, state="failed").exists()
        )
        assert shop.item(item.id).failure == "The worker stopped 2 times while making this image."
        assert Asset.objects.count() == 0
        kinds = sorted(Entry.objects.filter(item_id=item.id).values_list("kind", flat=True))
        assert kinds == ["refund"] * 3 + ["reserve"] * 3
        assert set(shop.balances().values()) == {(0, 0)}
        assert quota.check_books() == []


class TestAKilledReplay:
    def test_is_done_by_another_worker_and_finds_the_same_bytes(
        self, floor: processes.Floor, shop: make.Shop
    ) -> None:
        item = shop.order(**LONG).items[0]
        for name in ("relay", "worker", "worker"):
            floor.start(name)
        wait_until_over(floor, item.id)
        asset = Asset.objects.get(item_id=item.id)
        replay = replays.asked(asset.id, shop.team.auditor)
        floor.wait_for(
            "a worker that makes it again",
            lambda: Replay.objects.filter(pk=replay.id, state="leased").exists(),
        )
        _host, pid, _device = Replay.objects.get(pk=replay.id).leased_by.rsplit(":", 2)
        floor.end(floor.named(int(pid)), signal.SIGKILL)
        assert Replay.objects.get(pk=replay.id).state == "leased"
        floor.wait_for(
            "the replay's end", lambda: Replay.objects.filter(pk=replay.id, state="done").exists()
        )
        over = Replay.objects.get(pk=replay.id)
        assert (over.attempts, over.epoch, over.outcome) == (2, 2, "same")
        assert over.worker_class == over.asset_class
        assert LedgerEntry.objects.filter(event="generation.replay.done").count() == 1
        assert_once(shop, item.id, epoch=1)


class TestAPausedWorker:
    def test_writes_nothing_when_it_wakes_after_another_one_finished(
        self, floor: processes.Floor, shop: make.Shop
    ) -> None:
        item = shop.order(**LONG).items[0]
        relay = floor.start("relay")
        for _ in range(2):
            floor.start("worker")
        paused = wait_until_rendering(floor, item.id)
        paused.send_signal(signal.SIGSTOP)
        wait_until_over(floor, item.id)
        floor.end(relay, signal.SIGTERM)
        before = make.count_rows()

        paused.send_signal(signal.SIGCONT)
        floor.wait_for(
            "the paused worker's last word",
            lambda: "another worker has the item" in floor.log_of(paused),
        )
        assert paused.poll() is None
        assert make.count_rows() == before
        assert_once(shop, item.id, epoch=2)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer")
class TestAFrozenTransaction:
    """A process that is frozen between two statements must not hold up everybody else."""

    def freeze(self, account_id: object, options: str) -> psycopg.Connection[Any]:
        """Lock an account that all workers book on, and stop there."""
        present = connection.get_connection_params()
        login = {name: present[name] for name in ("host", "port", "dbname", "user", "password")}
        frozen = postgresql.connect(**login, options=options)
        frozen.execute("SELECT 1 FROM quota_account WHERE id = %s FOR UPDATE", [account_id])
        return frozen

    def book(self, account_id: object) -> None:
        """Take the same row, with the patience that every process has."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 6000")
            Account.objects.select_for_update().get(pk=account_id)

    @pytest.fixture
    def account_id(self) -> object:
        make.shop()
        return Account.objects.values_list("pk", flat=True)[0]

    def test_loses_its_locks_before_those_who_wait_give_up(self, account_id: object) -> None:
        options: Any = env_database("DATABASE_URL")["OPTIONS"]
        frozen = self.freeze(account_id, options["options"])
        self.book(account_id)
        with pytest.raises(psycopg.OperationalError):
            frozen.execute("SELECT 1")

    def test_is_ended_by_that_bound_because_without_it_all_wait_in_vain(
        self, account_id: object
    ) -> None:
        with (
            self.freeze(account_id, "-c idle_in_transaction_session_timeout=0"),
            pytest.raises(OperationalError, match="lock timeout"),
        ):
            self.book(account_id)


class TestALostBroker:
    def test_loses_no_item_because_the_sweeper_hints_again(
        self, floor: processes.Floor, shop: make.Shop
    ) -> None:
        floor.start("relay")
        worker = floor.start("worker")
        first = shop.order().items[0]
        wait_until_over(floor, first.id)
        floor.end(worker, signal.SIGKILL)

        second = shop.order(2).items
        floor.wait_for(
            "the hints in the broker", lambda: not Outbox.objects.filter(sent_at=None).exists()
        )
        assert floor.lose_messages() >= 2
        floor.start("worker")
        for item in second:
            assert wait_until_over(floor, item.id).epoch == 1
        assert set(shop.balances().values()) == {(0, 3)}
        assert quota.check_books() == []
        assert Asset.objects.count() == 3


class TestAKilledRelay:
    def test_loses_no_hint_and_no_expired_lease(
        self, floor: processes.Floor, shop: make.Shop
    ) -> None:
        item = shop.order(**LONG).items[0]
        relay = floor.start("relay")
        for _ in range(2):
            floor.start("worker")
        victim = wait_until_rendering(floor, item.id)
        floor.end(relay, signal.SIGKILL)
        floor.end(victim, signal.SIGKILL)
        # Ordered while nobody relays: the hint waits in the outbox.
        other = shop.order().items[0]
        time.sleep(1)
        assert Outbox.objects.filter(sent_at=None, kwargs__item_id=str(other.id)).exists()

        floor.start("relay")
        assert wait_until_over(floor, other.id).epoch == 1
        assert wait_until_over(floor, item.id).epoch == 2
        assert set(shop.balances().values()) == {(0, 2)}
        assert quota.check_books() == []


class TestTheFence:
    """What keeps the second of two finishes out, and what stands behind it."""

    @pytest.fixture
    def twice(self, settings: Any, tmp_path: Path) -> tuple[make.Shop, Any, Any]:
        """Return a shop and two claims of one item, the first of which ran out."""
        review.use_sealing_key(settings, tmp_path)
        make.use_blobs(settings, tmp_path / "blobs")
        shop = make.shop()
        item = shop.order().items[0]
        late = make.claimed(item)
        make.let_expire(item.id)
        return shop, late, make.claimed(item, "worker-two")

    def test_keeps_a_late_finish_out_before_and_after_the_other_one(
        self, twice: tuple[make.Shop, Any, Any]
    ) -> None:
        shop, late, current = twice
        before = make.count_rows()
        with pytest.raises(LeaseLost):
            make.finish(late)
        assert make.count_rows() == before
        make.finish(current)
        after = make.count_rows()
        with pytest.raises(LeaseLost):
            make.finish(late)
        assert make.count_rows() == after
        assert_once(shop, current.item_id, epoch=2)

    def test_is_what_does_it_because_without_it_the_late_one_wins(
        self, twice: tuple[make.Shop, Any, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The negative control: no epoch is asked for, and an outdated worker's bytes go in."""
        _shop, late, _current = twice
        monkeypatch.setattr(
            "generation.jobs.services._finish._fence",
            lambda claim: JobItem.objects.select_related("job").get(pk=claim.item_id),
        )
        asset_id = make.finish(late)
        assert Asset.objects.get(pk=asset_id).item_id == late.item_id
        assert row(late.item_id).leased_by == "worker-two"

    def test_has_the_database_behind_it_which_refuses_a_second_asset(
        self, twice: tuple[make.Shop, Any, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _shop, late, current = twice
        make.finish(current)
        monkeypatch.setattr(
            "generation.jobs.services._finish._fence",
            lambda claim: JobItem.objects.select_related("job").get(pk=claim.item_id),
        )
        before = make.count_rows()
        with pytest.raises(IntegrityError):
            make.finish(late)
        assert make.count_rows() == before
