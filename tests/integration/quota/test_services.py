from collections.abc import Callable
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger.models import Entry as LedgerEntry
from governance.policy.permits import NotPermitted
from governance.quota import selectors, services
from governance.quota.errors import AlreadyClosed, NeverReserved, QuotaExceeded
from governance.quota.models import Account, Entry
from tests.factories.quota import NOW, PERIOD, Holders, holders, platform_admin

pytestmark = pytest.mark.django_db


class TestGrant:
    def test_opens_the_account_and_adds_to_it(self) -> None:
        held = Holders()
        first = held.grant("user", 5)
        second = held.grant("user", 3)
        assert (first.granted, second.granted, second.available) == (5, 8, 8)
        assert first.id == second.id
        assert Entry.objects.filter(account_id=first.id).count() == 2

    def test_is_recorded_in_the_ledger(self) -> None:
        held = Holders()
        account = held.grant("brand", 5)
        entry = LedgerEntry.objects.get(event="quota.account.granted")
        assert (entry.subject_id, entry.actor_id, entry.brand_id) == (
            account.id,
            held.admin.id,
            held.brand_id,
        )
        assert Entry.objects.get().recorded_as == entry.id

    def test_refuses_oneself(self) -> None:
        admin = platform_admin()
        with pytest.raises(NotPermitted):
            Holders(user_id=admin.id, admin=admin).grant("user", 5)
        assert not Account.objects.exists()

    def test_refuses_whoever_is_no_admin(self) -> None:
        brand_id = uuid7()
        manager = Actor(id=uuid7(), roles={brand_id: frozenset(Role)})
        for actor in (
            manager,
            SYSTEM,
            Actor(uuid7(), ActorKind.INTEGRATION, is_platform_admin=True),
        ):
            with pytest.raises(NotPermitted):
                Holders(brand_id=brand_id, admin=actor).grant("user", 5)

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"holder_kind": "team"}, "/holder_kind"),
            ({"brand_id": None}, "/brand_id"),
            ({"holder_kind": "brand"}, "/brand_id"),
            ({"holder_kind": "model"}, "/brand_id"),
            ({"period": "2026-13"}, "/period"),
            ({"period": "2026"}, "/period"),
            ({"amount": 0}, "/amount"),
            ({"amount": -1}, "/amount"),
            ({"amount": 10**9 + 1}, "/amount"),
        ],
    )
    def test_refuses_malformed_input_and_writes_nothing(
        self, changes: dict[str, object], pointer: str
    ) -> None:
        held = Holders()
        given = {**held.key("user"), "amount": 1} | changes
        with pytest.raises(InvalidInput) as refused:
            services.grant(actor=held.admin, now=NOW, **given)
        assert refused.value.pointer == pointer
        assert not Account.objects.exists()
        assert not LedgerEntry.objects.exists()


