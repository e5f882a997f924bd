from datetime import UTC, datetime, timedelta
from typing import Any, Never

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from governance.outbox import selectors, services
from governance.outbox.models import Outbox

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class BrokerDown(Exception):
    pass


class Broker:
    """Takes hints, and refuses those whose number is in `refused`."""

    def __init__(self, *refused: int) -> None:
        self.refused = refused
        self.taken = []

    def send(self, task: str, kwargs: dict[str, Any], queue: str) -> None:
        if kwargs["number"] in self.refused:
            raise BrokerDown(kwargs["number"])
        self.taken.append((task, kwargs["number"], queue))

    @property
    def numbers(self) -> list[int]:
        return [number for _, number, _ in self.taken]


def hints(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            services.wake("a.b", queue="cpu", number=number)


def all_due() -> None:
    Outbox.objects.update(due_at=Now())


class TestRelay:
    def test_sends_each_hint_once_in_order(self) -> None:
        hints(3)
        broker = Broker()
        assert services.relay(send=broker.send, now=NOW) == 3
        assert broker.taken == [("a.b", 0, "cpu"), ("a.b", 1, "cpu"), ("a.b", 2, "cpu")]
        all_due()
        assert services.relay(send=broker.send, now=NOW) == 0
        assert set(Outbox.objects.values_list("sent_at", flat=True)) == {NOW}

    def test_sends_no_more_than_the_limit(self) -> None:
        hints(5)
        broker = Broker()
        assert [services.relay(send=broker.send, now=NOW, limit=2) for _ in range(4)] == [
            2,
            2,
            1,
            0,
        ]
        assert broker.numbers == [0, 1, 2, 3, 4]

    def test_sends_outside_the_claim(self) -> None:
        hints(1)
        depth_outside = len(connection.savepoint_ids)
        seen = []

        def send(task: str, kwargs: dict[str, Any], queue: str) -> None:
            seen.append(len(connection.savepoint_ids))
            # The claim is already made, so a second relay would find nothing.
            assert services.relay(send=pytest.fail, now=NOW) == 0

        assert services.relay(send=send, now=NOW) == 1
        assert seen == [depth_outside]

    def test_keeps_what_the_broker_would_not_take(self) -> None:
        hints(4)
        broker = Broker(1)
        with pytest.raises(BrokerDown):
            services.relay(send=broker.send, now=NOW)
        assert broker.numbers == [0]
        assert selectors.backlog().waiting == 3

    def test_does_not_let_one_hint_hold_up_the_others(self) -> None:
        hints(4)
        broker = Broker(1)
        with pytest.raises(BrokerDown):
            services.relay(send=broker.send, now=NOW)
        assert services.relay(send=broker.send, now=NOW) == 2
        assert broker.numbers == [0, 2, 3]

    def test_counts_attempts_only_for_what_was_tried(self) -> None:
        hints(3)
        with pytest.raises(BrokerDown):
            services.relay(send=Broker(0).send, now=NOW)
        assert list(Outbox.objects.order_by("id").values_list("attempts", flat=True)) == [1, 0, 0]
        all_due()
        with pytest.raises(BrokerDown):
            services.relay(send=Broker(0).send, now=NOW)
        assert selectors.backlog().attempts == 2

    def test_waits_longer_after_each_attempt(self) -> None:
        hints(1)
        waits = []
        for _ in range(10):
            all_due()
            with pytest.raises(BrokerDown):
                services.relay(send=Broker(0).send, now=NOW)
            row = Outbox.objects.annotate(read_at=Now()).get()
            waits.append((row.due_at - row.read_at).total_seconds())
        assert waits == sorted(waits)
        assert waits[0] <= 2 < waits[-1] <= services.LONGEST_WAIT_S

    def test_sends_again_what_a_dead_relay_had_claimed(self) -> None:
        hints(2)

        def die(task: str, kwargs: dict[str, Any], queue: str) -> Never:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            services.relay(send=die, now=NOW)
        broker = Broker()
        assert services.relay(send=broker.send, now=NOW) == 1
        all_due()
        assert services.relay(send=broker.send, now=NOW) == 1
        assert sorted(broker.numbers) == [0, 1]

    def test_asks_only_once_when_there_is_nothing_to_do(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            services.relay(send=pytest.fail, now=NOW)
        assert len(queries) == 1
        assert "FOR UPDATE" not in queries[0]["sql"]


class TestPrune:
    def test_removes_what_was_sent_long_ago_and_nothing_else(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(services, "PRUNE_BATCH", 2)
        hints(7)
        services.relay(send=Broker().send, now=NOW - timedelta(days=2), limit=5)
        services.relay(send=Broker().send, now=NOW, limit=1)
        assert services.prune(now=NOW, older_than=timedelta(days=1)) == 5
        assert sorted(h.kwargs["number"] for h in Outbox.objects.all()) == [5, 6]


class TestBacklog:
    def test_tells_how_much_waits_and_since_when(self) -> None:
        assert selectors.backlog() == selectors.Backlog(0, None, 0)
        hints(3)
        services.relay(send=Broker().send, now=NOW, limit=1)
        backlog = selectors.backlog()
        assert backlog.waiting == 2
        assert backlog.oldest_at == Outbox.objects.get(kwargs={"number": 1}).created_at
