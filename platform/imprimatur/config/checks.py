"""What must hold before a process may start: every guard is there, nobody has another's rights."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from governance.licences.states import Purpose
from governance.policy import table
from governance.tables import guards, roles


@register(Tags.security)
def permission_table_has_no_gaps(**_: Any) -> list[Error]:
    """Refuse to start with a permission that nobody defined, or an empty clause."""
    return [
        Error(f"The permission table has no rule for {name}.", id="imprimatur.E001")
        for name in table.gaps()
    ]


@register(Tags.security)
def purpose_is_known(**_: Any) -> list[Error]:
    """Refuse to start with a purpose that no licence could permit."""
    if settings.PURPOSE in Purpose.values:
        return []
    return [
        Error(
            "PURPOSE does not name what images are made for.",
            hint=f"It is one of: {', '.join(Purpose.values)}.",
            id="imprimatur.E010",
        )
    ]


@register(Tags.database)
def guards_are_in_place(databases: Any = None, **_: Any) -> list[Error]:
    """Refuse to start while the database lacks a guard."""
    if not databases or "default" not in databases:
        return []
    return [
        Error(
            f"The database lacks the guard {name}.",
            hint="Run the migrations; if they are applied, somebody removed or altered it: "
            "look at the ledger.",
            id="imprimatur.E002",
        )
        for name in guards.missing(connections["default"])
    ]


@register(Tags.database)
def login_has_its_rights(databases: Any = None, **_: Any) -> list[Error]:
    """Refuse to start as the owner, a superuser, or with other rights than those of one role."""
    if not databases or "default" not in databases or not _has_roles(connections["default"]):
        return []
    name = login()
    role = roles.role_of(name)
    if role is None:
        names = ", ".join(roles.login(role) for role in roles.DatabaseRole)
        return [
            Error(
                f"The database login {name} is none of this installation's roles.",
                hint=f"DATABASE_URL must name one of: {names}. "
                "Migrations alone run as the owner, with DATABASE_OWNER_URL.",
                id="imprimatur.E003",
            )
        ]
    return [
        Error(
            f"The database login {difference}.",
            hint="Run the migrations as the owner: they set every role's rights. What remains was "
            "given by hand, and must be taken away by hand; `manage.py roles --check` lists it.",
            id="imprimatur.E004",
        )
        for difference in roles.differences(connections["default"], name, {role})
    ]


def login_is_of(role: str) -> list[Error]:
    """Refuse to start a process with the login of another process."""
    if not _has_roles(connections["default"]) or login() == roles.login(role):
        return []
    return [
        Error(
            f"This process logs in to the database as {login()}, and not as {roles.login(role)}.",
            hint="Each process has a DATABASE_URL of its own: what one may write, others may not.",
            id="imprimatur.E005",
        )
    ]


def login() -> str:
    """Return the name under which the database knows us."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT session_user")
        return str(cursor.fetchone()[0])


def _has_roles(connection: BaseDatabaseWrapper) -> bool:
    return bool(settings.REQUIRE_OWN_ROLE) and connection.vendor == "postgresql"
