"""`manage.py roles`: the database's logins and their rights, printed, applied or compared."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from governance.tables import roles
from governance.tables.roles import DatabaseRole


class Command(BaseCommand):
    """Prints the SQL; with --apply runs it as the owner, with --check compares the database."""

    help = (
        "Print the SQL that makes each process's login and gives it its rights, for psql; the "
        "passwords are psql variables. --apply runs it as the owner (DATABASE_OWNER_URL), with the "
        "passwords of DATABASE_APP_PASSWORD and so on. --check names each difference."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--apply", action="store_true", help="run the SQL as the owner")
        one.add_argument("--check", action="store_true", help="exit with 1 if anything differs")

    def handle(self, *, apply: bool, check: bool, **_: Any) -> None:
        # What may be looked at by any login is compared as ours; the rest is the owner's business.
        connection = connections["default" if check or "owner" not in connections else "owner"]
        if connection.vendor != "postgresql":
            raise CommandError(
                "Only PostgreSQL has roles: on SQLite whoever opens the file owns it."
            )
        if apply:
            self._apply(connection)
        elif check:
            self._check(connection)
        else:
            self.stdout.write("\n".join(f"{line};" for line in _script(connection)))

    def _apply(self, connection: BaseDatabaseWrapper) -> None:
        given = {r: p for r in DatabaseRole if (p := settings.DATABASE_ROLE_PASSWORDS[r])}
        if not given:
            raise CommandError("Give the passwords: DATABASE_APP_PASSWORD and so on, or _FILE.")
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for role, password in given.items():
                cursor.execute(_made(connection, role))
                # Only the verifier is sent: the password is in no log and in no history.
                verifier = cursor.connection.pgconn.encrypt_password(
                    password.encode(), roles.login(role).encode(), b"scram-sha-256"
                ).decode()
                cursor.execute(_logs_in(connection, role, f"'{verifier}'"))
        roles.grant(connection)
        for role in DatabaseRole:
            done = "may log in" if role in given else "left as it is: no password was given"
            self.stdout.write(f"{roles.login(role)}: {done}")

    def _check(self, connection: BaseDatabaseWrapper) -> None:
        found = [
            difference
            for role in DatabaseRole
            for difference in roles.differences(connection, roles.login(role), {role})
        ]
        for difference in found:
            self.stdout.write(difference)
        if found:
            raise CommandError(
                f"The database's roles differ from what they should be: {len(found)}."
            )
        self.stdout.write("Every role has its rights, and no other.")


def _script(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield everything for psql, where `:'app_password'` is a variable."""
    for role in DatabaseRole:
        yield _made(connection, role)
        yield _logs_in(connection, role, f":'{role}_password'")
    yield from roles.closing_statements(connection)
    for role in DatabaseRole:
        yield from roles.statements(connection, roles.login(role), {role})


def _made(connection: BaseDatabaseWrapper, role: DatabaseRole) -> str:
    name = connection.ops.quote_name(roles.login(role))
    return f"DO $$ BEGIN CREATE ROLE {name}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"


def _logs_in(connection: BaseDatabaseWrapper, role: DatabaseRole, password: str) -> str:
    name = connection.ops.quote_name(roles.login(role))
    return f"ALTER ROLE {name} LOGIN NOCREATEDB NOCREATEROLE PASSWORD {password}"
