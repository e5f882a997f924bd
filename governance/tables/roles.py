"""Who may write what on PostgreSQL: one login for each process, its rights derived from data.

The guards say which tables only grow. Beside its `GUARDS` an app's `guards.py` may say who writes:

- `WRITERS`: table → roles that add rows; without a row here, every role of a process;
- `CHANGERS`: table, or "table.column" → roles that change rows (and delete them, for a whole
  table) as far as the guards leave that; without a row here, the writers;
- `READERS`: table → roles that read it; without a row here, every role.

On SQLite there are no roles: whoever opens the file owns it; there the guards and the ledger tell.
"""

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from governance.tables import guards


class DatabaseRole(StrEnum):
    """The roles that log in; the owner, who migrates, is none of them."""

    APP = "app"
    REVIEWER = "reviewer"
    PUBLISHER = "publisher"
    SEQUENCER = "sequencer"
    AUDITOR = "auditor"


# The roles of the processes: worker, web (where people decide), publisher, relay.
WRITING: AbstractSet[str] = frozenset(DatabaseRole) - {DatabaseRole.AUDITOR}
_READ_BY_ALL: AbstractSet[str] = frozenset(DatabaseRole)
# The version of PostgreSQL from which the right to set a parameter can be granted.
_HAS_PARAMETER_RIGHTS = 15_00_00
_ATTRIBUTES = {
    "rolsuper": "is a superuser",
    "rolcreaterole": "may make roles",
    "rolcreatedb": "may make databases",
    "rolreplication": "may replicate",
    "rolbypassrls": "passes row security",
}


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One privilege on a table, or on one column of it."""

    table: str
    privilege: str
    column: str = ""

    def __str__(self) -> str:
        column = f" ({self.column})" if self.column else ""
        return f"{self.privilege}{column} on {self.table}"


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the guards and the declarations of all apps say, read once."""

    readers: Mapping[str, AbstractSet[str]]
    writers: Mapping[str, AbstractSet[str]]
    changers: Mapping[str, AbstractSet[str]]
    append_only: AbstractSet[str]
    permanent: AbstractSet[str]

    @classmethod
    def declared(cls) -> Self:
        return cls(
            declared("READERS"),
            declared("WRITERS"),
            declared("CHANGERS"),
            guards.append_only_tables(),
            guards.permanent_tables(),
        )

    def on(self, table: str, roles: AbstractSet[str]) -> Iterator[Right]:
        """Yield the rights of these roles on one table."""
        writers = self.writers.get(table, WRITING)
        if roles & self.readers.get(table, _READ_BY_ALL):
            yield Right(table, "SELECT")
        if roles & writers:
            yield Right(table, "INSERT")
        if table not in self.append_only:
            yield from self._changes(table, roles, writers)

    def _changes(
        self, table: str, roles: AbstractSet[str], writers: AbstractSet[str]
    ) -> Iterator[Right]:
        by_column = {
            name.partition(".")[2]: may
            for name, may in self.changers.items()
            if name.startswith(f"{table}.")
        }
        if roles & self.changers.get(table, frozenset() if by_column else writers):
            yield Right(table, "UPDATE")
            if table not in self.permanent:
                yield Right(table, "DELETE")
            return
        for column, may in by_column.items():
            if roles & may:
                yield Right(table, "UPDATE", column)


def login(role: str) -> str:
    """Return the name that a role logs in with in this installation."""
    return f"{settings.DATABASE_ROLES}{role}"


def role_of(name: str) -> DatabaseRole | None:
    """Return the role whose login has that name; None for any other."""
    return next((role for role in DatabaseRole if login(role) == name), None)


def rights(roles: Collection[str]) -> frozenset[Right]:
    """Return what the data gives to these roles together, on the tables of every installed app."""
    rules, held = _Rules.declared(), frozenset(roles)
    found = {right for table in tables() for right in rules.on(table, held)}
    return frozenset(found | {Right("django_migrations", "SELECT")})


def declared(kind: str) -> dict[str, AbstractSet[str]]:
    """Return the rows that all apps declare under `kind`. Raises: ValueError for one said twice."""
    found: dict[str, AbstractSet[str]] = {}
    for module in guards.modules():
        rows: Mapping[str, AbstractSet[str]] = getattr(module, kind, {})
        twice = found.keys() & rows.keys()
        if twice:
            raise ValueError(f"{kind} of {', '.join(sorted(twice))} is declared twice")
        found |= rows
    return found


def tables() -> frozenset[str]:
    """Return the tables of every installed app."""
    return frozenset(model._meta.db_table for model in apps.get_models(include_auto_created=True))


