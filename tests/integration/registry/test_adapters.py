"""Adapters: one person proposes a pin, another approves it, and retiring ends what rests on it."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from generation.registry import selectors, services
from generation.registry.errors import AdapterRetired
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from tests.factories import jobs, review
from tests.factories import registry as make
from tests.factories.quota import platform_admin
from tests.factories.review import NOW

pytestmark = pytest.mark.django_db


class TestProposeAdapter:
    def test_counts_for_nothing_before_somebody_else_approved_it(self) -> None:
        proposer = platform_admin()
        made = services.propose_adapter(actor=proposer, **make.facts())
        assert made.state == "proposed"
        with pytest.raises(NotFound):
            selectors.current_adapter("brand-look")
        with pytest.raises(NotPermitted):
            services.approve_adapter(actor=proposer, adapter_id=made.id, now=NOW)
        services.approve_adapter(actor=platform_admin(), adapter_id=made.id, now=NOW)
        assert selectors.current_adapter("brand-look").id == made.id
        assert list(
            Entry.objects.filter(subject_id=made.id).order_by("id").values_list("event", flat=True)
        ) == ["registry.adapter.proposed", "registry.adapter.approved"]

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"snapshot_sha256": "main"}, "/snapshot_sha256"),
            ({"folder": "../keys"}, "/folder"),
            ({"folder": "/etc"}, "/folder"),
            ({"slug": "Brand Look"}, "/slug"),
            ({"slug": "a" * 61}, "/slug"),
            ({"kind": "checkpoint"}, "/kind"),
            ({"training_record": " "}, "/training_record"),
            ({"training_record": "x" * 100_001}, "/training_record"),
            ({"trigger_words": [""]}, "/trigger_words"),
            ({"trigger_words": ["a\nb"]}, "/trigger_words"),
            ({"trigger_words": ["a"] * 9}, "/trigger_words"),
        ],
    )
    def test_refuses_what_no_adapter_can_be_and_writes_nothing(
        self, changes: dict[str, Any], pointer: str
    ) -> None:
        asked = make.facts(**changes)
        before = jobs.count_rows()
        with pytest.raises(InvalidInput) as error:
            services.propose_adapter(actor=platform_admin(), **asked)
        assert error.value.pointer == pointer
        assert jobs.count_rows() == before

    def test_is_for_platform_admins_only_and_under_a_licence_on_record(self) -> None:
        with pytest.raises(NotPermitted):
            services.propose_adapter(actor=review.Team().manager, **make.facts())
        with pytest.raises(NotFound):
            services.propose_adapter(actor=platform_admin(), **make.facts(licence_id=uuid7()))

    def test_numbers_the_versions_of_a_name(self) -> None:
        assert [make.adapter(slug=slug).number for slug in ("one", "one", "two")] == [1, 2, 1]
        assert selectors.current_adapter("one").number == 2


class TestApproveAdapter:
    def test_happens_once_and_not_after_it_was_retired(self) -> None:
        made = make.adapter()
        with pytest.raises(IllegalTransition):
            services.approve_adapter(actor=platform_admin(), adapter_id=made.id, now=NOW)
        other = make.adapter(is_approved=False)
        services.retire_adapter(actor=platform_admin(), adapter_id=other.id, now=NOW)
        with pytest.raises(IllegalTransition):
            services.approve_adapter(actor=platform_admin(), adapter_id=other.id, now=NOW)
        assert selectors.get_adapter(other.id).approved_by is None


class TestRetireAdapter:
    def test_brings_the_version_before_it_back_into_use(self) -> None:
        first, second = make.adapter(), make.adapter()
        services.require_adapters_in_use([first.id, second.id])
        services.retire_adapter(actor=platform_admin(), adapter_id=second.id, now=NOW)
        assert selectors.current_adapter("brand-look").id == first.id
        with pytest.raises(AdapterRetired, match="Brand look"):
            services.require_adapters_in_use([first.id, second.id])
        with pytest.raises(IllegalTransition):
            services.retire_adapter(actor=platform_admin(), adapter_id=second.id, now=NOW)


class TestTheDatabase:
    @pytest.mark.parametrize(
        "column",
        ["folder", "snapshot_sha256", "kind", "family", "training_record", "licence", "slug"],
    )
    def test_keeps_a_pin_as_it_was(self, column: str) -> None:
        made = make.adapter()
        with pytest.raises(DatabaseError, match="cannot change"):
            run(f"UPDATE registry_adapter SET {column} = 'other'")
        assert selectors.get_adapter(made.id) == made

    @pytest.mark.parametrize("somebody", ["proposed_by", f"'{'7' * 32}'"])
    def test_refuses_an_approval_that_nobody_gave(self, somebody: str) -> None:
        made = make.adapter(is_approved=False)
        with pytest.raises(DatabaseError, match="an approval is recorded"):
            run(f"UPDATE registry_adapter SET approved_by = {somebody}, approved_at = %s", NOW)
        assert selectors.get_adapter(made.id).state == "proposed"

    def test_keeps_a_retired_adapter_retired_and_an_approval_as_it_was(self) -> None:
        made = make.adapter()
        with pytest.raises(DatabaseError, match="an approval is final"):
            run("UPDATE registry_adapter SET approved_by = NULL, approved_at = NULL")
        services.retire_adapter(actor=platform_admin(), adapter_id=made.id, now=NOW)
        with pytest.raises(DatabaseError, match="stays retired"):
            run("UPDATE registry_adapter SET retired_at = NULL")
        with pytest.raises(DatabaseError):
            run("DELETE FROM registry_adapter")


def run(statement: str, *values: Any) -> None:
    """Run one statement in a transaction of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, list(values))
