"""Licences: one person proposes a text, another agrees, and from then on no word of it changes."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry as LedgerEntry
from governance.licences import selectors, services
from governance.licences.errors import TextDiffers
from governance.licences.records import Terms
from governance.policy.permits import NotPermitted
from governance.tables import guards
from tests import rows
from tests.factories import licences as make
from tests.factories.quota import NOW, platform_admin
from tests.factories.quota_requests import member

pytestmark = pytest.mark.django_db
ADMIN = platform_admin()


def terms(**changes: Any) -> Terms:
    return Terms(**{"purposes": ("commercial",), **changes})


class TestProposing:
    def test_keeps_the_text_and_counts_for_nothing(self) -> None:
        made = make.proposed()
        assert made.state == "proposed"
        assert selectors.read_text(ADMIN, made.id) == (make.TEXT, made.text_sha256)
        assert selectors.find_agreed(made.identifier, made.text_sha256) is None

    def test_numbers_the_versions_of_an_identifier(self) -> None:
        names = ("MIT", "MIT", "CC0-1.0")
        assert [make.proposed(identifier=name).number for name in names] == [1, 2, 1]

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"identifier": ""}, "/identifier"),
            ({"identifier": "My licence"}, "/identifier"),
            ({"identifier": "x" * 61}, "/identifier"),
            ({"name": " "}, "/name"),
            ({"name": "x" * 121}, "/name"),
            ({"text": b" \n"}, "/text"),
            ({"text": b"x" * 262_145}, "/text"),
            ({"terms": terms(purposes=())}, "/purposes"),
            ({"terms": terms(purposes=("war",))}, "/purposes"),
            ({"terms": terms(purposes=("commercial", "commercial"))}, "/purposes"),
            ({"terms": terms(obligations=("dance",))}, "/obligations"),
            ({"terms": terms(revenue_limit=Decimal(0), revenue_currency="EUR")}, "/revenue_limit"),
            (
                {"terms": terms(revenue_limit=Decimal("NaN"), revenue_currency="EUR")},
                "/revenue_limit",
            ),
            (
                {"terms": terms(revenue_limit=Decimal("1.001"), revenue_currency="EUR")},
                "/revenue_limit",
            ),
            (
                {"terms": terms(revenue_limit=Decimal("1e15"), revenue_currency="EUR")},
                "/revenue_limit",
            ),
            ({"terms": terms(revenue_limit=Decimal(1))}, "/revenue_currency"),
            (
                {"terms": terms(revenue_limit=Decimal(1), revenue_currency="euro")},
                "/revenue_currency",
            ),
            ({"terms": terms(revenue_currency="EUR")}, "/revenue_currency"),
        ],
    )
    def test_refuses_what_makes_no_sense_and_writes_nothing(
        self, changes: dict[str, Any], pointer: str
    ) -> None:
        before = rows.counted()
        with pytest.raises(InvalidInput) as error:
            make.proposed(**changes)
        assert error.value.pointer == pointer
        assert rows.added_since(before) == {}

    def test_refuses_a_text_that_is_not_the_one_that_was_read(self) -> None:
        with pytest.raises(TextDiffers):
            make.proposed(text_sha256="0" * 64)

    def test_is_a_platform_admins(self) -> None:
        with pytest.raises(NotPermitted):
            services.propose_licence(actor=member(uuid7(), *Role), **make.facts())

    def test_keeps_a_limit_exactly(self) -> None:
        made = make.proposed(
            terms=terms(revenue_limit=Decimal("1000000.10"), revenue_currency="USD")
        )
        assert selectors.get_licence(ADMIN, made.id).terms == made.terms
        assert made.terms.revenue_limit == Decimal("1000000.10")


class TestAgreeing:
    def test_is_somebody_elses_once(self) -> None:
        proposer = platform_admin()
        made = services.propose_licence(actor=proposer, **make.facts())
        with pytest.raises(NotPermitted):
            services.agree_licence(actor=proposer, licence_id=made.id, now=NOW)
        agreed = services.agree_licence(actor=ADMIN, licence_id=made.id, now=NOW)
        assert (agreed.state, agreed.agreed_by) == ("agreed", ADMIN.id)
        with pytest.raises(IllegalTransition):
            services.agree_licence(actor=platform_admin(), licence_id=made.id, now=NOW)
        assert selectors.find_agreed(made.identifier, made.text_sha256) == agreed
        found = LedgerEntry.objects.filter(subject_id=made.id).order_by("id")
        assert list(found.values_list("event", "actor_id")) == [
            ("licences.licence.proposed", proposer.id),
            ("licences.licence.agreed", ADMIN.id),
        ]

    def test_to_a_retired_or_unknown_one_is_refused(self) -> None:
        made = make.proposed()
        services.retire_licence(actor=ADMIN, licence_id=made.id, now=NOW)
        with pytest.raises(IllegalTransition):
            services.agree_licence(actor=platform_admin(), licence_id=made.id, now=NOW)
        with pytest.raises(NotFound):
            services.agree_licence(actor=ADMIN, licence_id=uuid7(), now=NOW)


class TestRetiring:
    def test_is_for_good(self) -> None:
        made = make.agreed()
        retired = services.retire_licence(actor=ADMIN, licence_id=made.id, now=NOW)
        assert (retired.state, retired.agreed_by) == ("retired", made.agreed_by)
        with pytest.raises(IllegalTransition):
            services.retire_licence(actor=ADMIN, licence_id=made.id, now=NOW)
        assert selectors.find_agreed(made.identifier, made.text_sha256) is None


class TestReading:
    def test_is_for_whoever_has_a_role_anywhere(self) -> None:
        made = make.agreed()
        for role in (Role.MARKETER, Role.AUDITOR, Role.COMPLIANCE_REVIEWER):
            reader = member(uuid7(), role)
            assert selectors.get_licence(reader, made.id) == made
            assert selectors.list_licences(reader) == [made]
        stranger = Actor(uuid7())
        assert selectors.list_licences(stranger) == []
        for read in (selectors.get_licence, selectors.read_text):
            with pytest.raises(NotFound):
                read(stranger, made.id)

    def test_pages_newest_first(self) -> None:
        old, middle, new = (make.proposed(identifier=name) for name in ("A", "B", "C"))
        assert selectors.list_licences(ADMIN, limit=2) == [new, middle]
        assert selectors.list_licences(ADMIN, after=middle.id) == [old]

    @pytest.mark.django_db(transaction=True)
    def test_finds_a_text_that_its_tables_owner_changed(self) -> None:
        from tests import databases

        made = make.agreed()
        with databases.as_owner():
            guards.drop(connection)
            with connection.cursor() as cursor:
                cursor.execute("UPDATE licences_licence SET text = %s", [b"Pay me."])
            guards.install(connection)
        with pytest.raises(TextDiffers):
            selectors.read_text(ADMIN, made.id)


class TestObjection:
    def test_is_none_for_what_was_agreed_and_permits_it(self) -> None:
        made = make.agreed()
        assert selectors.objection(made.id, "commercial") is None
        assert selectors.objection(made.id, "internal") is None

    def test_says_what_is_missing(self) -> None:
        retired = make.agreed("LicenseRef-old")
        services.retire_licence(actor=ADMIN, licence_id=retired.id, now=NOW)
        cases = {
            "licence_missing": (None, "commercial"),
            "licence_not_agreed": (make.proposed().id, "commercial"),
            "licence_retired": (retired.id, "commercial"),
            "licence_purpose": (make.agreed().id, "research"),
        }
        for category, (licence_id, purpose) in cases.items():
            found = selectors.objection(licence_id, purpose)
            assert found is not None
            assert found.category == category
            assert found.reason.endswith(".")
        assert "research" in selectors.objection(make.agreed().id, "research").reason
        assert selectors.objection(uuid7(), "commercial").category == "licence_missing"
        assert selectors.objection(make.agreed().id, "nonsense").category == "licence_purpose"