def grant(connection: BaseDatabaseWrapper) -> None:
    """Give every role that exists what the data says, and take back the rest; as the owner."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles")
        present = {name for (name,) in cursor.fetchall()}
        for statement in closing_statements(connection):
            cursor.execute(statement)
        for role in DatabaseRole:
            if login(role) in present:
                for statement in statements(connection, login(role), {role}):
                    cursor.execute(statement)


def closing_statements(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the SQL that leaves nothing to whoever is nobody in particular.

    A temporary table could hide a real one from whoever reads without naming the schema.
    """
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    return [
        f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC",
    ]


def statements(connection: BaseDatabaseWrapper, name: str, roles: Collection[str]) -> Iterator[str]:
    """Yield the SQL that gives the login `name` the rights of these roles, and nothing else."""
    quote = connection.ops.quote_name
    who, database = quote(name), quote(connection.settings_dict["NAME"])
    present = set(connection.introspection.table_names())
    yield f"REVOKE ALL ON DATABASE {database} FROM {who}"
    yield f"GRANT CONNECT ON DATABASE {database} TO {who}"
    yield f"REVOKE ALL ON SCHEMA public FROM {who}"
    yield f"GRANT USAGE ON SCHEMA public TO {who}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {who}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {who}"
    due = sorted(right for right in rights(roles) if right.table in present)
    for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
        whole = [r.table for r in due if r.privilege == privilege and not r.column]
        if whole:
            yield f"GRANT {privilege} ON {', '.join(map(quote, whole))} TO {who}"
    for right in due:
        if right.column:
            column, table = quote(right.column), quote(right.table)
            yield f"GRANT {right.privilege} ({column}) ON {table} TO {who}"


def differences(connection: BaseDatabaseWrapper, name: str, roles: Collection[str]) -> list[str]:
    """Compare the catalogue with the data; return one sentence for each difference of a login.

    What a login holds counts however it came by it: of its own, through PUBLIC or a membership.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(_ATTRIBUTES)} FROM pg_roles WHERE rolname = %s", [name])
        row = cursor.fetchone()
    if row is None:
        return [f"{name} does not exist"]
    stands_out = [
        f"{name} {says}" for says, has in zip(_ATTRIBUTES.values(), row, strict=True) if has
    ]
    if row[0]:
        # A superuser holds every right; there is nothing to compare.
        return stands_out
    stands_out += [f"{name} {says}" for says in _standing(connection, name)]
    held, due = _held(connection, name), rights(roles)
    return [
        *stands_out,
        *(f"{name} holds {right}, which is not its own" for right in sorted(held - due)),
        *(f"{name} lacks {right}" for right in sorted(due - held)),
    ]


def _held(connection: BaseDatabaseWrapper, name: str) -> frozenset[Right]:
    """Return every right on a table that the catalogue gives to a login, in whatever way."""
    of_ours = (
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "AND n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.relname, p.name, '' {of_ours} CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', "
            "'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(name) "
            "WHERE has_table_privilege(%(name)s, c.oid, p.name) "
            f"UNION ALL SELECT c.relname, p.name, a.attname {of_ours} "
            "CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p(name) "
            "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "WHERE NOT has_table_privilege(%(name)s, c.oid, p.name) "
            "AND has_column_privilege(%(name)s, c.oid, a.attnum, p.name)",
            {"name": name},
        )
        return frozenset(Right(*row) for row in cursor.fetchall())


def _standing(connection: BaseDatabaseWrapper, name: str) -> Iterator[str]:
    """Yield what a login is or may do that no role of ours is or may do."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 'may act as ' || rolname FROM pg_roles "
            "WHERE rolname <> %(name)s AND pg_has_role(%(name)s, oid, 'MEMBER') "
            "UNION ALL SELECT 'owns the table ' || tablename FROM pg_tables "
            "WHERE schemaname = 'public' AND pg_has_role(%(name)s, tableowner, 'USAGE') "
            "UNION ALL SELECT 'may make tables' "
            "WHERE has_schema_privilege(%(name)s, 'public', 'CREATE') "
            "UNION ALL SELECT 'may make schemas' "
            "WHERE has_database_privilege(%(name)s, current_database(), 'CREATE') "
            "UNION ALL SELECT 'may make temporary tables' "
            "WHERE has_database_privilege(%(name)s, current_database(), 'TEMPORARY') "
            "ORDER BY 1",
            {"name": name},
        )
        yield from (says for (says,) in cursor.fetchall())
        # In earlier versions only a superuser may.
        if connection.pg_version >= _HAS_PARAMETER_RIGHTS:  # type: ignore[attr-defined]
            cursor.execute(
                "SELECT has_parameter_privilege(%s, 'session_replication_role', 'SET')", [name]
            )
            if cursor.fetchone()[0]:
                yield "may switch off triggers (session_replication_role)"
