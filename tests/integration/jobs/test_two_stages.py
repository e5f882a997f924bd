"""The device renders on while a pool judges and records, within bounds; the fence still holds."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from generation.assets.models import Asset
from generation.jobs import judging, leases, rendering, services, worker
from generation.jobs.models import JobItem
from generation.scoring.suite import ScoringSuite
from governance.quota import selectors as quota
from tests.factories import jobs as make
from tests.fakes.engines import InlineSuite, ScriptedEngine, ScriptedScorer

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "render.cpu"
PATIENCE_S = 30


@pytest.fixture(autouse=True)
def line(settings: Any) -> Iterator[None]:
    """Give this test's worker a pool of two threads, and end them after it."""
    settings.WORKER_FINISHERS = 2
    worker._line.cache_clear()
    yield
    worker._line().close()
    worker._line.cache_clear()
    worker.stopping.clear()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    engine = ScriptedEngine()
    monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: engine)
    suite = InlineSuite(ScoringSuite([ScriptedScorer(0.7)]))
    monkeypatch.setattr(judging, "open_suite", lambda *_: suite)
    return engine


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Hold back every image in the pool until the event is set."""
    gate, encode = threading.Event(), rendering.encode

    def held_back(result: Any) -> bytes:
        assert gate.wait(PATIENCE_S)
        return encode(result)

    monkeypatch.setattr(rendering, "encode", held_back)
    return gate


def drained() -> None:
    """Make what waits, and wait for the pool as well."""
    worker.drain(QUEUE)
    worker._line().close()
    worker._line.cache_clear()


def states() -> list[str]:
    return sorted(JobItem.objects.values_list("state", flat=True))


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    waited = threading.Event()
    for _ in range(PATIENCE_S * 100):
        if holds():
            return
        waited.wait(0.01)
    pytest.fail("it never came")


def in_a_thread(act: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


class TestTwoStages:
    def test_make_every_image_once(self, shop: make.Shop, engine: ScriptedEngine) -> None:
        shop.order(6)
        drained()
        assert states() == ["in_review"] * 6
        assert Asset.objects.count() == len(engine.rendered) == 6
        assert set(JobItem.objects.values_list("epoch", flat=True)) == {1}
        assert quota.check_books() == []

    def test_render_on_while_images_are_judged_until_the_pool_is_behind(
        self, shop: make.Shop, engine: ScriptedEngine, gate: threading.Event
    ) -> None:
        shop.order(9)
        device = in_a_thread(lambda: worker.drain(QUEUE))
        room = 2 * worker.AHEAD_OF_EACH
        until(lambda: len(engine.rendered) == room + 1)
        assert states().count("in_review") == 0
        # The one that finds no room, and the one that is claimed ahead of its turn.
        assert states().count("leased") <= room + 2
        assert len(engine.rendered) == room + 1
        gate.set()
        device.join(PATIENCE_S)
        until(lambda: states() == ["in_review"] * 9)

    def test_claim_the_next_item_during_the_last_step_and_not_before(
        self, shop: make.Shop, engine: ScriptedEngine
    ) -> None:
        leased_at: dict[int, int] = {}

        def at_step(step: int) -> None:
            leased_at.setdefault(step, JobItem.objects.filter(state="leased").count())

        engine.at_step = at_step
        shop.order(2, steps=5)
        drained()
        assert [leased_at[step] for step in range(1, 5)] == [1] * 4

    def test_fence_off_an_image_whose_lease_ran_out_in_the_pool(
        self, shop: make.Shop, engine: ScriptedEngine, gate: threading.Event
    ) -> None:
        item = shop.order().items[0]
        worker.drain(QUEUE)
        make.let_expire(item.id)
        second = services.claim(item_id=item.id, worker="worker-two")
        make.finish(second)
        before = make.count_rows()
        gate.set()
        drained()
        assert make.count_rows() == before
        assert Asset.objects.count() == 1
        assert JobItem.objects.get().leased_by == "worker-two"

    def test_end_an_item_that_fails_in_the_pool_and_no_other(
        self, shop: make.Shop, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encode = rendering.encode

        def broken(result: Any) -> bytes:
            if int(result.pixels[0, 0, 1]) == 12:
                raise MemoryError
            return encode(result)

        monkeypatch.setattr(rendering, "encode", broken)
        shop.order(3)
        drained()
        assert states() == ["failed", "in_review", "in_review"]
        assert JobItem.objects.get(state="failed").failure == "The worker ran out of memory."
        assert quota.check_books() == []

    def test_claim_nothing_more_once_the_worker_is_told_to_stop(
        self, shop: make.Shop, engine: ScriptedEngine
    ) -> None:
        engine.at_step = lambda _step: worker.stopping.set()
        shop.order(4)
        drained()
        assert states() == ["in_review", "queued", "queued", "queued"]


class TestADeviceThatHangs:
    def test_ends_the_process_once_the_lease_has_run_out(
        self,
        shop: make.Shop,
        engine: ScriptedEngine,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings.ITEM_TIMEOUT_S = settings.LEASE_S = 0.2
        was_ended, is_let_go = threading.Event(), threading.Event()
        monkeypatch.setattr(leases, "end_process", was_ended.set)
        engine.at_step = lambda _step: is_let_go.wait(PATIENCE_S)
        item = shop.order().items[0]
        device = in_a_thread(lambda: worker.drain(QUEUE))
        assert was_ended.wait(PATIENCE_S)
        is_let_go.set()
        device.join(PATIENCE_S)
        # Here the process lives on: the lease is late, and the fence decides.
        assert shop.item(item.id).state in {"failed", "leased"}

    def test_is_not_a_pool_that_is_slow(
        self,
        shop: make.Shop,
        engine: ScriptedEngine,
        settings: Any,
        gate: threading.Event,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        was_ended = threading.Event()
        monkeypatch.setattr(leases, "end_process", was_ended.set)
        settings.ITEM_TIMEOUT_S = settings.LEASE_S = 0.2
        shop.order()
        worker.drain(QUEUE)
        assert not was_ended.wait(1)
        gate.set()
