"""The queue itself: what waits is in an open lane, and claims come in the order of turns."""

import threading
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from generation.jobs import services
from generation.jobs.models import JobItem, Lane, Share
from generation.jobs.records import Claim, Pressure
from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from tests.factories import jobs as make
from tests.factories import quota, review

QUEUE = "render.cpu"


@pytest.fixture
def colleague(shop: make.Shop) -> Actor:
    """Another marketer of the same brand, with a quota of their own."""
    return another(shop)


def another(shop: make.Shop) -> Actor:
    actor = review.person(shop.brand_id, Role.MARKETER)
    quota.grant_images(actor.id, shop.brand_id, 20)
    return actor


def claim(*warm: str) -> Claim | None:
    return services.claim_next(queue=QUEUE, worker="worker-one", warm=warm)


def claims() -> list[Claim]:
    """Claim until nothing waits."""
    found = []
    while (one := claim()) is not None:
        found.append(one)
    return found


def open_lanes() -> list[UUID]:
    return list(Lane.objects.filter(is_waiting=True).values_list("pk", flat=True))


class TestClaimNext:
    def test_finds_nothing_where_nobody_waits(self, shop: make.Shop) -> None:
        assert claim() is None

    def test_looks_at_one_queue_only(self, shop: make.Shop) -> None:
        shop.order()
        assert services.claim_next(queue="render.cuda", worker="worker-one") is None

    def test_serves_two_people_in_turns_however_much_one_ordered(
        self, shop: make.Shop, colleague: Actor
    ) -> None:
        shop.order(8)
        shop.order(2, actor=colleague)
        whose = [one.requester_id for one in claims()]
        assert whose.count(colleague.id) == 2
        assert colleague.id in whose[:2]
        assert whose[:4].count(colleague.id) == 2

    def test_takes_ones_own_items_by_priority_then_by_when_they_are_due_then_by_age(
        self, shop: make.Shop
    ) -> None:
        late = make.NOW + timedelta(days=2)
        orders = {
            name: shop.order(pressure=pressure).items[0].id
            for name, pressure in {
                "some day": Pressure(priority=3),
                "old": Pressure(),
                "due late": Pressure(due_at=late),
                "due soon": Pressure(due_at=make.NOW),
                "young": Pressure(),
                "first": Pressure(priority=1),
            }.items()
        }
        names = {item_id: name for name, item_id in orders.items()}
        assert [names[one.item_id] for one in claims()] == [
            "first",
            "due soon",
            "due late",
            "old",
            "young",
            "some day",
        ]

    def test_goes_on_with_the_model_that_the_worker_holds(
        self, shop: make.Shop, colleague: Actor
    ) -> None:
        shop.order(1)
        other = make.profile(slug="other-model", snapshot_sha256="b" * 64)
        quota.grant_images(other.id, None, 20, kind="model")
        shop.with_profile(other).order(3, actor=colleague)
        assert claim("b" * 64).profile.id == other.id
        due = Share.objects.get(passed=1)
        assert due.lane.requester_id == shop.marketer.id
        assert claim().requester_id == shop.marketer.id
        assert not Share.objects.filter(passed__gt=0).exists()

    def test_charges_the_lane_its_person_and_its_brand(self, shop: make.Shop) -> None:
        shop.order(2)
        JobItem.objects.update(cost_s=3.0)
        claims()
        had = dict(Share.objects.exclude(path="").values_list("path", "had_s"))
        assert len(had) == 3
        assert set(had.values()) == {6.0}

    def test_leaves_out_what_was_tried_too_often(self, shop: make.Shop, settings: object) -> None:
        poisoned, sound = shop.order(2).items
        JobItem.objects.filter(pk=poisoned.id).update(attempts=settings.ITEM_ATTEMPTS)
        assert [one.item_id for one in claims()] == [sound.id]


class TestALane:
    def test_is_open_while_somebody_waits_and_closed_by_who_finds_it_empty(
        self, shop: make.Shop
    ) -> None:
        shop.order(2)
        assert len(open_lanes()) == 1
        claim()
        claim()
        assert len(open_lanes()) == 1
        assert claim() is None
        assert open_lanes() == []
        shop.order()
        assert len(open_lanes()) == Lane.objects.count() == 1

    def test_is_opened_again_by_an_expired_lease(self, shop: make.Shop) -> None:
        shop.order()
        taken = claim()
        assert claim() is None
        make.let_expire(taken.item_id)
        services.sweep(now=make.NOW)
        assert claim().epoch == 2

    def test_that_is_wrongly_closed_is_opened_with_the_next_hint(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        Lane.objects.update(is_waiting=False)
        assert claim() is None
        make.let_hint_age(item.id)
        services.sweep(now=make.NOW)
        assert claim().item_id == item.id

    def test_is_made_by_the_sweeper_for_an_item_without_one(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        JobItem.objects.update(lane=None)
        Lane.objects.update(is_waiting=False)
        assert claim() is None
        make.let_hint_age(item.id)
        services.sweep(now=make.NOW)
        assert claim().item_id == item.id

    def test_costs_what_images_of_that_size_took_lately(self, shop: make.Shop) -> None:
        make.finish(make.claimed(shop.order().items[0]))
        shop.order()
        assert JobItem.objects.order_by("pk").last().cost_s == 0.5
        assert Lane.objects.get().cost_s == 0.5


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_no_item_is_lost_or_made_twice_between_orders_and_claims(self, shop: make.Shop) -> None:
        """Orders open lanes while workers close them: whatever the order, nothing stays behind."""
        people = [another(shop) for _ in range(2)]
        found: list[UUID] = []
        ordered = threading.Event()

        def order(actor: Actor) -> None:
            for _ in range(5):
                shop.order(2, actor=actor)

        def work() -> None:
            while not ordered.is_set() or Lane.objects.filter(is_waiting=True).exists():
                if (one := claim()) is not None:
                    found.append(one.item_id)

        workers = [start(work) for _ in range(2)]
        orders = [start(order, actor) for actor in people]
        for thread in orders:
            thread.join(60)
        ordered.set()
        for thread in workers:
            thread.join(60)
        assert Counter(found) == Counter(JobItem.objects.values_list("pk", flat=True))
        assert len(found) == 20


def start(act: object, *facts: object) -> threading.Thread:
    """Do something in a thread with a connection of its own."""

    def run() -> None:
        try:
            act(*facts)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
