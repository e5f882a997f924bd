"""What was used: device time beside the quota, per person, brand and model, and what is left."""

import pytest

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.quota import selectors, services
from tests.factories.quota import NOW, PERIOD, Holders, holders
from tests.factories.quota_requests import member

pytestmark = pytest.mark.django_db


@pytest.fixture
def held() -> Holders:
    return holders()


def make(held: Holders, gpu_s: float) -> None:
    item_id = uuid7()
    held.reserve(item_id)
    services.settle(item_id=item_id, now=NOW, gpu_s=gpu_s)


def times(held: Holders) -> dict[str, tuple[int, int]]:
    accounts = {kind: held.balance(kind) for kind in ("user", "brand", "model")}
    return {kind: (account.spent, account.gpu_ms) for kind, account in accounts.items()}


class TestGpuTime:
    def test_is_entered_with_what_was_spent(self, held: Holders) -> None:
        make(held, 1.2345)
        make(held, 0.5)
        assert times(held) == dict.fromkeys(("user", "brand", "model"), (2, 1734))
        assert selectors.check_books() == []

    def test_of_what_was_given_back_is_none(self, held: Holders) -> None:
        item_id = uuid7()
        held.reserve(item_id)
        services.refund(item_id=item_id, now=NOW)
        assert times(held)["user"] == (0, 0)

    @pytest.mark.parametrize(("gpu_s", "gpu_ms"), [(-3.0, 0), (0.0, 0), (1e12, 604_800_000)])
    def test_of_a_clock_that_jumped_breaks_nothing(
        self, held: Holders, gpu_s: float, gpu_ms: int
    ) -> None:
        make(held, gpu_s)
        assert times(held)["brand"] == (1, gpu_ms)


class TestListUsage:
    def test_shows_each_what_they_may_see(self, held: Holders) -> None:
        make(held, 1.0)
        holders()
        roles = {
            "marketer": Role.MARKETER,
            "manager": Role.BRAND_MANAGER,
            "auditor": Role.AUDITOR,
        }
        seen = {
            name: sorted(
                account.holder_kind
                for account in selectors.list_usage(
                    member(held.brand_id, role), period=PERIOD, brand_id=held.brand_id
                )
            )
            for name, role in roles.items()
        }
        own = Actor(held.user_id, roles={held.brand_id: frozenset({Role.MARKETER})})
        assert seen == {
            "marketer": [],
            "manager": ["brand", "user"],
            "auditor": ["brand", "user"],
        }
        assert [a.holder_id for a in selectors.list_usage(own, period=PERIOD)] == [held.user_id]
        everything = selectors.list_usage(held.admin, period=PERIOD)
        assert len(everything) == 6
        assert selectors.list_usage(held.admin, period="2026-12") == []
        page = selectors.list_usage(held.admin, period=PERIOD, after=everything[1].id, limit=2)
        assert page == everything[2:4]


class TestRoom:
    def test_names_all_three_accounts_and_what_is_missing(self) -> None:
        held = holders(model=0)
        room = selectors.room(
            user_id=held.user_id,
            brand_id=held.brand_id,
            profile_id=held.profile_id,
            period=PERIOD,
        )
        assert {kind: account and account.available for kind, account in room.items()} == {
            "user": 10,
            "brand": 10,
            "model": None,
        }


class TestSpentByModels:
    def test_adds_nothing_of_other_models(self, held: Holders) -> None:
        make(held, 2.0)
        other = holders()
        make(other, 1.0)
        found = selectors.spent_by_models([held.profile_id, uuid7()], PERIOD)
        assert [(a.spent, a.gpu_ms) for a in found.values()] == [(1, 2000)]
