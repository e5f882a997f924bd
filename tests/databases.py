"""The suite's database: made by its owner, used as the application, emptied by the owner.

On PostgreSQL the suite works as one login that has the rights of all processes together: a test
that drives web, worker, publisher and relay in one process must be able to write for each of them.
What each role alone may do is `tests/promises/test_roles.py`, which logs in `as_role`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection

from governance.tables import guards, roles

APPLICATION_ROLE = os.environ.get("IMPRIMATUR_TEST_APPLICATION_ROLE", "")
APPLICATION_PASSWORD = os.environ.get("IMPRIMATUR_TEST_APPLICATION_PASSWORD", "")
# The roles of the server that the suite makes log in with this; they may touch only test databases.
ROLE_PASSWORD = "only-for-tests"
_owner: dict[str, str] = {}


def work_as_application() -> None:
    """Switch the connection to the application's login, granted what all processes have."""
    if connection.vendor != "postgresql" or not APPLICATION_ROLE:
        return
    make_login(APPLICATION_ROLE, APPLICATION_PASSWORD)
    with connection.cursor() as cursor:
        for statement in roles.statements(connection, APPLICATION_ROLE, roles.WRITING):
            cursor.execute(statement)
    present = connection.settings_dict
    _owner.update(USER=present["USER"], PASSWORD=present["PASSWORD"])
    _switch(APPLICATION_ROLE, APPLICATION_PASSWORD)


def work_as_owner() -> None:
    """Switch back to the owner."""
    if _owner:
        _switch(_owner["USER"], _owner["PASSWORD"])


def end_other_sessions() -> None:
    """End what threads and processes of the tests left connected: the database is to be dropped."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@contextmanager
def as_owner() -> Iterator[None]:
    """Work as the owner for a moment, outside any transaction: what a negative control needs."""
    if not _owner:
        yield
        return
    with _as_login(_owner["USER"], _owner["PASSWORD"]):
        yield


@contextmanager
def as_role(role: str) -> Iterator[None]:
    """Work as one role of an installation for a moment, outside any transaction (PostgreSQL)."""
    with as_owner():
        make_login(roles.login(role), ROLE_PASSWORD)
        with connection.cursor() as cursor:
            for statement in roles.closing_statements(connection):
                cursor.execute(statement)
            for statement in roles.statements(connection, roles.login(role), {role}):
                cursor.execute(statement)
    with _as_login(roles.login(role), ROLE_PASSWORD):
        yield


def make_login(name: str, password: str) -> None:
    """Make a login of the server unless it is there; several suites may try at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
        if cursor.fetchone() is None:
            cursor.execute(
                f"DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD '{password}'; "
                "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )


def url() -> str:
    """Return the URL of this process's database, for processes that a test starts."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    d = connection.settings_dict
    password = f":{d['PASSWORD']}" if d["PASSWORD"] else ""
    return f"postgres://{d['USER']}{password}@{d['HOST'] or '127.0.0.1'}:{d['PORT'] or 5432}/{name}"


def reset() -> None:
    """Empty every table, as the owner, with the guards off for that moment."""
    with as_owner():
        models = apps.get_models(include_auto_created=True)
        tables = [model._meta.db_table for model in models if model._meta.managed]
        tables = [t for t in tables if t not in {"django_content_type", "auth_permission"}]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                for table in tables:
                    cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
                cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
                for table in tables:
                    cursor.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
                cursor.execute("COMMIT")
            return
        guards.drop(connection)
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"DELETE FROM {table}")
        guards.install(connection)


@contextmanager
def _as_login(user: str, password: str) -> Iterator[None]:
    present = connection.settings_dict
    before = present["USER"], present["PASSWORD"]
    _switch(user, password)
    try:
        yield
    finally:
        _switch(*before)


def _switch(user: str, password: str) -> None:
    connection.close()
    connection.settings_dict["USER"] = user
    connection.settings_dict["PASSWORD"] = password
