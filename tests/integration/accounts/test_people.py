"""Naming the first two people, adding others, granting and revoking roles, shutting people out."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from imprimatur.accounts import selectors, services
from imprimatur.accounts.errors import AlreadyBootstrapped, AlreadyGranted, UsernameTaken
from imprimatur.accounts.models import Membership, User
from imprimatur.accounts.services import NewPerson

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger import selectors as ledger
from governance.ledger import services as ledger_services
from governance.policy.permits import NotPermitted
from tests.factories import people
from tests.factories.people import NOW, PASSWORD


def events(subject_id: UUID) -> list[str]:
    return [e.event for e in ledger.list_entries(actor=SYSTEM, subject_id=subject_id).entries]


class TestBootstrap:
    def test_names_two_platform_admins(self, admins: tuple[Actor, Actor]) -> None:
        assert [admin.is_platform_admin for admin in admins] == [True, True]
        assert admins[0].id != admins[1].id
        assert events(admins[0].id) == ["accounts.user.created"]

    def test_works_once(self, admins: tuple[Actor, Actor]) -> None:
        with pytest.raises(AlreadyBootstrapped):
            services.bootstrap(
                actor=SYSTEM,
                first=NewPerson("eve", "Eve", PASSWORD),
                second=NewPerson("mallory", "Mallory", PASSWORD),
                now=NOW,
            )
        assert User.objects.count() == 2

    def test_is_not_for_people(self, ada: Actor) -> None:
        with pytest.raises(NotPermitted):
            services.bootstrap(
                actor=ada,
                first=NewPerson("eve", "Eve", PASSWORD),
                second=NewPerson("mallory", "Mallory", PASSWORD),
                now=NOW,
            )

    def test_names_both_or_nobody(self, db: None) -> None:
        with pytest.raises(UsernameTaken):
            services.bootstrap(
                actor=SYSTEM,
                first=NewPerson("ada", "Ada", PASSWORD),
                second=NewPerson("ada", "Ada again", PASSWORD),
                now=NOW,
            )
        assert not User.objects.exists()

    def test_reads_passwords_from_files(
        self, db: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        arguments = [
            "bootstrap",
            *("--first", "ada", "--first-password-file", str(tmp_path / "password")),
            *("--second", "grace", "--second-password-file", str(tmp_path / "password")),
        ]
        call_command(*arguments)
        assert capsys.readouterr().out.count("may sign in") == 2
        assert User.objects.get(username="ada").check_password(PASSWORD)
        with pytest.raises(CommandError, match="There are people already"):
            call_command(*arguments)

    def test_refuses_a_weak_password_in_words(self, db: None, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("12345")
        file = str(tmp_path / "password")
        with pytest.raises(CommandError, match="too short"):
            call_command(
                "bootstrap",
                *("--first", "ada", "--first-password-file", file),
                *("--second", "grace", "--second-password-file", file),
            )


class TestCreateUser:
    def test_seals_the_name(self, ada: Actor) -> None:
        user = people.add(ada, "marta")
        stored = User.objects.get(pk=user.id)
        assert b"Marta" not in bytes(stored.name)
        assert selectors.display_name(user.id) == "Marta Example"

    def test_keeps_the_name_out_of_the_ledger(self, ada: Actor) -> None:
        user = people.add(ada, "marta")
        entries = ledger.list_entries(actor=SYSTEM, subject_id=user.id).entries
        assert len(entries) == 1
        assert b"Marta" not in entries[0].body
        assert b"marta" not in entries[0].body

    def test_is_for_platform_admins(self, ada: Actor) -> None:
        people.add(ada, "marta")
        with pytest.raises(NotPermitted):
            people.add(people.acting("marta"), "bruno")

    @pytest.mark.parametrize(
        "username", ["M", "Marta", "-marta", "marta-", "ma rta", "mär", "a" * 41]
    )
    def test_refuses_a_user_name_that_is_no_pseudonym(self, ada: Actor, username: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            people.add(ada, username)
        assert caught.value.pointer == "/username"

    def test_refuses_a_user_name_twice(self, ada: Actor) -> None:
        people.add(ada, "marta")
        with pytest.raises(UsernameTaken):
            people.add(ada, "marta")

    def test_refuses_a_broken_email(self, ada: Actor) -> None:
        with pytest.raises(InvalidInput) as caught:
            services.create_user(
                actor=ada, username="marta", name="M", password=PASSWORD, email="nobody", now=NOW
            )
        assert caught.value.pointer == "/email"
        assert User.objects.count() == 2


class TestGrantRole:
    def test_gives_a_role_in_one_brand(self, ada: Actor, brand_id: UUID) -> None:
        people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
        actor = people.acting("marta")
        assert actor.holds(Role.MARKETER, brand_id)
        assert not actor.holds(Role.MARKETER, uuid7())

    def test_records_who_granted_it(self, ada: Actor, brand_id: UUID) -> None:
        user = people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
        held = selectors.list_memberships(ada, user_id=user.id)
        assert [(m.role, m.granted_by) for m in held] == [(Role.MARKETER, ada.id)]
        assert events(held[0].id) == ["accounts.membership.granted"]

    def test_refuses_oneself(self, ada: Actor, brand_id: UUID) -> None:
        with pytest.raises(NotPermitted):
            services.grant_role(
                actor=ada, user_id=ada.id, brand_id=brand_id, role=Role.MARKETER, now=NOW
            )

    def test_refuses_a_role_twice(self, ada: Actor, brand_id: UUID) -> None:
        user = people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
        with pytest.raises(AlreadyGranted):
            services.grant_role(
                actor=ada, user_id=user.id, brand_id=brand_id, role=Role.MARKETER, now=NOW
            )

    def test_refuses_an_unknown_brand(self, ada: Actor) -> None:
        user = people.add(ada, "marta")
        with pytest.raises(NotFound):
            services.grant_role(
                actor=ada, user_id=user.id, brand_id=uuid7(), role=Role.MARKETER, now=NOW
            )
        assert not Membership.objects.exists()

    def test_makes_a_third_platform_admin(self, ada: Actor) -> None:
        user = people.add(ada, "linus")
        services.grant_role(actor=ada, user_id=user.id, role=Role.PLATFORM_ADMIN, now=NOW)
        assert people.acting("linus").is_platform_admin

    def test_refuses_an_admins_role_with_a_brand(self, ada: Actor, brand_id: UUID) -> None:
        user = people.add(ada, "linus")
        with pytest.raises(InvalidInput):
            services.grant_role(
                actor=ada, user_id=user.id, brand_id=brand_id, role=Role.PLATFORM_ADMIN, now=NOW
            )


class TestRevokeRole:
    def test_ends_it_at_once(self, ada: Actor, brand_id: UUID) -> None:
        user = people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
        held = selectors.list_memberships(ada, user_id=user.id)[0]
        services.revoke_role(actor=ada, membership_id=held.id, now=NOW)
        assert not people.acting("marta").roles
        assert events(held.id) == ["accounts.membership.revoked", "accounts.membership.granted"]

    def test_leaves_room_for_a_new_grant(self, ada: Actor, brand_id: UUID) -> None:
        user = people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
        held = selectors.list_memberships(ada, user_id=user.id)[0]
        services.revoke_role(actor=ada, membership_id=held.id, now=NOW)
        services.grant_role(
            actor=ada, user_id=user.id, brand_id=brand_id, role=Role.MARKETER, now=NOW
        )
        assert people.acting("marta").holds(Role.MARKETER, brand_id)

    def test_cannot_be_done_twice(self, ada: Actor, brand_id: UUID) -> None:
        user = people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
        held = selectors.list_memberships(ada, user_id=user.id)[0]
        services.revoke_role(actor=ada, membership_id=held.id, now=NOW)
        with pytest.raises(NotFound):
            services.revoke_role(actor=ada, membership_id=held.id, now=NOW)


class TestDisableUser:
    def test_shuts_somebody_else_out(self, ada: Actor) -> None:
        user = people.add(ada, "marta")
        assert not services.disable_user(actor=ada, user_id=user.id, now=NOW).is_active
        with pytest.raises(NotFound):
            people.acting("marta")
        assert services.enable_user(actor=ada, user_id=user.id, now=NOW).is_active
        assert events(user.id)[:2] == ["accounts.user.enabled", "accounts.user.disabled"]

    def test_refuses_oneself(self, ada: Actor) -> None:
        with pytest.raises(NotPermitted):
            services.disable_user(actor=ada, user_id=ada.id, now=NOW)


class TestWhoMaySeePeople:
    def test_a_person_sees_themselves(self, ada: Actor) -> None:
        user = people.add(ada, "marta")
        marta = people.acting("marta")
        assert selectors.get_user(marta, user.id).name == "Marta Example"
        assert [u.id for u in selectors.list_users(marta)] == [user.id]
        with pytest.raises(NotFound):
            selectors.get_user(marta, ada.id)
        assert selectors.list_memberships(marta, user_id=ada.id) == []

    def test_an_admin_sees_everybody(self, ada: Actor, grace: Actor) -> None:
        assert {u.id for u in selectors.list_users(ada)} == {ada.id, grace.id}

    def test_names_are_given_for_whoever_is_unknown_too(self, ada: Actor) -> None:
        unknown = uuid7()
        names = selectors.display_names([ada.id, SYSTEM.id, unknown])
        assert names == {ada.id: "Ada Lovelace", SYSTEM.id: "Imprimatur", unknown: "Unknown person"}

    def test_names_are_gone_once_they_are_erased(self, ada: Actor, brand_id: UUID) -> None:
        steward = people.add(ada, "stella", brand_id=brand_id, roles=[Role.DATA_STEWARD])
        erased = people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
        ledger_services.erase_person(
            actor=people.acting("stella"), person_id=erased.id, brand_id=brand_id, now=NOW
        )
        names = selectors.display_names([steward.id, erased.id])
        assert names == {steward.id: "Stella Example", erased.id: "Erased person"}

    @pytest.mark.parametrize("others", [0, 5])
    def test_names_take_two_queries_however_many(
        self, ada: Actor, others: int, django_assert_num_queries: Any
    ) -> None:
        wanted = [ada.id, *(people.add(ada, f"person-{n}").id for n in range(others))]
        with django_assert_num_queries(2):
            assert len(selectors.display_names(wanted)) == others + 1
        with django_assert_num_queries(2):
            assert len(selectors.list_users(ada)) == others + 2
