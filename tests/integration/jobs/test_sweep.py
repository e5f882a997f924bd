"""The sweeper: lost hints, lost workers and poison end well, and one bad item stops no other."""

import pytest

from generation.jobs import services
from generation.jobs.models import JobItem
from generation.jobs.services import Swept, _sweep
from governance.ledger.models import Entry
from governance.quota import selectors as quota
from tests.factories import jobs as make

NOTHING = Swept(hinted=0, requeued=0, failed=0, cancelled=0)


class TestSweep:
    def test_leaves_alone_what_was_hinted_lately_or_is_in_work(self, shop: make.Shop) -> None:
        one, other = shop.order(2).items
        make.claimed(one)
        before = make.count_rows()
        assert services.sweep(now=make.NOW) == NOTHING
        assert make.count_rows() == before
        assert make.hints(other.id) == 1

    def test_hints_again_once_what_waited_too_long(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        make.let_hint_age(item.id)
        assert services.sweep(now=make.NOW).hinted == 1
        assert services.sweep(now=make.NOW) == NOTHING
        assert make.hints(item.id) == 2
        assert shop.item(item.id).state == "queued"

    def test_hints_a_long_backlog_a_little_each_round(
        self, shop: make.Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_sweep, "HINTS_A_ROUND", 2)
        items = shop.order(5).items
        for item in items:
            make.let_hint_age(item.id)
        rounds = [services.sweep(now=make.NOW).hinted for _ in range(4)]
        assert rounds == [2, 2, 1, 0]
        assert [make.hints(item.id) for item in items] == [2] * 5

    def test_takes_back_an_expired_lease_and_hints_at_once(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        claim = make.claimed(item)
        services.heartbeat(item_id=item.id, epoch=claim.epoch, steps_done=2)
        make.let_expire(item.id)
        assert services.sweep(now=make.NOW).requeued == 1
        again = shop.item(item.id)
        assert (again.state, again.progress_share, again.attempts) == ("queued", 0, 1)
        assert make.hints(item.id) == 2
        assert make.claimed(item).epoch == 2
        assert set(shop.balances().values()) == {(1, 0)}

    def test_ends_poison_as_failed_with_a_refund_and_an_entry(
        self, shop: make.Shop, settings: object
    ) -> None:
        settings.ITEM_ATTEMPTS = 2
        item = shop.order().items[0]
        for _ in range(2):
            make.claimed(item)
            make.let_expire(item.id)
            swept = services.sweep(now=make.NOW)
        assert swept == Swept(hinted=0, requeued=0, failed=1, cancelled=0)
        over = shop.item(item.id)
        assert (over.state, over.attempts) == ("failed", 2)
        assert over.failure == "The worker stopped 2 times while making this image."
        assert set(shop.balances().values()) == {(0, 0)}
        assert quota.check_books() == []
        assert Entry.objects.filter(event="generation.item.failed", subject_id=item.id).exists()

    def test_ends_a_waiting_item_whose_attempts_are_used_up(
        self, shop: make.Shop, settings: object
    ) -> None:
        """The limit was lowered while it waited: no worker would take it any more."""
        item = shop.order().items[0]
        make.claimed(item)
        make.let_expire(item.id)
        services.sweep(now=make.NOW)
        settings.ITEM_ATTEMPTS = 1
        make.let_hint_age(item.id)
        assert services.sweep(now=make.NOW).failed == 1
        assert shop.item(item.id).state == "failed"

    def test_goes_on_after_an_item_that_cannot_be_swept(
        self, shop: make.Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = shop.order(2).items
        for item in (bad, good):
            make.claimed(item)
            make.let_expire(item.id)
        sweep_item = _sweep._sweep_item

        def breaks(item: JobItem, now: object) -> str:
            done = sweep_item(item, now)
            if item.id == bad.id:
                message = "no such thing"
                raise RuntimeError(message)
            return done

        monkeypatch.setattr(_sweep, "_sweep_item", breaks)
        assert services.sweep(now=make.NOW).requeued == 1
        assert shop.item(bad.id).state == "leased"
        assert shop.item(good.id).state == "queued"
        assert make.hints(bad.id) == 1

    def test_does_a_bounded_number_in_one_round(self, shop: make.Shop) -> None:
        for item in shop.order(5).items:
            make.let_hint_age(item.id)
        assert services.sweep(now=make.NOW, limit=3).hinted == 3
        assert services.sweep(now=make.NOW, limit=3).hinted == 2
