import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Never

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger.models import Entry as LedgerEntry
from governance.policy.permits import NotPermitted
from governance.refusals import selectors, services
from governance.refusals.models import Refusal
from governance.refusals.records import RefusalRecord
from governance.refusals.services import _record
from governance.sealing import keys

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def sealing_key(tmp_path: Path, settings: Any) -> None:
    """Give the installation a sealing key of its own."""
    settings.SEALING_KEY_FILE = tmp_path / "kek"
    settings.SEALING_KEY_FILE.write_bytes(bytes(range(32)))
    settings.SEALING_KEY_FILE.chmod(0o600)
    assert keys.read_sealing_key(settings.SEALING_KEY_FILE)


def refuse(*, now: datetime = NOW, **changes: Any) -> RefusalRecord:
    requester_id = changes.pop("requester_id", None) or uuid7()
    facts = {
        "actor": Actor(requester_id),
        "brand_id": uuid7(),
        "stage": "prompt",
        "category": "blocked_term",
        "reason": "The brand does not show alcohol.",
        "requester_id": requester_id,
        "subject": SubjectRef("order", uuid7()),
    }
    return services.record(now=now, **(facts | changes))


def requester_of(refusal: RefusalRecord, **facts: Any) -> Actor:
    """Return the one who was refused, still a marketer of the brand."""
    roles = {refusal.brand_id: frozenset({Role.MARKETER})}
    return Actor(refusal.requester_id, roles=roles, **facts)


