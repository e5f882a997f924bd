"""Recording an act: with its change or not at all, in the exact bytes, for who may read it."""

import json
from uuid import UUID

import pytest
from django.db import connection, transaction

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger import selectors, services
from governance.ledger.errors import FactNotRecordable, OutsideTransaction, UnknownEvent
from governance.ledger.events import Event
from tests.integration.ledger.log import NOW, write

pytestmark = pytest.mark.django_db


def append(actor: Actor = SYSTEM, brand_id: UUID | None = None, **changes: object) -> UUID:
    given: dict[str, object] = {
        "actor": actor,
        "event": Event.REVIEW_CASE_DECIDED,
        "subject": SubjectRef("review_case", uuid7(), brand_id),
        "now": NOW,
    }
    return services.append(**{**given, **changes})


class TestAppend:
    def test_keeps_the_exact_bytes_and_puts_the_entry_into_the_inbox(self) -> None:
        person, brand_id = Actor(id=uuid7()), uuid7()
        entry_id = append(person, brand_id, facts={"stage": "brand", "seconds": 12})
        entry = selectors.get_entry(entry_id, actor=SYSTEM)
        content = entry.content()
        assert json.dumps(content, separators=(",", ":"), sort_keys=True).encode() == entry.body
        assert content["facts"] == {"seconds": 12, "stage": "brand"}
        assert (content["id"], content["brand"]) == (str(entry_id), str(brand_id))
        assert (entry.actor_id, entry.created_at, entry.seq) == (person.id, NOW, None)
        assert selectors.oldest_pending_at() == NOW

    def test_refuses_an_event_that_is_not_registered(self) -> None:
        with pytest.raises(UnknownEvent):
            append(event="review.case.forgotten")

    def test_refuses_personal_text_that_is_not_sealed(self) -> None:
        with pytest.raises(FactNotRecordable):
            append(sealed={"reason": b"too much skin"})

    def test_takes_sealed_text(self) -> None:
        entry_id = append(sealed={"reason": b"\x01" + bytes(44)})
        content = selectors.get_entry(entry_id, actor=SYSTEM).content()
        assert content["sealed"] == {"reason": "AQ" + "A" * 58}


@pytest.mark.django_db(transaction=True)
class TestTransaction:
    def test_is_required(self) -> None:
        with pytest.raises(OutsideTransaction):
            append()

    def test_that_fails_leaves_no_entry(self) -> None:
        with transaction.atomic():
            append()
            transaction.set_rollback(True)
        assert selectors.list_entries(actor=SYSTEM).entries == ()
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM ledger_pending")
            assert cursor.fetchone() == (0,)


class TestReading:
    def test_is_scoped_to_the_brands_that_the_actor_audits(self) -> None:
        mine, other = uuid7(), uuid7()
        entry_id, foreign_id = append(brand_id=mine), append(brand_id=other)
        unbranded_id = append()
        auditor = Actor(id=uuid7(), roles={mine: frozenset({Role.AUDITOR})})
        assert [e.id for e in selectors.list_entries(actor=auditor).entries] == [entry_id]
        assert selectors.get_entry(entry_id, actor=auditor).id == entry_id
        for hidden in (foreign_id, unbranded_id, uuid7()):
            with pytest.raises(NotFound):
                selectors.get_entry(hidden, actor=auditor)

    def test_shows_nothing_to_who_audits_nothing(self) -> None:
        brand_id = uuid7()
        append(brand_id=brand_id)
        marketer = Actor(id=uuid7(), roles={brand_id: frozenset({Role.MARKETER})})
        assert selectors.list_entries(actor=marketer).entries == ()

    def test_pages_newest_first_without_gap_or_repeat(self) -> None:
        written = write(7)
        seen: list[UUID] = []
        after = None
        while True:
            page = selectors.list_entries(actor=SYSTEM, after=after, limit=3)
            seen += [entry.id for entry in page.entries]
            if (after := page.after) is None:
                break
        assert seen == sorted(written, reverse=True)

    def test_takes_one_query_a_page(self, django_assert_num_queries: object) -> None:
        write(5)
        services.sequence(now=NOW)
        with django_assert_num_queries(1):
            page = selectors.list_entries(actor=SYSTEM)
        assert [entry.seq for entry in page.entries] == [4, 3, 2, 1, 0]

    def test_filters_by_brand_event_subject_and_actor(self) -> None:
        person, brand_id = Actor(id=uuid7()), uuid7()
        entry_id = append(person, brand_id)
        write(2)
        subject_id = selectors.get_entry(entry_id, actor=SYSTEM).subject_id
        for chosen in (
            {"brand_id": brand_id},
            {"event_prefix": "review.case.dec"},
            {"subject_id": subject_id},
            {"actor_id": person.id},
        ):
            page = selectors.list_entries(actor=SYSTEM, **chosen)
            assert [entry.id for entry in page.entries] == [entry_id]

    @pytest.mark.parametrize("limit", [0, -1, 501])
    def test_refuses_a_page_without_measure(self, limit: int) -> None:
        with pytest.raises(InvalidInput):
            selectors.list_entries(actor=SYSTEM, limit=limit)
