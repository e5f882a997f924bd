"""Promise 8: every refusal has a record with its reason, shown to the requester; none is silent."""

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection, transaction

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.refusals import guards as refusal_guards
from governance.refusals import selectors, services
from governance.refusals.models import Refusal
from governance.refusals.records import RefusalRecord
from governance.tables import guards
from tests import databases

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
COLUMNS = (
    "id, created_at, brand_id, stage, category, scorer, score, threshold, reason, detail, "
    "requester_id, subject_kind, subject_id, overridable_by"
)
COPY = (
    f"INTO refusals_refusal ({COLUMNS}) SELECT "
    + COLUMNS.replace("reason", "'Nothing happened.'")
    + " FROM refusals_refusal WHERE stage = 'prompt'"
)
ATTACKS = {
    "change the reason": "UPDATE refusals_refusal SET reason = 'Nothing happened.'",
    "loosen who may override": "UPDATE refusals_refusal SET overridable_by = 'marketer'",
    "hide it from the requester": f"UPDATE refusals_refusal SET requester_id = '{uuid7().hex}'",
    "move it to another brand": f"UPDATE refusals_refusal SET brand_id = '{uuid7().hex}'",
    "forget the text": "UPDATE refusals_refusal SET subject_kind = 'nothing'",
    "delete it": "DELETE FROM refusals_refusal",
    "upsert it": f"INSERT {COPY} ON CONFLICT (id) DO UPDATE SET reason = 'Nothing happened.'",
}
VENDOR_ATTACKS = {
    "sqlite": {
        "replace it": f"REPLACE {COPY}",
        "replace it by a conflict clause": f"INSERT OR REPLACE {COPY}",
    },
    "postgresql": {"empty the table": "TRUNCATE refusals_refusal"},
}


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def refuse() -> RefusalRecord:
    requester_id = uuid7()
    return services.record(
        actor=Actor(requester_id),
        brand_id=uuid7(),
        stage="prompt",
        category="blocked_term",
        reason="The brand does not show alcohol.",
        requester_id=requester_id,
        subject=SubjectRef("order", uuid7()),
        now=NOW,
    )


def attack(sql: str) -> None:
    """Show that `sql` is refused and changes nothing; then, without the guard, that it succeeds."""
    refuse()
    before = list(Refusal.objects.values())
    with pytest.raises(DatabaseError), transaction.atomic():
        execute(sql)
    assert list(Refusal.objects.values()) == before
    try:
        with databases.as_owner():
            guards.drop(connection, iter(refusal_guards.GUARDS))
            execute(sql)
        assert list(Refusal.objects.values()) != before
    finally:
        databases.reset()
        with databases.as_owner():
            guards.install(connection)
    assert guards.missing(connection) == []


class TestAttacks:
    @pytest.mark.parametrize("name", ATTACKS)
    def test_are_refused_and_only_the_guard_refuses_them(self, name: str) -> None:
        attack(ATTACKS[name])

    @pytest.mark.parametrize(
        ("vendor", "name"), [(v, name) for v, named in VENDOR_ATTACKS.items() for name in named]
    )
    def test_in_one_databases_own_words_are_refused(self, vendor: str, name: str) -> None:
        if connection.vendor != vendor:
            pytest.skip(f"only {vendor} has these words")
        attack(VENDOR_ATTACKS[vendor][name])


class TestRequester:
    def test_sees_every_refusal_of_theirs_with_its_reason(self) -> None:
        refusal = refuse()
        roles = {refusal.brand_id: frozenset({Role.MARKETER})}
        (seen,) = selectors.list_refusals(Actor(refusal.requester_id, roles=roles))
        assert seen == refusal
        assert seen.reason in seen.explanation
