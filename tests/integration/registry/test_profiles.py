"""Model profiles: one person proposes a pin, another approves it, and the pin never changes."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from generation.registry import selectors, services
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from tests.factories import jobs as make
from tests.factories import licences, review
from tests.factories.quota import platform_admin

pytestmark = pytest.mark.django_db

FACTS: dict[str, Any] = {
    "slug": "demo",
    "name": "Demo",
    "family": "sd3",
    "pipeline": "StableDiffusion3Pipeline",
    "folder": "demo/sd3",
    "snapshot_sha256": "a" * 64,
    "dtype": "float32",
    "device": "cpu",
    "parameters": {"steps": 8, "guidance": 4.0, "max_sequence_length": 77},
    "scorers": {"folder": "demo", "entries": []},
    "is_calibrated": False,
    "now": make.NOW,
}


def facts(**changes: Any) -> dict[str, Any]:
    """Return what a profile is proposed with; its licence is on record."""
    if "licence_id" not in changes:
        changes["licence_id"] = licences.agreed().id
    return FACTS | changes


class TestProposeProfile:
    def test_counts_for_nothing_before_somebody_else_approved_it(self) -> None:
        proposer = platform_admin()
        made = services.propose_profile(actor=proposer, **facts())
        assert not made.is_approved
        with pytest.raises(NotFound):
            selectors.current_profile("demo")
        with pytest.raises(NotPermitted):
            services.approve_profile(actor=proposer, profile_id=made.id, now=make.NOW)
        services.approve_profile(actor=platform_admin(), profile_id=made.id, now=make.NOW)
        assert selectors.current_profile("demo").id == made.id
        seen = Entry.objects.filter(subject_id=made.id).order_by("id")
        assert list(seen.values_list("event", flat=True)) == [
            "registry.profile.proposed",
            "registry.profile.approved",
        ]

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"snapshot_sha256": "A" * 64}, "/snapshot_sha256"),
            ({"snapshot_sha256": "abc"}, "/snapshot_sha256"),
            ({"folder": "/etc"}, "/folder"),
            ({"folder": "demo/../../etc"}, "/folder"),
            ({"folder": ""}, "/folder"),
            ({"folder": "demo\\sd3"}, "/folder"),
            ({"scorers": {"folder": "../keys", "entries": []}}, "/scorers/folder"),
            ({"parameters": {"steps": 8, "guidance": 4.0}}, "/parameters/max_sequence_length"),
            (
                {"parameters": {"steps": "8", "guidance": 4.0, "max_sequence_length": 77}},
                "/parameters/steps",
            ),
        ],
    )
    def test_refuses_a_pin_that_is_none_and_writes_nothing(
        self, changes: dict[str, Any], pointer: str
    ) -> None:
        asked = facts() | changes
        before = make.count_rows()
        with pytest.raises(InvalidInput) as error:
            services.propose_profile(actor=platform_admin(), **asked)
        assert error.value.pointer == pointer
        assert make.count_rows() == before

    def test_is_for_platform_admins_only(self) -> None:
        with pytest.raises(NotPermitted):
            services.propose_profile(actor=review.Team().manager, **facts())

    def test_names_a_licence_on_record(self) -> None:
        with pytest.raises(NotFound) as error:
            services.propose_profile(actor=platform_admin(), **facts(licence_id=uuid7()))
        assert error.value.pointer == "/licence_id"
        licence = licences.proposed(identifier="LicenseRef-other")
        made = services.propose_profile(actor=platform_admin(), **facts(licence_id=licence.id))
        assert (made.licence, made.licence_id) == ("LicenseRef-other", licence.id)

    def test_numbers_the_versions_of_a_name(self) -> None:
        numbers = [make.profile(slug=slug).number for slug in ("one", "one", "two")]
        assert numbers == [1, 2, 1]
        assert selectors.current_profile("one").number == 2
        assert [p.slug for p in selectors.list_profiles()] == ["one", "two"]


class TestApproveProfile:
    def test_happens_once(self) -> None:
        made = make.profile()
        with pytest.raises(IllegalTransition):
            services.approve_profile(actor=platform_admin(), profile_id=made.id, now=make.NOW)

    def test_by_the_proposer_is_refused_by_the_database_too(self) -> None:
        proposer = platform_admin()
        made = services.propose_profile(actor=proposer, **facts())
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE registry_modelprofile SET approved_by = proposed_by, approved_at = %s",
                [make.NOW],
            )
        assert not selectors.get_profile(made.id).is_approved


class TestRetireProfile:
    def test_brings_the_version_before_it_back_into_use(self) -> None:
        first, second = make.profile(), make.profile()
        services.retire_profile(actor=platform_admin(), profile_id=second.id, now=make.NOW)
        assert selectors.current_profile(first.slug).id == first.id
        assert selectors.get_profile(second.id).is_retired
        with pytest.raises(IllegalTransition):
            services.retire_profile(actor=platform_admin(), profile_id=second.id, now=make.NOW)


class TestAPin:
    @pytest.mark.parametrize(
        "column",
        [
            "folder",
            "snapshot_sha256",
            "pipeline",
            "dtype",
            "device",
            "licence",
            "slug",
            "licence_id",
        ],
    )
    def test_cannot_change(self, column: str) -> None:
        made = make.profile()
        with (
            pytest.raises(DatabaseError, match="cannot change"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                f"UPDATE registry_modelprofile SET {column} = "
                f"'{uuid7().hex if column == 'licence_id' else 'other'}'"
            )
        assert selectors.get_profile(made.id) == made
