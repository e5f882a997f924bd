"""The roles as data: every declaration names what is there, and rights follow from it."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps

from governance.tables import guards, roles
from governance.tables.roles import DatabaseRole, Right

KINDS = ("READERS", "WRITERS", "CHANGERS")


def columns() -> Mapping[str, set[str]]:
    return {
        model._meta.db_table: {str(field.column) for field in model._meta.concrete_fields}
        for model in apps.get_models(include_auto_created=True)
    }


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put declarations of the test's own in the place of everybody's."""

    def give(*modules: Mapping[str, Any]) -> None:
        names = [SimpleNamespace(GUARDS=(), **rows) for rows in modules]
        monkeypatch.setattr(guards, "modules", lambda: iter(names))
        monkeypatch.setattr(roles, "tables", lambda: frozenset({"letter"}))

    return give


def on_letters(role: str) -> set[str]:
    return {
        f"{right.privilege} {right.column}".strip()
        for right in roles.rights({role})
        if right.table == "letter"
    }


class TestDeclarations:
    @pytest.mark.parametrize("kind", KINDS)
    def test_name_tables_columns_and_roles_that_exist(self, kind: str) -> None:
        known = columns()
        for name, may in roles.declared(kind).items():
            table, _, column = name.partition(".")
            assert table in known, f"{kind}: {table}"
            assert not column or (kind == "CHANGERS" and column in known[table]), f"{kind}: {name}"
            assert may <= set(DatabaseRole), f"{kind}: {name} names an unknown role"
            assert kind == "READERS" or DatabaseRole.AUDITOR not in may, f"{kind}: {name}"

    def test_change_nothing_of_what_only_grows(self) -> None:
        changed = {name.partition(".")[0] for name in roles.declared("CHANGERS")}
        assert changed & guards.append_only_tables() == set()

    def test_say_a_table_once(self, given: Any) -> None:
        given({"WRITERS": {"letter": {"app"}}}, {"WRITERS": {"letter": {"reviewer"}}})
        with pytest.raises(ValueError, match="letter is declared twice"):
            roles.declared("WRITERS")


class TestRights:
    def test_are_everything_but_for_auditors_where_nothing_is_said(self, given: Any) -> None:
        given({})
        assert on_letters("app") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert on_letters("auditor") == {"SELECT"}

    def test_to_change_are_the_writers_where_nothing_else_is_said(self, given: Any) -> None:
        given({"WRITERS": {"letter": {"app"}}})
        assert on_letters("app") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert on_letters("reviewer") == {"SELECT"}

    def test_to_change_can_be_others(self, given: Any) -> None:
        given({"WRITERS": {"letter": {"app"}}, "CHANGERS": {"letter": {"sequencer"}}})
        assert on_letters("app") == {"SELECT", "INSERT"}
        assert on_letters("sequencer") == {"SELECT", "UPDATE", "DELETE"}

    def test_to_change_can_be_of_one_column(self, given: Any) -> None:
        changers = {"letter": {"publisher"}, "letter.hinted_at": {"sequencer"}}
        given({"WRITERS": {"letter": {"reviewer"}}, "CHANGERS": changers})
        assert on_letters("sequencer") == {"SELECT", "UPDATE hinted_at"}
        assert on_letters("publisher") == {"SELECT", "UPDATE", "DELETE"}
        assert on_letters("reviewer") == {"SELECT", "INSERT"}

    def test_to_read_can_be_of_some(self, given: Any) -> None:
        given({"READERS": {"letter": {"reviewer"}}, "WRITERS": {"letter": {"reviewer"}}})
        assert on_letters("reviewer") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert on_letters("auditor") == set()

    @pytest.mark.parametrize(
        ("guard", "left"),
        [
            (guards.append_only("letter"), {"SELECT", "INSERT"}),
            (guards.never_deleted("letter"), {"SELECT", "INSERT", "UPDATE"}),
            (guards.frozen("letter", "id"), {"SELECT", "INSERT", "UPDATE", "DELETE"}),
        ],
    )
    def test_are_never_more_than_the_guards_leave(
        self, monkeypatch: pytest.MonkeyPatch, guard: guards.Guard, left: set[str]
    ) -> None:
        module = SimpleNamespace(GUARDS=(guard,))
        monkeypatch.setattr(guards, "modules", lambda: iter([module]))
        monkeypatch.setattr(roles, "tables", lambda: frozenset({"letter"}))
        assert on_letters("app") == left

    def test_of_several_roles_add_up(self, given: Any) -> None:
        given({"WRITERS": {"letter": {"app"}}, "CHANGERS": {"letter": {"sequencer"}}})
        assert roles.rights({"app", "sequencer"}) == roles.rights({"app"}) | roles.rights(
            {"sequencer"}
        )


class TestNames:
    def test_of_logins_begin_as_the_settings_say(self, settings: Any) -> None:
        settings.DATABASE_ROLES = "north_"
        assert roles.login("app") == "north_app"
        assert roles.role_of("north_sequencer") == DatabaseRole.SEQUENCER
        assert roles.role_of("north_owner") is None

    def test_of_rights_are_plain(self) -> None:
        assert str(Right("letter", "UPDATE", "state")) == "UPDATE (state) on letter"
        assert str(Right("letter", "INSERT")) == "INSERT on letter"