class TestReserve:
    def test_takes_from_all_three_accounts(self) -> None:
        held = holders(user=5, brand=6, model=7)
        held.reserve(uuid7(), uuid7(), cost=2)
        assert held.figures("user") == (5, 4, 0)
        assert held.figures("brand") == (6, 4, 0)
        assert held.figures("model") == (7, 4, 0)

    @pytest.mark.parametrize("short", ["user", "brand", "model"])
    def test_takes_from_none_if_one_has_too_little(self, short: str) -> None:
        held = holders(**{short: 1})
        with pytest.raises(QuotaExceeded) as refused:
            held.reserve(uuid7(), uuid7())
        assert refused.value.facts == {
            "holder_kind": short,
            "granted": 1,
            "reserved": 0,
            "spent": 0,
            "asked": 2,
            "period": PERIOD,
        }
        assert (refused.value.status, refused.value.code) == (422, "quota_exceeded")
        assert "1 of 1 left" in refused.value.detail
        assert [held.figures(kind)[1] for kind in ("user", "brand", "model")] == [0, 0, 0]

    @pytest.mark.parametrize("missing", ["user", "brand", "model"])
    def test_counts_no_account_as_nothing_granted(self, missing: str) -> None:
        held = holders(**{missing: 0})
        with pytest.raises(QuotaExceeded) as refused:
            held.reserve(uuid7())
        assert refused.value.facts["holder_kind"] == missing
        assert refused.value.facts["granted"] == 0

    def test_counts_only_the_present_period(self) -> None:
        held = holders()
        later = NOW.replace(month=12)
        with pytest.raises(QuotaExceeded):
            services.reserve(
                item_ids=[uuid7()],
                user_id=held.user_id,
                brand_id=held.brand_id,
                profile_id=held.profile_id,
                now=later,
            )

    def test_counts_only_the_person_in_this_brand(self) -> None:
        held = holders()
        elsewhere = Holders(user_id=held.user_id, profile_id=held.profile_id)
        elsewhere.grant("brand", 5)
        with pytest.raises(QuotaExceeded) as refused:
            elsewhere.reserve(uuid7())
        assert refused.value.facts["holder_kind"] == "user"

    def test_fills_to_exactly_the_limit(self) -> None:
        held = holders(user=3)
        held.reserve(uuid7(), uuid7(), uuid7())
        assert held.balance("user").available == 0
        with pytest.raises(QuotaExceeded):
            held.reserve(uuid7())

    def test_leaves_the_transaction_usable_when_it_refuses(self) -> None:
        held = holders(user=1)
        with transaction.atomic():
            with pytest.raises(QuotaExceeded):
                held.reserve(uuid7(), uuid7())
            held.reserve(uuid7())
        assert held.figures("user") == (1, 1, 0)

    def test_keeps_a_reservation_that_is_there(self) -> None:
        held, item_id, other_id = holders(user=2), uuid7(), uuid7()
        held.reserve(item_id)
        held.reserve(item_id, other_id)
        assert held.figures("user") == (2, 2, 0)

    def test_refuses_an_item_that_was_closed(self) -> None:
        held, item_id = holders(), uuid7()
        held.reserve(item_id)
        services.refund(item_id=item_id, now=NOW)
        with pytest.raises(AlreadyClosed):
            held.reserve(item_id)

    def test_refuses_nonsense(self) -> None:
        held, item_id = holders(), uuid7()
        for item_ids, cost in ([(), 1], [(item_id, item_id), 1], [(item_id,), 0], [(item_id,), -1]):
            with pytest.raises(ValueError, match="reservation"):
                held.reserve(*item_ids, cost=cost)

    def test_needs_three_statements_however_many_items(self) -> None:
        held = holders()
        with CaptureQueriesContext(connection) as queries:
            held.reserve(*(uuid7() for _ in range(8)))
        assert len(queries) == 3


@pytest.mark.django_db(transaction=True)
class TestReserveOutside:
    def test_refuses_to_run_outside_a_transaction(self) -> None:
        held = holders()
        with pytest.raises(TransactionManagementError, match="in the transaction"):
            held.reserve(uuid7())


class TestClose:
    def test_settles_what_was_reserved(self) -> None:
        held, item_id = holders(), uuid7()
        held.reserve(item_id, cost=2)
        assert services.settle(item_id=item_id, now=NOW) is True
        assert held.figures("user") == held.figures("brand") == held.figures("model") == (10, 0, 2)

    def test_refunds_what_was_reserved(self) -> None:
        held, item_id = holders(), uuid7()
        held.reserve(item_id, cost=2)
        assert services.refund(item_id=item_id, now=NOW) is True
        assert held.figures("user") == held.figures("brand") == held.figures("model") == (10, 0, 0)

    @pytest.mark.parametrize("first", [services.settle, services.refund])
    @pytest.mark.parametrize("second", [services.settle, services.refund])
    def test_moves_only_once(self, first: Callable[..., bool], second: Callable[..., bool]) -> None:
        held, item_id = holders(), uuid7()
        held.reserve(item_id)
        assert first(item_id=item_id, now=NOW) is True
        before = held.figures("user")
        assert second(item_id=item_id, now=NOW) is False
        assert held.figures("user") == before

    @pytest.mark.parametrize("close", [services.settle, services.refund])
    def test_refuses_what_was_never_reserved(self, close: Callable[..., bool]) -> None:
        with pytest.raises(NeverReserved):
            close(item_id=uuid7(), now=NOW)

    def test_closes_in_the_period_of_the_reservation(self) -> None:
        held, item_id = holders(), uuid7()
        held.reserve(item_id)
        services.settle(item_id=item_id, now=NOW.replace(month=12))
        assert held.figures("user") == (10, 0, 1)


