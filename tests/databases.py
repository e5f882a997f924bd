"""The suite's database: made by its owner, used as the application's role, emptied by the owner."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.conf import settings
from django.db import connection

from governance.tables import guards

APPLICATION_ROLE = os.environ.get("IMPRIMATUR_TEST_APPLICATION_ROLE", "")
_owner: dict[str, str] = {}


def work_as_application() -> None:
    """Switch the connection to the application's role, granted as a migration grants it."""
    if connection.vendor != "postgresql" or not APPLICATION_ROLE:
        return
    from governance.tables import grants

    settings.DATABASE_APPLICATION_ROLE = APPLICATION_ROLE
    grants.grant(connection)
    present = connection.settings_dict
    _owner.update(USER=present["USER"], PASSWORD=present["PASSWORD"])
    _switch(APPLICATION_ROLE, os.environ.get("IMPRIMATUR_TEST_APPLICATION_PASSWORD", ""))


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
    work_as_owner()
    try:
        yield
    finally:
        _switch(APPLICATION_ROLE, os.environ.get("IMPRIMATUR_TEST_APPLICATION_PASSWORD", ""))


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


def _switch(user: str, password: str) -> None:
    connection.close()
    connection.settings_dict["USER"] = user
    connection.settings_dict["PASSWORD"] = password
