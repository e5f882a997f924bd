"""A lease: one worker has it, signs of life keep it, and the database's clock alone times it."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection

from generation.jobs import services
from generation.jobs.models import JobItem
from governance.kernel import clock
from tests.factories import jobs as make


class TestClaim:
    def test_hands_out_what_was_ordered(self, shop: make.Shop) -> None:
        job = shop.order()
        claim = make.claimed(job.items[0])
        assert (claim.epoch, claim.worker, claim.job_id) == (1, "worker-one", job.id)
        assert (claim.seed, claim.steps, claim.width_px, claim.height_px) == (11, 3, 128, 128)
        assert claim.profile == shop.profile
        item = shop.item(claim.item_id)
        assert (item.state, item.attempts) == ("leased", 1)

    def test_shows_the_prompt_to_nobody_who_prints_it(self, shop: make.Shop) -> None:
        assert "harbor" not in repr(make.claimed(shop.order().items[0]))

    def test_is_refused_while_another_worker_holds_the_item(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        make.claimed(item)
        assert services.claim(item_id=item.id, worker="worker-two") is None
        assert JobItem.objects.get().leased_by == "worker-one"

    def test_takes_over_an_expired_lease_with_the_next_epoch(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        first = make.claimed(item)
        services.heartbeat(item_id=item.id, epoch=first.epoch, steps_done=2)
        make.let_expire(item.id)
        second = make.claimed(item, "worker-two")
        assert second.epoch == first.epoch + 1
        assert shop.item(item.id).progress_share == 0
        assert shop.item(item.id).attempts == 2

    def test_ends_after_the_allowed_attempts(self, shop: make.Shop, settings: object) -> None:
        item = shop.order().items[0]
        for _ in range(settings.ITEM_ATTEMPTS):
            make.claimed(item)
            make.let_expire(item.id)
        assert services.claim(item_id=item.id, worker="one-too-many") is None

    def test_finds_nothing_in_an_item_that_is_over_or_unknown(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        make.finish(make.claimed(item))
        assert services.claim(item_id=item.id, worker="worker-two") is None
        assert services.claim(item_id=shop.brand_id, worker="worker-two") is None


@pytest.mark.django_db(transaction=True)
class TestTwoWorkersAtOnce:
    def test_only_one_gets_an_item(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        claims = at_once(*[item.id] * 4)
        assert sum(claim is not None for claim in claims) == 1
        assert JobItem.objects.get().epoch == 1

    def test_each_gets_its_own_item_of_one_order(self, shop: make.Shop) -> None:
        """Neither waits for nor skips the other, although both items belong to one job."""
        items = shop.order(4).items
        claims = at_once(*[item.id for item in items])
        assert {claim.item_id for claim in claims if claim} == {item.id for item in items}


def at_once(*item_ids: object) -> list[object]:
    """Claim each of these in a thread of its own, started together."""
    barrier = threading.Barrier(len(item_ids))
    claims: list[object] = []

    def act(item_id: object) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(10)
            claims.append(services.claim(item_id=item_id, worker=threading.current_thread().name))
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=[item_id]) for item_id in item_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(claims) == len(item_ids)
    return claims


class TestAJobsRow:
    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer")
    def test_is_not_locked_by_the_claim_of_one_of_its_items(self, shop: make.Shop) -> None:
        from django.db import transaction

        one, other = shop.order(2).items
        with transaction.atomic():
            make.claimed(one)
            assert at_once(other.id)[0] is not None


class TestHeartbeat:
    def test_extends_the_lease(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        make.let_expire(claim.item_id)
        assert services.heartbeat(item_id=claim.item_id, epoch=claim.epoch)
        assert services.claim(item_id=claim.item_id, worker="worker-two") is None

    def test_tells_an_outdated_worker_to_stop_and_extends_nothing(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        late = make.claimed(item)
        make.let_expire(item.id)
        make.claimed(item, "worker-two")
        until = JobItem.objects.get().lease_until
        assert not services.heartbeat(item_id=item.id, epoch=late.epoch)
        services.heartbeat(item_id=item.id, epoch=late.epoch, steps_done=3)
        assert JobItem.objects.get().lease_until == until
        assert JobItem.objects.get().steps_done == 0

    def test_tells_the_worker_of_a_cancelled_item_to_stop(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        services.cancel_item(actor=shop.marketer, item_id=claim.item_id, now=make.NOW)
        assert not services.heartbeat(item_id=claim.item_id, epoch=claim.epoch)


class TestAWorkersOwnClock:
    @pytest.mark.parametrize("off", [timedelta(days=1), timedelta(days=-1)])
    def test_steals_no_lease_and_shortens_none(self, shop: make.Shop, off: timedelta) -> None:
        item = shop.order().items[0]
        with time_machine.travel(clock.now() + off, tick=True):
            claim = make.claimed(item)
        assert services.claim(item_id=item.id, worker="worker-two") is None
        with time_machine.travel(clock.now() + off, tick=True):
            assert services.claim(item_id=item.id, worker="worker-two") is None
            assert services.heartbeat(item_id=item.id, epoch=claim.epoch)
            swept = services.sweep(now=clock.now())
        assert (swept.requeued, swept.failed, swept.hinted) == (0, 0, 0)
        assert services.sweep(now=clock.now()).requeued == 0
        make.let_expire(item.id)
        assert services.sweep(now=clock.now() - timedelta(days=2)).requeued == 1