class TestBalance:
    def test_is_hidden_from_strangers(self) -> None:
        held = holders()
        for actor in (
            Actor(uuid7()),
            Actor(uuid7(), roles={held.brand_id: frozenset({Role.MARKETER})}),
        ):
            for kind in ("user", "brand", "model"):
                with pytest.raises(NotFound):
                    selectors.balance(actor, **held.key(kind))

    def test_shows_a_person_their_own(self) -> None:
        held = holders()
        assert selectors.balance(Actor(held.user_id), **held.key("user")).available == 10

    def test_does_not_show_a_brand_to_whoever_has_its_id(self) -> None:
        held = holders()
        with pytest.raises(NotFound):
            selectors.balance(Actor(held.brand_id), **held.key("brand"))

    def test_lists_what_the_actor_may_see(self) -> None:
        held = holders()
        roles = {held.brand_id: frozenset({Role.BRAND_MANAGER})}
        wanted = {"user_id": held.user_id, "brand_id": held.brand_id, "period": PERIOD}

        def kinds(actor: Actor) -> list[str]:
            return [a.holder_kind for a in selectors.list_balances(actor, **wanted)]

        assert kinds(Actor(held.user_id)) == ["user"]
        assert kinds(Actor(uuid7(), roles=roles)) == ["user", "brand"]
        assert kinds(Actor(uuid7())) == []


class TestBooks:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["reserve", "settle", "refund", "grant"]),
                st.integers(0, 4),
                st.integers(1, 3),
            ),
            max_size=12,
        )
    )
    def test_say_what_a_plain_ledger_says(self, db: None, acts: list[tuple[str, int, int]]) -> None:
        """Hold the books against twelve lines of Python, act by act."""
        held, granted, items = holders(user=4, brand=100, model=100), 4, {}
        names = [UUID(int=uuid7().int) for _ in range(5)]
        for act, which, cost in acts:
            state, size = items.get(which, ("", 0))
            used = sum(s for kind, s in items.values() if kind != "refund")
            if act == "grant":
                held.grant("user", cost)
                granted += cost
            elif act == "reserve":
                if state in {"settle", "refund"}:
                    with pytest.raises(AlreadyClosed):
                        held.reserve(names[which], cost=cost)
                elif not state and used + cost > granted:
                    with pytest.raises(QuotaExceeded):
                        held.reserve(names[which], cost=cost)
                else:
                    held.reserve(names[which], cost=cost)
                    items[which] = ("reserve", size or cost)
            elif not state:
                with pytest.raises(NeverReserved):
                    getattr(services, act)(item_id=names[which], now=NOW)
            else:
                moved = getattr(services, act)(item_id=names[which], now=NOW)
                assert moved is (state == "reserve")
                items[which] = (act if moved else state, size)
        totals = {
            k: sum(s for kind, s in items.values() if kind == k) for k in ("reserve", "settle")
        }
        assert held.figures("user") == (granted, totals["reserve"], totals["settle"])
        assert selectors.check_books() == []

    def test_balance_says_the_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        holders().reserve(uuid7())
        call_command("quota", "check")
        assert "The books balance." in capsys.readouterr().out

    def test_differ_says_the_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        line = selectors.Discrepancy(uuid7(), "spent", 3, 2)
        monkeypatch.setattr(selectors, "check_books", lambda: [line])
        with pytest.raises(CommandError, match="1 figures differ"):
            call_command("quota", "check")
        assert "spent is 3, its entries say 2" in capsys.readouterr().out
