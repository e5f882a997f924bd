"""The application's rights on PostgreSQL, derived from the guards: evidence is only read and added.

On SQLite there are no roles: whoever opens the file owns it; there the guards and the ledger tell.
"""

from django.apps import apps
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from governance.tables import guards


def grant(connection: BaseDatabaseWrapper) -> None:
    """Give the application's role what it needs on every table, and take back the rest.

    Does nothing where the migrating role is the application's own (tests of one role, development).
    """
    role: str = settings.DATABASE_APPLICATION_ROLE
    if not role or role == connection.settings_dict["USER"]:
        return
    quote = connection.ops.quote_name
    evidence = guards.append_only_tables()
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {quote(role)}")
        # A temporary table could hide a real one from whoever reads without naming the schema.
        database = quote(connection.settings_dict["NAME"])
        cursor.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
        present = set(connection.introspection.table_names(cursor))
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            if table not in present:
                continue
            rights = "SELECT, INSERT" if table in evidence else "SELECT, INSERT, UPDATE, DELETE"
            cursor.execute(f"REVOKE ALL ON {quote(table)} FROM {quote(role)}")
            cursor.execute(f"GRANT {rights} ON {quote(table)} TO {quote(role)}")
        cursor.execute(f"GRANT SELECT ON django_migrations TO {quote(role)}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quote(role)}")


def owned_evidence(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the evidence tables that the connected role owns: it must be none in production."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
            "AND pg_has_role(current_user, tableowner, 'USAGE') ORDER BY tablename"
        )
        evidence = guards.append_only_tables()
        return [table for (table,) in cursor.fetchall() if table in evidence]
