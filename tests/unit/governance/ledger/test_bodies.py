"""An entry's bytes: canonical, bounded, and without a type that two writers spell differently."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.actors import Actor, ActorKind
from governance.kernel.subjects import SubjectRef
from governance.ledger import bodies
from governance.ledger.errors import EntryTooLarge, FactNotRecordable
from governance.ledger.events import Event

ENTRY_ID, PERSON_ID, KEY_ID, CASE_ID, BRAND_ID = (
    UUID(f"00000000-0000-7000-8000-00000000000{digit}") for digit in range(1, 6)
)


def body(facts: dict[Any, Any] | None = None, **changes: Any) -> bytes:
    given: dict[str, Any] = {
        "entry_id": ENTRY_ID,
        "actor": Actor(id=PERSON_ID),
        "event": Event.REVIEW_CASE_APPROVED,
        "subject": SubjectRef("review_case", CASE_ID, BRAND_ID, "ab" * 32),
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "facts": facts or {},
        "sealed": {},
    }
    return bodies.body(**{**given, **changes})


class TestBody:
    def test_has_these_exact_bytes(self) -> None:
        assert body({"stage": 2, "ok": True}, sealed={"reason": b"\x01\x02"}) == (
            b'{"actor":{"id":"00000000-0000-7000-8000-000000000002","kind":"person"},'
            b'"at":"2026-01-02T00:00:00.000000Z",'
            b'"brand":"00000000-0000-7000-8000-000000000005",'
            b'"event":"review.case.approved","facts":{"ok":true,"stage":2},'
            b'"id":"00000000-0000-7000-8000-000000000001","sealed":{"reason":"AQI="},'
            b'"subject":{"id":"00000000-0000-7000-8000-000000000004","kind":"review_case",'
            b'"sha256":"' + b"ab" * 32 + b'"},"v":1}'
        )

    def test_names_the_key_of_an_integration(self) -> None:
        actor = Actor(id=PERSON_ID, kind=ActorKind.INTEGRATION, key_id=KEY_ID)
        assert json.loads(body(actor=actor))["actor"] == {
            "id": str(PERSON_ID),
            "kind": "integration",
            "key": str(KEY_ID),
        }

    def test_leaves_out_a_digest_that_is_not_there(self) -> None:
        content = json.loads(body(subject=SubjectRef("quota_account", CASE_ID)))
        assert content["subject"] == {"id": str(CASE_ID), "kind": "quota_account"}
        assert content["brand"] is None

    @pytest.mark.parametrize(
        "fact",
        [0.5, None, b"bytes", CASE_ID, {1: "x"}, 2**53, "\ud800", [[[[[1]]]]], datetime.now(UTC)],
    )
    def test_refuses_a_fact_of_another_type(self, fact: object) -> None:
        with pytest.raises(FactNotRecordable):
            body({"fact": fact})

    def test_takes_words_integers_lists_and_maps(self) -> None:
        facts = {"event": Event.REVIEW_CASE_OPENED, "sizes": (1, 2), "scores": {"sharpness": "0.5"}}
        assert json.loads(body(facts))["facts"] == {
            "event": "review.case.opened",
            "sizes": [1, 2],
            "scores": {"sharpness": "0.5"},
        }

    def test_refuses_a_digest_that_is_none(self) -> None:
        with pytest.raises(FactNotRecordable):
            body(subject=SubjectRef("asset", CASE_ID, None, "AB" * 32))

    def test_holds_16_kib_and_not_a_byte_more(self) -> None:
        room = bodies.MAX_BODY_BYTES - len(body({"text": ""}))
        assert len(body({"text": "x" * room})) == bodies.MAX_BODY_BYTES
        with pytest.raises(EntryTooLarge):
            body({"text": "x" * (room + 1)})

    def test_refuses_a_time_without_a_zone(self) -> None:
        with pytest.raises(ValueError, match="zone"):
            body(at=datetime(2026, 1, 2))  # noqa: DTZ001 (that is the point)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_text_refuses_what_is_no_number(value: float) -> None:
    with pytest.raises(FactNotRecordable):
        bodies.number_text(value)


def test_events_stand_in_alphabetical_order_and_are_prefixes() -> None:
    values = [event.value for event in Event]
    assert values == sorted(values)
    for event in Event:
        assert event.value.count(".") == 2
        assert event.name == event.value.replace(".", "_").upper()