class TestRecord:
    def test_keeps_one_row_and_one_ledger_entry(self) -> None:
        refusal = refuse(stage="image", scorer="safety", score=0.9, threshold=0.5)
        row = Refusal.objects.get()
        assert row.id == refusal.id
        entry = LedgerEntry.objects.get()
        assert (entry.event, entry.subject_id) == ("refusals.refusal.recorded", refusal.id)
        facts = json.loads(bytes(entry.body))["facts"]
        assert (facts["score"], facts["threshold"], facts["stage"]) == ("0.9", "0.5", "image")

    def test_vanishes_without_its_ledger_entry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(**_: object) -> Never:
            raise RuntimeError

        monkeypatch.setattr(_record.ledger, "append", broken)
        with pytest.raises(RuntimeError):
            refuse()
        assert not Refusal.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"stage": "somewhere"}, "/stage"),
            ({"category": ""}, "/category"),
            ({"reason": "  "}, "/reason"),
            ({"reason": "x" * 501}, "/reason"),
            ({"score": 0.5}, "/scorer"),
        ],
    )
    def test_refuses_what_explains_nothing(self, changes: dict[str, object], pointer: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            refuse(**changes)
        assert refused.value.pointer == pointer
        assert not Refusal.objects.exists()
        assert not LedgerEntry.objects.exists()

    @pytest.mark.parametrize(
        ("stage", "role"),
        [
            ("prompt", Role.COMPLIANCE_REVIEWER),
            ("image", Role.COMPLIANCE_REVIEWER),
            ("gate", None),
            ("quota", None),
            ("licence", None),
            ("rights", None),
        ],
    )
    def test_takes_from_the_stage_who_may_override(self, stage: str, role: Role | None) -> None:
        assert refuse(stage=stage).overridable_by is role

    def test_names_the_person_whose_decision_it_was_and_nobody_for_a_rule(self) -> None:
        decider, requester = uuid7(), uuid7()
        by_person = refuse(actor=Actor(decider), requester_id=requester)
        by_rule = refuse(requester_id=requester)
        by_process = refuse(actor=SYSTEM, requester_id=requester)
        assert [r.decided_by for r in (by_person, by_rule, by_process)] == [decider, None, None]

    @pytest.mark.parametrize("score", [float("nan"), float("inf")])
    def test_records_a_broken_measurement_as_none(self, score: float) -> None:
        refusal = refuse(scorer="safety", score=score, threshold=0.5, reason="The scorer failed.")
        assert (refusal.scorer, refusal.score, refusal.threshold) == ("safety", None, None)

    def test_takes_personal_text_only_sealed(self) -> None:
        with pytest.raises(ValidationError), transaction.atomic():
            refuse(detail=b"a name in plain words, long enough to look sealed")
        assert not Refusal.objects.exists()

    def test_shows_sealed_text_to_whoever_may_read_it(self, sealing_key: None) -> None:
        author, brand_id = uuid7(), uuid7()
        text = "Jane Doe drinking"
        sealed = services.seal_detail(person_id=author, text=text)
        refusal = refuse(requester_id=author, brand_id=brand_id, detail=sealed)
        assert refusal.has_detail
        assert text not in refusal.explanation
        assert text.encode() not in bytes(LedgerEntry.objects.get().body)
        assert selectors.read_detail(requester_of(refusal), refusal.id) == text
        with pytest.raises(NotFound):
            selectors.read_detail(Actor(uuid7()), refusal.id)

    def test_shows_it_unrecorded_to_nobody_but_its_author(self, sealing_key: None) -> None:
        author, brand_id = uuid7(), uuid7()
        sealed = services.seal_detail(person_id=author, text="Jane Doe drinking")
        refusal = refuse(requester_id=author, brand_id=brand_id, detail=sealed)
        for role in (Role.COMPLIANCE_REVIEWER, Role.AUDITOR):
            reader = Actor(uuid7(), roles={brand_id: frozenset({role})})
            with pytest.raises(NotPermitted):
                selectors.read_detail(reader, refusal.id)

    def test_has_no_detail_where_none_was_given(self) -> None:
        author = uuid7()
        refusal = refuse(requester_id=author)
        assert not refusal.has_detail
        assert selectors.read_detail(requester_of(refusal), refusal.id) is None


class TestVisibility:
    @pytest.mark.parametrize(
        ("role", "seen"),
        [
            (Role.AUDITOR, True),
            (Role.BRAND_MANAGER, True),
            (Role.BRAND_REVIEWER, True),
            (Role.COMPLIANCE_REVIEWER, True),
            (Role.DATA_STEWARD, False),
            (Role.MARKETER, False),
        ],
    )
    def test_goes_by_role_in_the_brand(self, role: Role, seen: bool) -> None:
        refusal = refuse()
        here = Actor(uuid7(), roles={refusal.brand_id: frozenset({role})})
        elsewhere = Actor(uuid7(), roles={uuid7(): frozenset({role})})
        assert [r.id for r in selectors.list_refusals(here)] == ([refusal.id] if seen else [])
        assert selectors.list_refusals(elsewhere) == ()
        for actor, visible in ((here, seen), (elsewhere, False)):
            if visible:
                assert selectors.get_refusal(actor, refusal.id) == refusal
            else:
                with pytest.raises(NotFound):
                    selectors.get_refusal(actor, refusal.id)

    def test_reaches_the_requester_and_the_system(self) -> None:
        refusal = refuse()
        for actor in (requester_of(refusal), SYSTEM):
            assert selectors.get_refusal(actor, refusal.id).reason == refusal.reason

    def test_ends_with_the_membership(self) -> None:
        refusal = refuse()
        with pytest.raises(NotFound):
            selectors.get_refusal(Actor(refusal.requester_id), refusal.id)

    def test_ends_with_a_keys_scopes(self) -> None:
        refusal = refuse()
        key = requester_of(refusal, kind=ActorKind.INTEGRATION, scopes=frozenset())
        allowed = requester_of(
            refusal, kind=ActorKind.INTEGRATION, scopes=frozenset({"refusals:refusal:read"})
        )
        assert selectors.list_refusals(key) == ()
        assert len(selectors.list_refusals(allowed)) == 1

    def test_is_not_the_platform_admins(self) -> None:
        refusal = refuse()
        with pytest.raises(NotFound):
            selectors.get_refusal(Actor(uuid7(), is_platform_admin=True), refusal.id)


class TestList:
    def test_pages_from_the_newest_without_gap_or_repeat(self) -> None:
        brand_id = uuid7()
        made = [refuse(brand_id=brand_id, now=NOW + timedelta(seconds=i)).id for i in range(5)]
        seen, after = [], None
        while page := selectors.list_refusals(SYSTEM, brand_id=brand_id, after=after, limit=2):
            seen += [r.id for r in page]
            after = page[-1].id
        assert seen == sorted(made, reverse=True)

    def test_narrows_by_brand_and_requester(self) -> None:
        mine, other = refuse(), refuse()
        by_brand = selectors.list_refusals(SYSTEM, brand_id=mine.brand_id)
        by_person = selectors.list_refusals(SYSTEM, requester_id=other.requester_id)
        assert ([r.id for r in by_brand], [r.id for r in by_person]) == ([mine.id], [other.id])

    def test_is_one_query_however_many(self) -> None:
        for _ in range(3):
            refuse()
        with CaptureQueriesContext(connection) as queries:
            assert len(selectors.list_refusals(SYSTEM)) == 3
        assert len(queries) == 1

    def test_finds_the_latest_by_subject(self) -> None:
        subject = SubjectRef("asset", uuid7(), sha256="0" * 64)
        refuse(subject=subject)
        latest = refuse(subject=subject, stage="gate")
        assert selectors.find_by_subject(subject.id) == latest
        assert selectors.find_by_subject(uuid7()) is None


class TestTable:
    @pytest.mark.parametrize(
        "changes",
        [
            {"stage": "other"},
            {"reason": ""},
            {"category": ""},
            {"score": 0.5, "scorer": ""},
            {"threshold": 0.5},
        ],
    )
    def test_refuses_an_unexplained_row_whoever_writes_it(self, changes: dict[str, object]) -> None:
        row = {
            "created_at": NOW,
            "brand_id": uuid7(),
            "stage": "prompt",
            "category": "c",
            "reason": "r",
            "requester_id": uuid7(),
            "subject_kind": "order",
            "subject_id": uuid7(),
            "overridable_by": Role.COMPLIANCE_REVIEWER,
        }
        Refusal.objects.create(**row)
        with pytest.raises(IntegrityError), transaction.atomic():
            Refusal.objects.create(**(row | changes))
