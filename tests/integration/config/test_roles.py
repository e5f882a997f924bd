"""`manage.py roles`: what it prints, what it makes, and what it finds changed."""

import os
from collections.abc import Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from imprimatur.config.demo import running

from governance.tables import roles
from governance.tables.roles import DatabaseRole
from tests import databases

# Roles belong to the whole server: this process has names of its own.
PREFIX = f"imprimatur_test_{os.getpid()}_"
PASSWORDS = {role.value: f"{role.value}'s-own-password" for role in DatabaseRole}

on_postgresql = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no roles"),
]


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("roles", *arguments, stdout=out)
    return out.getvalue()


def run(statement: str) -> None:
    with databases.as_owner(), connection.cursor() as cursor:
        cursor.execute(statement)


class TestOnPostgreSQL:
    pytestmark = on_postgresql

    @pytest.fixture(autouse=True)
    def _own_roles(self, settings: Any) -> Iterator[None]:
        settings.DATABASE_ROLES = PREFIX
        settings.DATABASE_ROLE_PASSWORDS = PASSWORDS
        yield
        for role in DatabaseRole:
            run(
                f"DO $$ BEGIN EXECUTE 'DROP OWNED BY {PREFIX}{role} CASCADE'; "
                f"DROP ROLE {PREFIX}{role}; EXCEPTION WHEN undefined_object THEN NULL; END $$"
            )

    def apply(self) -> str:
        with databases.as_owner():
            return said("--apply")

    def test_makes_logins_that_hold_their_rights_and_no_other(self) -> None:
        with pytest.raises(CommandError):
            said("--check")
        self.apply()
        assert said("--check") == "Every role has its rights, and no other.\n"

    def test_changes_nothing_when_applied_again(self) -> None:
        assert self.apply() == self.apply()
        assert "no other" in said("--check")

    def test_never_says_a_password(self) -> None:
        shown = self.apply() + said()
        assert not any(password in shown for password in PASSWORDS.values())
        assert ":'app_password'" in shown

    def test_stores_a_password_that_fits(self) -> None:
        self.apply()
        with databases.as_owner(), connection.cursor() as cursor:
            cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [f"{PREFIX}app"])
            stored = cursor.fetchone()[0]
        assert stored.startswith("SCRAM-SHA-256$")
        place = connection.settings_dict
        with psycopg.connect(
            host=place["HOST"] or "127.0.0.1",
            port=place["PORT"] or 5432,
            dbname=place["NAME"],
            user=f"{PREFIX}app",
            password=PASSWORDS["app"],
        ) as made:
            assert made.execute("SELECT current_user").fetchone() == (f"{PREFIX}app",)

    def test_leaves_a_role_alone_that_was_given_no_password(self, settings: Any) -> None:
        settings.DATABASE_ROLE_PASSWORDS = {**PASSWORDS, "auditor": ""}
        assert f"{PREFIX}auditor: left as it is" in self.apply()

    def test_needs_a_password(self, settings: Any) -> None:
        settings.DATABASE_ROLE_PASSWORDS = dict.fromkeys(PASSWORDS, "")
        with pytest.raises(CommandError, match="DATABASE_APP_PASSWORD"):
            self.apply()

    @pytest.mark.parametrize(
        ("change", "finding"),
        [
            ("GRANT INSERT ON review_decision TO {app}", "holds INSERT on review_decision"),
            ("GRANT UPDATE (state) ON review_case TO {app}", "holds UPDATE (state) on review_case"),
            ("GRANT TRUNCATE ON ledger_entry TO {app}", "holds TRUNCATE on ledger_entry"),
            ("GRANT TRIGGER ON ledger_entry TO {app}", "holds TRIGGER on ledger_entry"),
            ("REVOKE SELECT ON ledger_entry FROM {app}", "lacks SELECT on ledger_entry"),
            ("GRANT {reviewer} TO {app}", "may act as {reviewer}"),
            ("GRANT pg_write_all_data TO {app}", "may act as pg_write_all_data"),
            ("ALTER ROLE {app} SUPERUSER", "is a superuser"),
            ("ALTER ROLE {app} CREATEROLE", "may make roles"),
            ("GRANT CREATE ON SCHEMA public TO {app}", "may make tables"),
            ("GRANT TEMPORARY ON DATABASE {database} TO {app}", "may make temporary tables"),
            ("ALTER TABLE ledger_entry OWNER TO {app}", "owns the table ledger_entry"),
        ],
    )
    def test_finds_what_was_changed_by_hand(self, change: str, finding: str) -> None:
        self.apply()
        with databases.as_owner():
            owner = connection.settings_dict["USER"]
        names = {role.value: roles.login(role) for role in DatabaseRole}
        names["database"] = connection.settings_dict["NAME"]
        run(change.format(**names))
        out = StringIO()
        try:
            with pytest.raises(CommandError, match="differ"):
                call_command("roles", "--check", stdout=out)
        finally:
            run(f"ALTER TABLE ledger_entry OWNER TO {owner}")
            run(f"ALTER ROLE {names['app']} NOSUPERUSER NOCREATEROLE")
        assert f"{names['app']} {finding.format(**names)}" in out.getvalue()

    @pytest.mark.skipif(
        "getattr(connection, 'pg_version', 0) < 150000", reason="came with PostgreSQL 15"
    )
    def test_finds_who_may_switch_triggers_off(self) -> None:
        self.apply()
        app = roles.login("app")
        run(f"GRANT SET ON PARAMETER session_replication_role TO {app}")
        with databases.as_owner():
            found = roles.differences(connection, app, {"app"})
        assert found == [f"{app} may switch off triggers (session_replication_role)"]

    def test_finds_what_everybody_was_given(self) -> None:
        self.apply()
        run("GRANT DELETE ON ledger_entry TO PUBLIC")
        try:
            with databases.as_owner():
                found = roles.differences(connection, roles.login("auditor"), {"auditor"})
            login = roles.login("auditor")
            assert found == [f"{login} holds DELETE on ledger_entry, which is not its own"]
        finally:
            self.apply()
        assert "no other" in said("--check")


