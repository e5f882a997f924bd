"""Asking for more: one person asks, another grants or declines, and both stay on record."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry as LedgerEntry
from governance.policy.permits import NotPermitted
from governance.quota import selectors, services
from governance.quota.errors import AlreadyAsked
from governance.quota.models import Entry
from tests import rows
from tests.factories.quota import NOW, PERIOD
from tests.factories.quota_requests import Office, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return Office()


def granted(office: Office, kind: str = "user", holder: Any = None) -> int:
    account = selectors.room(
        user_id=holder or office.marketer.id,
        brand_id=office.brand_id,
        profile_id=holder or uuid7(),
        period=PERIOD,
    )[kind]
    return account.granted if account else 0


def events(request: Any) -> list[str]:
    found = LedgerEntry.objects.filter(subject_id=request.id).order_by("id")
    return list(found.values_list("event", flat=True))


class TestAsking:
    def test_adds_nothing_before_somebody_else_grants_it(self, office: Office) -> None:
        asked = office.ask(amount=7)
        assert (asked.state, asked.amount, asked.reason) == ("open", 7, "The spring campaign.")
        assert granted(office) == 0
        assert events(asked) == ["quota.request.created"]

    @pytest.mark.parametrize(
        ("changes", "pointer", "rule"),
        [
            ({"amount": 0}, "/amount", "range"),
            ({"amount": -1}, "/amount", "range"),
            ({"amount": 1_000_000_001}, "/amount", "range"),
            ({"amount": 2.5}, "/amount", "range"),
            ({"amount": True}, "/amount", "range"),
            ({"period": "2026-13"}, "/period", "pattern"),
            ({"period": "soon"}, "/period", "pattern"),
            ({"period": "2026-10"}, "/period", "past"),
            ({"holder_kind": "team"}, "/holder_kind", "enum"),
            ({"holder_kind": "brand"}, "/brand_id", "holder"),
            ({"reason": " "}, "/reason", "length"),
            ({"reason": "x" * 2001}, "/reason", "length"),
        ],
    )
    def test_refuses_what_makes_no_sense_and_writes_nothing(
        self, office: Office, changes: dict[str, Any], pointer: str, rule: str
    ) -> None:
        before = rows.counted()
        with pytest.raises(InvalidInput) as error:
            office.ask(**changes)
        assert (error.value.pointer, error.value.facts["rule"]) == (pointer, rule)
        assert rows.added_since(before) == {}

    def test_hides_a_brand_that_is_not_the_askers(self, office: Office) -> None:
        with pytest.raises(NotFound):
            office.ask(brand_id=uuid7())

    def test_is_for_those_who_order_or_manage(self, office: Office) -> None:
        for role in (Role.BRAND_REVIEWER, Role.AUDITOR, Role.DATA_STEWARD):
            with pytest.raises(NotPermitted):
                office.ask(member(office.brand_id, role))

    def test_for_another_person_is_the_managers(self, office: Office) -> None:
        other = uuid7()
        with pytest.raises(NotPermitted):
            office.ask(holder_id=other)
        assert office.ask(office.manager, holder_id=other).holder_id == other

    def test_for_the_brand_and_for_a_model_is_open_to_whoever_orders(self, office: Office) -> None:
        office.ask(holder_kind="brand", holder_id=office.brand_id)
        model = uuid7()
        office.grant(office.ask(holder_kind="model", holder_id=model, amount=4))
        assert granted(office, "model", model) == 4

    def test_waits_for_the_first_answer(self, office: Office) -> None:
        first = office.ask()
        with pytest.raises(AlreadyAsked):
            office.ask(amount=3)
        office.withdraw(first)
        assert office.ask(amount=3).state == "open"


class TestGranting:
    def test_adds_all_of_it_in_one_step(self, office: Office) -> None:
        asked = office.ask()
        done = office.grant(asked, answer="Good luck.")
        assert (done.state, done.granted, done.answer) == ("granted", 10, "Good luck.")
        assert (done.decided_by, done.decided_at) == (office.admin.id, NOW)
        assert granted(office) == 10
        entry = Entry.objects.get(request_id=asked.id)
        assert (entry.amount, entry.granted_by) == (10, office.admin.id)
        assert events(asked) == ["quota.request.created", "quota.request.granted"]
        recorded = LedgerEntry.objects.get(id=entry.recorded_as)
        assert str(asked.id).encode() in bytes(recorded.body)

    def test_may_give_fewer_and_never_more(self, office: Office) -> None:
        asked = office.ask()
        for amount in (0, -1, 11, 2.5):
            with pytest.raises(InvalidInput):
                office.grant(asked, amount=amount)
        assert office.grant(asked, amount=4).granted == 4
        assert granted(office) == 4

    def test_is_a_managers_for_a_person_and_an_admins_for_everything(self, office: Office) -> None:
        office.grant(office.ask(), office.manager)
        for asked in (
            office.ask(holder_kind="brand", holder_id=office.brand_id),
            office.ask(holder_kind="model", holder_id=uuid7()),
        ):
            with pytest.raises(NotPermitted):
                office.grant(asked, office.manager)
            office.grant(asked, office.admin)

    def test_is_never_the_requesters_or_the_holders(self, office: Office) -> None:
        asked = office.ask(office.manager)
        with pytest.raises(NotPermitted):
            office.grant(asked, office.manager)
        both = member(office.brand_id, Role.MARKETER, Role.BRAND_MANAGER, is_admin=True)
        for request in (office.ask(both), office.ask(office.manager, holder_id=both.id)):
            with pytest.raises(NotPermitted):
                office.grant(request, both)
            with pytest.raises(NotPermitted):
                office.decline(request, both)

    def test_of_a_month_that_is_over_is_refused(self, office: Office) -> None:
        asked = office.ask()
        with pytest.raises(InvalidInput) as error:
            office.grant(asked, now=NOW.replace(month=12))
        assert error.value.facts["rule"] == "past"
        assert office.decline(asked).state == "declined"

    def test_is_hidden_from_other_brands(self, office: Office) -> None:
        asked = office.ask()
        with pytest.raises(NotFound):
            office.grant(asked, Office().manager)


class TestDeciding:
    def test_declines_with_a_reason_that_the_requester_reads(self, office: Office) -> None:
        asked = office.ask()
        with pytest.raises(InvalidInput):
            services.decline_request(actor=office.admin, request_id=asked.id, answer="  ", now=NOW)
        office.decline(asked)
        seen = selectors.get_request(office.marketer, asked.id)
        assert (seen.state, seen.answer, seen.granted) == ("declined", "Not this month.", None)
        assert granted(office) == 0

    @pytest.mark.parametrize("first", ["grant", "decline", "withdraw"])
    @pytest.mark.parametrize("second", ["grant", "decline", "withdraw"])
    def test_happens_once(self, office: Office, first: str, second: str) -> None:
        asked = office.ask()
        done = getattr(office, first)(asked)
        before = rows.counted()
        with pytest.raises(IllegalTransition):
            getattr(office, second)(asked)
        assert rows.added_since(before) == {}
        assert selectors.get_request(office.marketer, asked.id) == done

    def test_withdrawing_is_the_requesters_alone(self, office: Office) -> None:
        asked = office.ask()
        for other in (office.manager, office.admin):
            with pytest.raises(NotPermitted):
                office.withdraw(asked, other)
        assert office.withdraw(asked).state == "withdrawn"


class TestReading:
    def test_shows_each_what_concerns_them(self, office: Office) -> None:
        own = office.ask()
        brands = office.ask(office.manager, holder_kind="brand", holder_id=office.brand_id)
        Office().ask()
        seen = {
            name: [each.id for each in selectors.list_requests(actor)]
            for name, actor in {
                "marketer": office.marketer,
                "manager": office.manager,
                "auditor": member(office.brand_id, Role.AUDITOR),
                "reviewer": member(office.brand_id, Role.BRAND_REVIEWER),
            }.items()
        }
        assert seen == {
            "marketer": [own.id],
            "manager": [brands.id, own.id],
            "auditor": [brands.id, own.id],
            "reviewer": [],
        }
        assert len(selectors.list_requests(office.admin)) == 3
        with pytest.raises(NotFound):
            selectors.get_request(office.marketer, brands.id)

    def test_filters_and_pages(self, office: Office) -> None:
        first = office.ask()
        office.decline(first)
        second = office.ask()
        assert [r.id for r in selectors.list_requests(office.manager, state="open")] == [second.id]
        page = selectors.list_requests(office.manager, after=second.id, limit=1)
        assert [r.id for r in page] == [first.id]

    def test_forgets_the_texts_of_whoever_was_erased(self, office: Office) -> None:
        asked = office.ask()
        office.decline(asked)
        steward = member(office.brand_id, Role.DATA_STEWARD)
        erase(office, steward)
        seen = selectors.get_request(office.manager, asked.id)
        assert (seen.reason, seen.answer, seen.state) == (None, "Not this month.", "declined")


def erase(office: Office, steward: Any) -> None:
    from django.db import transaction

    from governance.sealing import services as sealing

    with transaction.atomic():
        sealing.destroy_key(actor=steward, person_id=office.marketer.id, now=NOW)


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_the_second_decider_comes_too_late(self, office: Office) -> None:
        asked = office.ask()
        outcomes = at_once(
            lambda: office.grant(asked, office.manager),
            lambda: office.decline(asked, office.admin),
            lambda: office.grant(asked, office.admin),
        )
        assert sorted(outcomes) == ["decided", "illegal_transition", "illegal_transition"]
        seen = selectors.get_request(office.marketer, asked.id)
        assert granted(office) == (seen.granted or 0)
        assert selectors.check_books() == []

    def test_two_requests_for_one_account_leave_one(self, office: Office) -> None:
        outcomes = at_once(office.ask, office.ask, office.ask)
        assert sorted(outcomes) == ["decided", "quota_already_asked", "quota_already_asked"]
        assert len(selectors.list_requests(office.manager)) == 1


def at_once(*acts: Callable[[], Any]) -> list[str]:
    """Run the acts in threads that start together, and return what became of each."""
    outcomes: list[str] = []
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> None:
        try:
            barrier.wait(10)
            act()
            outcomes.append("decided")
        except DomainError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes
