"""Cancelling: at once while an item waits, through its worker while in work; always refunded."""

import pytest

from generation.jobs import services
from generation.jobs.errors import LeaseLost
from generation.jobs.models import JobItem
from governance.kernel.errors import NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from tests.factories import jobs as make


def cancel(shop: make.Shop, item_id: object, actor: object = None) -> str:
    return services.cancel_item(actor=actor or shop.marketer, item_id=item_id, now=make.NOW)


class TestCancelItem:
    def test_ends_a_waiting_item_with_a_refund_in_its_persons_name(self, shop: make.Shop) -> None:
        one, other = shop.order(2).items
        assert cancel(shop, one.id) == "cancelled"
        assert shop.item(one.id).state == "cancelled"
        assert shop.item(other.id).state == "queued"
        assert set(shop.balances().values()) == {(1, 0)}
        entry = Entry.objects.get(event="generation.item.cancelled")
        assert (entry.subject_id, entry.actor_id) == (one.id, shop.marketer.id)

    def test_asks_the_worker_of_an_item_in_work(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        assert cancel(shop, claim.item_id) == "leased"
        assert cancel(shop, claim.item_id) == "leased"
        asked = Entry.objects.filter(event="generation.item.cancel_asked")
        assert [entry.actor_id for entry in asked] == [shop.marketer.id]
        assert services.end_if_cancelled(claim=claim, now=make.NOW)
        assert shop.item(claim.item_id).state == "cancelled"
        assert set(shop.balances().values()) == {(0, 0)}
        assert not services.end_if_cancelled(claim=claim, now=make.NOW)

    def test_keeps_the_result_of_a_cancelled_item_out(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        cancel(shop, claim.item_id)
        before = make.count_rows()
        with pytest.raises(LeaseLost):
            make.finish(claim)
        assert make.count_rows() == before

    def test_is_completed_by_the_sweeper_when_the_worker_is_gone(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        cancel(shop, claim.item_id)
        make.let_expire(claim.item_id)
        assert services.claim(item_id=claim.item_id, worker="worker-two") is None
        assert services.sweep(now=make.NOW).cancelled == 1
        assert shop.item(claim.item_id).state == "cancelled"
        assert set(shop.balances().values()) == {(0, 0)}

    def test_leaves_no_item_behind_that_waits_and_is_to_be_cancelled(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        JobItem.objects.update(cancel_requested_at=make.NOW)
        make.let_hint_age(item.id)
        assert services.sweep(now=make.NOW).cancelled == 1

    def test_changes_nothing_once_the_item_is_over(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        make.finish(claim)
        before = make.count_rows()
        with pytest.raises(IllegalTransition):
            cancel(shop, claim.item_id)
        assert make.count_rows() == before
        assert JobItem.objects.get().cancel_requested_at is None

    def test_is_for_the_requester_and_the_brands_managers(self, shop: make.Shop) -> None:
        one, other = shop.order(2).items
        with pytest.raises(NotPermitted):
            cancel(shop, one.id, shop.team.auditor)
        assert cancel(shop, one.id, shop.team.manager) == "cancelled"
        with pytest.raises(NotFound):
            cancel(shop, other.id, make.shop("southwind").team.manager)
        assert shop.item(other.id).state == "queued"
