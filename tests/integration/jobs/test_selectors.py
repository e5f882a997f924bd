"""Reads of orders: a brand is a wall, one's own is one's own, a long list asks no more often."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.assets import selectors as assets
from generation.jobs import selectors
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger import services as ledger
from tests.factories import jobs as make
from tests.factories import review


class TestTheWallBetweenBrands:
    def test_hides_orders_items_prompts_and_assets(self, shop: make.Shop) -> None:
        job = shop.order()
        asset_id = make.finish(make.claimed(job.items[0]))
        other = make.shop("southwind")
        theirs = other.order()
        for actor in (
            other.marketer,
            other.team.manager,
            other.team.auditor,
            other.team.compliance_reviewer,
            Actor(uuid7()),
            Actor(uuid7(), is_platform_admin=True),
        ):
            for read in (
                lambda a: selectors.get_job(a, job.id),
                lambda a: selectors.get_item(a, job.items[0].id),
                lambda a: selectors.prompt_of(a, job.items[0].id),
                lambda a: assets.get_asset(a, asset_id),
                lambda a: assets.read_bytes(a, asset_id),
            ):
                with pytest.raises(NotFound):
                    read(actor)
            assert job.id not in {found.id for found in selectors.list_jobs(actor)}
            assert selectors.list_jobs(actor, brand_id=shop.brand_id) == []
            assert assets.list_assets(actor, job_id=job.id) == []
            assert assets.find_assets(actor, [asset_id]) == {}
        assert [found.id for found in selectors.list_jobs(other.marketer)] == [theirs.id]

    def test_shows_a_marketer_only_their_own_orders(self, shop: make.Shop) -> None:
        job = shop.order()
        colleague = review.person(shop.brand_id, Role.MARKETER)
        assert selectors.list_jobs(colleague) == []
        with pytest.raises(NotFound):
            selectors.get_job(colleague, job.id)

    def test_lets_list_and_get_agree_for_every_kind_of_actor(self, shop: make.Shop) -> None:
        jobs = [shop.order(), make.shop("southwind").order()]
        for actor in (
            shop.marketer,
            shop.team.brand_reviewer,
            shop.team.compliance_reviewer,
            shop.team.manager,
            shop.team.auditor,
            review.person(shop.brand_id, Role.MARKETER),
            review.person(shop.brand_id, Role.DATA_STEWARD),
            # Who left the brand no longer sees even what they ordered.
            Actor(shop.marketer.id),
            Actor(uuid7(), is_platform_admin=True),
            SYSTEM,
        ):
            listed = {job.id for job in selectors.list_jobs(actor)}
            got = {
                job.id for job in jobs if selectors.may_read(actor, job.brand_id, job.requester_id)
            }
            assert listed == got


class TestListJobs:
    def test_goes_back_page_by_page(self, shop: make.Shop) -> None:
        made = [shop.order().id for _ in range(3)]
        first = selectors.list_jobs(shop.marketer, limit=2)
        rest = selectors.list_jobs(shop.marketer, limit=2, after=first[-1].id)
        assert [job.id for job in (*first, *rest)] == made[::-1]

    def test_asks_as_often_for_many_orders_as_for_one(self, shop: make.Shop) -> None:
        make.finish(make.claimed(shop.order(2).items[0]))
        one = queries(shop)
        for _ in range(4):
            make.finish(make.claimed(shop.order(2).items[0]))
        assert queries(shop) == one
        assert len(selectors.list_jobs(shop.marketer)) == 5

    def test_derives_the_orders_state_from_its_items(self, shop: make.Shop) -> None:
        job = shop.order(2)
        states = [selectors.get_job(shop.marketer, job.id).state]
        for item in job.items:
            claim = make.claimed(item)
            states.append(selectors.get_job(shop.marketer, job.id).state)
            make.finish(claim)
        states.append(selectors.get_job(shop.marketer, job.id).state)
        assert states == ["queued", "running", "running", "done"]


class TestErasure:
    def test_leaves_the_order_readable_without_its_texts(self, shop: make.Shop) -> None:
        job = shop.order()
        steward = review.person(shop.brand_id, Role.DATA_STEWARD)
        ledger.erase_person(
            actor=steward, person_id=shop.marketer.id, brand_id=shop.brand_id, now=make.NOW
        )
        seen = selectors.get_job(shop.team.manager, job.id)
        assert seen.variables is None
        assert selectors.prompt_of(shop.team.manager, job.items[0].id) is None


def queries(shop: make.Shop) -> int:
    with CaptureQueriesContext(connection) as captured:
        selectors.list_jobs(shop.marketer)
    return len(captured)