class TestOnSQLite:
    @pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL has roles")
    def test_says_that_there_are_none(self) -> None:
        for argument in ("--apply", "--check"):
            with pytest.raises(CommandError, match="Only PostgreSQL"):
                said(argument)


class TestTheEnvironmentOfAProcess:
    URL = "postgres://somebody:secret@db.example.org:5433/images?sslmode=require"

    @pytest.fixture(autouse=True)
    def _given(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        settings.DATABASE_ROLES = "north_"
        settings.DATABASE_ROLE_PASSWORDS = {**PASSWORDS, "app": "a/b c"}
        monkeypatch.setenv("DATABASE_URL", self.URL)
        monkeypatch.setenv("DATABASE_OWNER_URL", "postgres://owner:secret@db.example.org/images")
        monkeypatch.setenv("DATABASE_REVIEWER_PASSWORD_FILE", "/run/secrets/reviewer")

    @pytest.mark.parametrize(
        ("process", "name"),
        [
            ("web", "north_reviewer"),
            ("worker", "north_app"),
            ("publisher", "north_publisher"),
            ("relay", "north_sequencer"),
        ],
    )
    def test_has_its_own_login_and_no_other(self, process: str, name: str) -> None:
        found = running.environment(process)
        assert found["DATABASE_URL"].startswith(f"postgres://{name}:")
        assert found["DATABASE_URL"].endswith("@db.example.org:5433/images?sslmode=require")
        others = {n for n in found if n.startswith("DATABASE_")} - {"DATABASE_URL"}
        assert [n for n in others if "OWNER" in n or "PASSWORD" in n] == []

    def test_writes_a_password_as_an_address_must(self) -> None:
        assert ":a%2Fb%20c@" in running.environment("worker")["DATABASE_URL"]

    def test_keeps_the_one_login_where_no_passwords_were_given(self, settings: Any) -> None:
        settings.DATABASE_ROLE_PASSWORDS = dict.fromkeys(PASSWORDS, "")
        assert running.environment("worker")["DATABASE_URL"] == self.URL
