"""What watchers see move: states, steps and places, for many orders at a cost that stays flat."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from generation.jobs import outlook, progress, queues, services
from generation.jobs.models import JobItem
from generation.jobs.progress import OrderProgress
from generation.jobs.records import JobRecord, Pressure
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.roles import Role
from tests.factories import jobs as make
from tests.factories import quota, review


@pytest.fixture
def colleague(shop: make.Shop) -> Actor:
    """Another marketer of the same brand, with a quota of their own."""
    actor = review.person(shop.brand_id, Role.MARKETER)
    quota.grant_images(actor.id, shop.brand_id, 20)
    return actor


def of(job: JobRecord) -> OrderProgress:
    return progress.of_orders([job.id])[job.id]


def before(job: JobRecord) -> list[int | None]:
    return [item.place.images_before if item.place else None for item in of(job).items]


class TestPlaces:
    def test_are_the_turns_in_which_claims_then_come(
        self, shop: make.Shop, colleague: Actor
    ) -> None:
        orders = [shop.order(3), shop.order(2, actor=colleague), shop.order(1)]
        said = {
            item.place.images_before: item.id
            for job in orders
            for item in of(job).items
            if item.place
        }
        claimed = []
        while claim := services.claim_next(queue=shop.profile.queue, worker="one"):
            claimed.append(claim.item_id)
        assert [said[number] for number in range(6)] == claimed

    def test_follow_what_of_ones_own_is_due_first(self, shop: make.Shop) -> None:
        late, soon = shop.order(1), shop.order(1, pressure=Pressure(due_at=make.NOW))
        assert (before(late), before(soon)) == ([1], [0])

    def test_tell_the_wait_once_a_worker_is_at_work(self, shop: make.Shop) -> None:
        job = shop.order(3)
        JobItem.objects.update(cost_s=4.0)
        assert of(job).items[2].place.wait_s is None
        claim = services.claim_next(queue=shop.profile.queue, worker="one")
        place = of(job).items[2].place
        assert place.images_before == 1
        assert place.wait_s > 0
        JobItem.objects.filter(pk=claim.item_id).update(lease_until=Now() - timedelta(seconds=1))
        assert of(job).items[2].place.wait_s is None

    def test_count_workers_and_not_what_they_hold(self, shop: make.Shop) -> None:
        shop.order(3)
        for worker in ("one", "one", "other"):
            services.claim_next(queue=shop.profile.queue, worker=worker)
        assert queues.workers_at(shop.profile.queue) == 2
        assert queues.workers_at("render.elsewhere") == 0

    def test_look_at_so_many_images_of_a_lane_and_no_more(
        self, shop: make.Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outlook, "TURNS_MOST", 2)
        places = [item.place for item in of(shop.order(4)).items]
        assert [place.images_before for place in places] == [0, 1, 2, 2]
        assert [place.is_at_least for place in places] == [False, False, True, True]

    def test_cost_the_same_queries_for_more_images_orders_and_people(
        self, shop: make.Shop, colleague: Actor
    ) -> None:
        job = shop.order(1)
        with CaptureQueriesContext(connection) as first:
            of(job)
        more = [shop.order(4), shop.order(4, actor=colleague)]
        with CaptureQueriesContext(connection) as later:
            progress.of_orders([job.id, more[0].id])
        assert len(later) == len(first)


class TestProgress:
    def test_tells_steps_states_and_a_new_version_of_each(self, shop: make.Shop) -> None:
        job = shop.order(1)
        seen = [of(job)]
        claim = make.claimed(job.items[0])
        seen.append(of(job))
        services.heartbeat(item_id=claim.item_id, epoch=claim.epoch, steps_done=2)
        seen.append(of(job))
        make.finish(claim)
        seen.append(of(job))
        assert [each.state for each in seen] == ["queued", "running", "running", "done"]
        assert [each.items[0].steps_done for each in seen][:3] == [0, 0, 2]
        assert [bool(each.items[0].place) for each in seen] == [True, False, False, False]
        assert len({each.version for each in seen}) == 4
        assert of(job).version == seen[-1].version

    def test_is_for_whoever_may_see_the_order(self, shop: make.Shop, colleague: Actor) -> None:
        job = shop.order(1)
        progress.require_readable(shop.marketer, job.id)
        with pytest.raises(NotFound):
            progress.require_readable(colleague, job.id)
