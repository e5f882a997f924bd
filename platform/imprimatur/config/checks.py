"""What must hold before a process may start: every guard is there, nobody runs as their owner."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.db import connections

from governance.policy import table
from governance.tables import grants, guards


@register(Tags.security)
def permission_table_has_no_gaps(**_: Any) -> list[Error]:
    """Refuse to start with a permission that nobody defined, or an empty clause."""
    return [
        Error(f"The permission table has no rule for {name}.", id="imprimatur.E001")
        for name in table.gaps()
    ]


@register(Tags.database)
def guards_are_in_place(databases: Any = None, **_: Any) -> list[Error]:
    """Refuse to start while the database lacks a guard, or runs us as the owner of evidence."""
    if not databases or "default" not in databases:
        return []
    connection = connections["default"]
    errors = [
        Error(
            f"The database lacks the guard {name}.",
            hint="Run the migrations; if they are applied, somebody removed or altered it: "
            "look at the ledger.",
            id="imprimatur.E002",
        )
        for name in guards.missing(connection)
    ]
    if settings.REFUSE_OWNER_ROLE:
        errors += [
            Error(
                f"The application's role owns the evidence table {name}.",
                hint="DATABASE_URL must name a role that owns no tables.",
                id="imprimatur.E003",
            )
            for name in grants.owned_evidence(connection)
        ]
    return errors
