"""Previews: only while somebody watches, only of the present lease, and soon gone."""

from datetime import timedelta

import numpy as np
import pytest
from django.db.models.functions import Now

from generation.jobs import previewing, progress, services
from generation.jobs.models import JobItem, Preview
from generation.jobs.previewing import Screen
from generation.jobs.records import Claim
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.roles import Role
from tests.factories import jobs as make
from tests.factories import review

IMAGE = previewing.encode(np.full((16, 16, 3), 99, dtype=np.uint8))


@pytest.fixture
def claim(shop: make.Shop) -> Claim:
    """An item in work that somebody watches."""
    claimed = make.claimed(shop.order(1).items[0])
    services.watch([claimed.item_id], make.NOW)
    return claimed


def show(claim: Claim, *, epoch: int | None = None, image: bytes = IMAGE) -> bool:
    return services.show_preview(
        item_id=claim.item_id,
        epoch=claim.epoch if epoch is None else epoch,
        step=2,
        image=image,
    )


def is_shown(claim: Claim, actor: Actor) -> bool:
    try:
        return bool(progress.get_preview(actor, claim.item_id))
    except NotFound:
        return False


def step_shown(claim: Claim) -> int | None:
    return progress.of_orders([claim.job_id])[claim.job_id].items[0].preview_step


class TestAPreview:
    def test_is_seen_by_whoever_may_see_the_order(self, shop: make.Shop, claim: Claim) -> None:
        assert not is_shown(claim, shop.marketer)
        assert step_shown(claim) is None
        assert show(claim)
        assert progress.get_preview(shop.marketer, claim.item_id) == IMAGE
        assert step_shown(claim) == 2
        assert not is_shown(claim, review.person(shop.brand_id, Role.MARKETER))

    def test_is_not_taken_where_nobody_watches(self, claim: Claim) -> None:
        Preview.objects.update(watched_until=Now() - timedelta(seconds=1))
        assert not services.is_watched(claim.item_id)
        assert not show(claim)
        services.watch([claim.item_id], make.NOW)
        assert services.is_watched(claim.item_id)
        assert show(claim)

    def test_is_not_asked_for_of_what_waits(self, shop: make.Shop) -> None:
        services.watch([shop.order(1).items[0].id], make.NOW)
        assert not Preview.objects.exists()

    def test_of_a_worker_that_lost_its_lease_is_not_taken(self, claim: Claim) -> None:
        assert not show(claim, epoch=claim.epoch - 1)
        assert show(claim)

    def test_is_small(self, claim: Claim) -> None:
        assert not show(claim, image=b"x" * 65_537)

    def test_of_an_earlier_lease_is_seen_no_more(self, shop: make.Shop, claim: Claim) -> None:
        show(claim)
        JobItem.objects.filter(pk=claim.item_id).update(epoch=claim.epoch + 1)
        assert not is_shown(claim, shop.marketer)
        assert step_shown(claim) is None

    def test_is_gone_when_the_image_is_over(self, shop: make.Shop, claim: Claim) -> None:
        show(claim)
        make.finish(claim)
        assert not is_shown(claim, shop.marketer)
        assert services.forget_previews() == 1
        assert not Preview.objects.exists()

    def test_stays_while_it_is_watched_and_goes_after_that(self, claim: Claim) -> None:
        show(claim)
        assert services.forget_previews() == 0
        Preview.objects.update(watched_until=Now() - timedelta(seconds=31))
        assert services.forget_previews() == 1


class TestAScreen:
    @pytest.fixture(autouse=True)
    def _looks_each_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(previewing, "LOOK_EVERY_S", 0.0)

    def test_shows_what_it_took_once_it_looks(self, shop: make.Shop, claim: Claim) -> None:
        screen = Screen(claim.item_id, claim.epoch)
        assert not screen.is_watched
        screen.look()
        assert screen.is_watched
        screen.show(3, np.zeros((128, 128, 3), dtype=np.uint8))
        assert not is_shown(claim, shop.marketer)
        screen.look()
        assert step_shown(claim) == 3
        assert progress.get_preview(shop.marketer, claim.item_id)[:2] == b"\xff\xd8"

    def test_lets_go_of_what_nobody_wants_to_see(self, shop: make.Shop, claim: Claim) -> None:
        screen = Screen(claim.item_id, claim.epoch)
        screen.show(3, np.zeros((8, 8, 3), dtype=np.uint8))
        Preview.objects.all().delete()
        screen.look()
        services.watch([claim.item_id], make.NOW)
        screen.look()
        assert screen.is_watched
        assert not is_shown(claim, shop.marketer)

    def test_looks_only_now_and_then(self, claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(previewing, "LOOK_EVERY_S", 3600.0)
        screen = Screen(claim.item_id, claim.epoch)
        screen.look()
        Preview.objects.all().delete()
        screen.look()
        assert screen.is_watched
