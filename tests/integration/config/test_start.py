"""The start: a process that finds the installation unsound says what is wrong and ends."""

import runpy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.signals import worker_init
from django.core.management import call_command
from django.db import OperationalError, connection
from imprimatur.config import celery, processes, start

from governance.ledger import guards as ledger_guards
from governance.policy import table
from governance.policy.permissions import Permission
from governance.tables import guards, roles
from tests import databases

GUARD = next(g for g in ledger_guards.GUARDS if g.makes_append_only)


def run(statement: str) -> None:
    with databases.as_owner(), connection.cursor() as cursor:
        cursor.execute(statement)


def first_piece() -> guards.Piece:
    return GUARD.pieces(connection.vendor)[0]


@pytest.fixture
def _repaired(transactional_db: None) -> Iterator[None]:
    yield
    with databases.as_owner():
        guards.install(connection)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect what a refused start says."""
    said: list[dict[str, Any]] = []

    class Log:
        def error(self, event: str, **facts: Any) -> None:
            said.append({"event": event, **facts})

        def exception(self, event: str) -> None:
            said.append({"event": event})

    monkeypatch.setattr(start, "log", Log())
    return said


def refused(told: list[dict[str, Any]], check: str, naming: str, *, process: str = "web") -> bool:
    with pytest.raises(SystemExit) as caught:
        start.require_sound(process)
    assert caught.value.code == 1
    return any(line["check"] == check and naming in line["reason"] for line in told)


class TestASoundInstallation:
    @pytest.mark.django_db
    def test_starts_and_says_nothing(self, told: list[dict[str, Any]]) -> None:
        start.require_sound("web")
        assert told == []


class TestThePurpose:
    @pytest.mark.django_db
    def test_that_no_licence_could_permit_is_no_start(
        self, told: list[dict[str, Any]], settings: Any
    ) -> None:
        settings.PURPOSE = "fame"
        assert refused(told, "imprimatur.E010", "PURPOSE")


class TestACheckThatCannotBeMade:
    @pytest.mark.django_db
    def test_is_no_start_even_where_celery_would_go_on(
        self, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_connection: object) -> list[str]:
            raise OperationalError("the database does not answer")

        monkeypatch.setattr(guards, "missing", fail)
        assert celery.app.main == "imprimatur"
        with pytest.raises(SystemExit):
            worker_init.send(sender=None)
        assert told == [{"event": "Unable to check the installation"}]


@pytest.mark.usefixtures("_repaired")
class TestAGuard:
    def test_that_is_missing_is_no_start(self, told: list[dict[str, Any]]) -> None:
        piece = first_piece()
        run(piece.drop)
        assert refused(told, "imprimatur.E002", piece.name)
        with databases.as_owner():
            guards.install(connection)
        start.require_sound("web")

    def test_that_was_altered_is_no_start(self, told: list[dict[str, Any]]) -> None:
        piece = first_piece()
        if connection.vendor == "sqlite":
            run(piece.drop)
            run(piece.create.replace("WHEN (1)", "WHEN (0)"))
        else:
            run(
                f"CREATE OR REPLACE FUNCTION {piece.name}_fn() RETURNS trigger LANGUAGE plpgsql "
                "SET search_path = public, pg_temp AS $f$BEGIN RETURN NEW; END$f$"
            )
        assert refused(told, "imprimatur.E002", piece.name)

    @pytest.mark.postgresql
    @pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs PostgreSQL")
    def test_that_was_switched_off_is_no_start(self, told: list[dict[str, Any]]) -> None:
        piece = first_piece()
        run(f"ALTER TABLE {piece.table} DISABLE TRIGGER {piece.name}")
        try:
            assert refused(told, "imprimatur.E002", piece.name)
        finally:
            run(f"ALTER TABLE {piece.table} ENABLE TRIGGER {piece.name}")

    @pytest.mark.postgresql
    @pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs PostgreSQL")
    @pytest.mark.parametrize(
        "narrowed",
        [
            "BEFORE DELETE OR UPDATE ON {0} FOR EACH ROW WHEN (false)",
            "BEFORE DELETE ON {0} FOR EACH ROW",
            "BEFORE DELETE OR UPDATE OF id ON {0} FOR EACH ROW",
            "AFTER DELETE OR UPDATE ON {0} FOR EACH ROW",
            "BEFORE DELETE OR UPDATE ON {0} FOR EACH STATEMENT",
        ],
    )
    def test_that_fires_no_more_or_not_always_is_no_start(
        self, told: list[dict[str, Any]], narrowed: str
    ) -> None:
        piece = first_piece()
        run(piece.drop)
        run(
            f"CREATE TRIGGER {piece.name} {narrowed.format(piece.table)} "
            f"EXECUTE FUNCTION {piece.name}_fn()"
        )
        assert refused(told, "imprimatur.E002", piece.name)

    @pytest.mark.postgresql
    @pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs PostgreSQL")
    def test_that_binds_only_at_the_end_is_no_start(self, told: list[dict[str, Any]]) -> None:
        piece = next(
            piece
            for guard in guards.manifest()
            for piece in guard.postgresql
            if piece.kind == "constraint"
        )
        run(piece.drop)
        run(piece.create)
        start.require_sound("web")
        run(piece.drop)
        run(f"{piece.create} DEFERRABLE")
        assert refused(told, "imprimatur.E002", piece.name)

    def test_that_is_missing_stops_the_worker_the_relay_and_the_web(
        self, told: list[dict[str, Any]]
    ) -> None:
        run(first_piece().drop)
        assert celery.app.main == "imprimatur"
        starts: list[Callable[[], object]] = [
            lambda: worker_init.send(sender=None),
            lambda: call_command("relay"),
            lambda: runpy.run_module("imprimatur.config.asgi"),
            lambda: runpy.run_module("imprimatur.config.wsgi"),
        ]
        for begin in starts:
            told.clear()
            with pytest.raises(SystemExit):
                begin()
            assert [line["check"] for line in told] == ["imprimatur.E002"]


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs PostgreSQL")
@pytest.mark.usefixtures("transactional_db")
class TestTheLogin:
    @pytest.fixture(autouse=True)
    def _production(self, settings: Any) -> None:
        settings.REQUIRE_OWN_ROLE = True

    @pytest.mark.parametrize(("process", "role"), list(processes.ROLES.items()))
    def test_of_the_process_starts(
        self, told: list[dict[str, Any]], process: str, role: str
    ) -> None:
        with databases.as_role(role):
            start.require_sound(process)
        assert told == []

    def test_of_another_process_is_no_start(self, told: list[dict[str, Any]]) -> None:
        with databases.as_role("reviewer"):
            assert refused(told, "imprimatur.E005", roles.login("app"), process="worker")

    def test_that_is_nobodys_is_no_start(self, told: list[dict[str, Any]]) -> None:
        """The suite's own login holds the rights of all processes together."""
        name = connection.settings_dict["USER"]
        assert refused(told, "imprimatur.E003", name)

    def test_with_a_right_of_another_is_no_start(self, told: list[dict[str, Any]]) -> None:
        with databases.as_role("app"):
            start.require_sound("worker")
            worker = roles.login("app")
            run(f"GRANT INSERT ON review_decision TO {worker}")
            assert refused(told, "imprimatur.E004", "INSERT on review_decision", process="worker")

    def test_that_lacks_a_right_is_no_start(self, told: list[dict[str, Any]]) -> None:
        with databases.as_role("publisher"):
            run(f"REVOKE INSERT ON release_release FROM {roles.login('publisher')}")
            assert refused(
                told, "imprimatur.E004", "lacks INSERT on release_release", process="publisher"
            )

    def test_that_owns_evidence_is_no_start(self, told: list[dict[str, Any]]) -> None:
        with databases.as_role("app"):
            worker = roles.login("app")
            with databases.as_owner(), connection.cursor() as cursor:
                cursor.execute("SELECT current_user")
                owner = cursor.fetchone()[0]
            run(f"ALTER TABLE ledger_entry OWNER TO {worker}")
            try:
                assert refused(
                    told, "imprimatur.E004", "owns the table ledger_entry", process="worker"
                )
            finally:
                run(f"ALTER TABLE ledger_entry OWNER TO {owner}")

    def test_that_is_a_superuser_is_no_start(
        self, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with databases.as_owner():
            owner = connection.settings_dict["USER"]
            # Under a name that is a role's: what it is counts, not how it is called.
            monkeypatch.setattr(roles, "login", lambda _role: owner)
            assert refused(told, "imprimatur.E004", "is a superuser", process="worker")

    def test_of_anybody_starts_where_the_settings_do_not_ask(
        self, told: list[dict[str, Any]], settings: Any
    ) -> None:
        settings.REQUIRE_OWN_ROLE = False
        start.require_sound("relay")
        assert told == []


class TestThePermissionTable:
    @pytest.mark.django_db
    @pytest.mark.parametrize("rule", [None, (), ((),)])
    def test_with_a_gap_is_no_start(
        self, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, rule: Any
    ) -> None:
        changed = dict(table.TABLE)
        if rule is None:
            changed.pop(Permission.REVIEW_CASE_DECIDE)
        else:
            changed[Permission.REVIEW_CASE_DECIDE] = rule
        monkeypatch.setattr(table, "TABLE", changed)
        assert refused(told, "imprimatur.E001", str(Permission.REVIEW_CASE_DECIDE))
