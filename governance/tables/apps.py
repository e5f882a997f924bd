"""Keeps the guards and every role's rights in step with the tables, at every migration."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate


class TablesConfig(AppConfig):
    """The app without tables that looks after everybody's."""

    name = "governance.tables"
    label = "tables"

    def ready(self) -> None:
        """Wrap every migration: where SQLite remakes a table it loses triggers; they come off."""
        pre_migrate.connect(_before_migrating, sender=self)
        post_migrate.connect(_after_migrating, sender=self)


def _before_migrating(*, using: str, **_: Any) -> None:
    from governance.tables import guards

    connection = connections[using]
    if connection.vendor == "sqlite":
        guards.drop(connection)


def _after_migrating(*, using: str, **_: Any) -> None:
    from governance.tables import guards, roles

    connection = connections[using]
    guards.install(connection)
    if connection.vendor == "postgresql":
        roles.grant(connection)
