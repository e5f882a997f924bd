"""The estimate before the click, and the use after it: device time, quota, money; none invented."""

from decimal import Decimal
from typing import Any

import pytest
from imprimatur.workflow import costs, order, usage

from generation.jobs.models import JobItem
from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.policy.permits import NotPermitted
from governance.quota import services as quota
from tests.factories.orders import VARIABLES, Desk
from tests.factories.quota import PERIOD, platform_admin
from tests.factories.review import NOW, person


@pytest.fixture(autouse=True)
def _prices(settings: Any) -> None:
    settings.PRICE_PER_GPU_SECOND = Decimal("0.0007")
    settings.HOSTED_PRICE_PER_IMAGE = Decimal("0.04")
    settings.PRICE_CURRENCY = "EUR"


def shown(desk: Desk, actor: Actor | None = None, **changes: Any) -> costs.Estimate:
    return order.preview(
        actor=actor or desk.marketer,
        template_id=desk.version.template_id,
        variables=VARIABLES,
        now=NOW,
        **changes,
    ).estimate


def measured(desk: Desk, render_s: float) -> None:
    """Have an image made that took so long."""
    item = desk.place().items[0]
    JobItem.objects.filter(pk=item.id).update(render_s=render_s, finished_at=NOW, state="failed")


class TestEstimate:
    def test_invents_no_time_and_no_cost_of_it(self, desk: Desk) -> None:
        found = shown(desk, variants=3)
        assert (found.images, found.gpu_s) == (3, None)
        assert found.costs == costs.Costs(None, Decimal("0.1200"), "EUR")

    def test_multiplies_what_was_measured(self, desk: Desk) -> None:
        measured(desk, 12.5)
        found = shown(desk, variants=2)
        assert found.gpu_s == 25.0
        assert found.costs.own == Decimal("0.0175")

    def test_says_what_is_left_on_each_account_after_it(self, desk: Desk) -> None:
        found = shown(desk, variants=2)
        assert [(each.holder_kind, each.left, each.after) for each in found.accounts] == [
            ("user", 5, 3),
            ("brand", 100, 98),
            ("model", 100, 98),
        ]
        assert min(each.after for each in shown(desk, variants=7).accounts) == -2

    def test_says_zero_where_nothing_was_granted(self, desk: Desk) -> None:
        other = person(desk.brand_id, Role.MARKETER)
        users = next(each for each in shown(desk, other).accounts if each.holder_kind == "user")
        assert (users.left, users.after) == (0, -1)

    def test_tells_the_balances_to_those_who_order_alone(self, desk: Desk) -> None:
        assert shown(desk, person(desk.brand_id, Role.BRAND_REVIEWER)).accounts == ()

    @pytest.mark.parametrize(("width", "height"), [(250, 256), (256, None), (512, 512)])
    def test_of_a_size_that_cannot_be_ordered_is_refused(
        self, desk: Desk, width: int, height: int | None
    ) -> None:
        with pytest.raises(InvalidInput):
            shown(desk, width=width, height=height)


class TestCosts:
    def test_are_exact(self, settings: Any) -> None:
        settings.PRICE_PER_GPU_SECOND = Decimal("0.1")
        assert costs.costs_of(images=3, gpu_s=0.3).own == Decimal("0.0300")
        assert costs.costs_of(images=3, gpu_s=0.1 + 0.2).own == Decimal("0.0300")
        assert costs.costs_of(images=10**9, gpu_s=0.0).hosted == Decimal("40000000.0000")

    def test_without_a_price_are_not_said(self, settings: Any) -> None:
        settings.PRICE_PER_GPU_SECOND = settings.HOSTED_PRICE_PER_IMAGE = None
        assert costs.costs_of(images=3, gpu_s=9.0) == costs.Costs(None, None, "EUR")

    def test_of_a_free_device_are_nothing(self, settings: Any) -> None:
        settings.PRICE_PER_GPU_SECOND = Decimal(0)
        assert costs.costs_of(images=1, gpu_s=9.0).own == 0


class TestUsage:
    def test_prices_what_was_spent(self, desk: Desk) -> None:
        items = desk.place(variants=2).items
        quota.settle(item_id=items[0].id, now=NOW, gpu_s=10.0)
        quota.refund(item_id=items[1].id, now=NOW)
        found = usage.list_usage(platform_admin(), period=PERIOD)
        assert [(use.holder_kind, use.images, use.gpu_s) for use in found] == [
            ("user", 1, 10.0),
            ("brand", 1, 10.0),
            ("model", 1, 10.0),
        ]
        assert {use.costs for use in found} == {
            costs.Costs(Decimal("0.0070"), Decimal("0.0400"), "EUR")
        }

    @pytest.mark.parametrize("period", ["2026-13", "2026", "", "2026-1"])
    def test_of_an_unknown_period_is_refused(self, desk: Desk, period: str) -> None:
        with pytest.raises(InvalidInput):
            usage.list_usage(platform_admin(), period=period)


class TestLicenceUsage:
    def test_counts_what_was_made_under_it(self, desk: Desk) -> None:
        item = desk.place().items[0]
        quota.settle(item_id=item.id, now=NOW, gpu_s=1.5)
        licence_id = desk.profile.licence_id
        assert licence_id is not None
        admin = platform_admin()
        found = usage.licence_usage(admin, licence_id=licence_id, period=PERIOD)
        assert (found.images, found.gpu_s, found.models) == (1, 1.5, 1)
        later = usage.licence_usage(admin, licence_id=licence_id, period="2026-12")
        assert (later.images, later.models) == (0, 0)

    def test_is_for_platform_admins(self, desk: Desk) -> None:
        licence_id = desk.profile.licence_id or uuid7()
        with pytest.raises(NotPermitted):
            usage.licence_usage(desk.marketer, licence_id=licence_id, period=PERIOD)
        with pytest.raises(NotFound):
            usage.licence_usage(platform_admin(), licence_id=uuid7(), period=PERIOD)
        with pytest.raises(InvalidInput):
            usage.licence_usage(platform_admin(), licence_id=licence_id, period="soon")
