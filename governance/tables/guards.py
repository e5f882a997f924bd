"""Guards: what the database itself refuses, as data, in PostgreSQL's words and in SQLite's.

An app lists its guards in `guards.py` as `GUARDS`; they are installed after every migration and
compared with the database's own catalogue at every start: a missing or altered guard is no start.
SQLite has no ADD CONSTRAINT and remakes tables in migrations, so there everything is a trigger.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from governance.kernel.lifecycle import Lifecycle

REFUSED = "imprimatur: "
# Parts a catalogue's text where it describes one piece in several.
_PART = "\0"


@dataclass(frozen=True, slots=True)
class Piece:
    """One object in the catalogue: how it is made, how it is dropped, and the text it must have."""

    name: str
    table: str
    create: str
    drop: str
    kind: str = "trigger"


@dataclass(frozen=True, slots=True)
class Guard:
    """One refusal, under one name, with its pieces for each vendor."""

    name: str
    table: str
    postgresql: tuple[Piece, ...]
    sqlite: tuple[Piece, ...]
    makes_append_only: bool = field(default=False)
    makes_permanent: bool = field(default=False)

    def pieces(self, vendor: str) -> tuple[Piece, ...]:
        """Return this guard's pieces for `vendor` ("postgresql" or "sqlite")."""
        return self.postgresql if vendor == "postgresql" else self.sqlite


def refuse_when(
    name: str,
    table: str,
    *,
    event: str,
    condition: str,
    message: str,
    lock: str | None = None,
) -> Guard:
    """Refuse `event` ("INSERT", "UPDATE", "DELETE") on `table` when the SQL `condition` holds.

    `condition` reads NEW and OLD and may hold subqueries; it must mean the same to both vendors and
    must never be NULL (wrap in COALESCE). `lock` is an SQL text expression: on PostgreSQL all
    guards with an equal lock value run one after the other, so two transactions cannot pass each
    other; SQLite has one writer at a time anyway.
    """
    text = f"{REFUSED}{message}".replace("'", "''")
    locking = f"PERFORM pg_advisory_xact_lock(hashtextextended({lock}, 0)); " if lock else ""
    returned = "OLD" if event == "DELETE" else "NEW"
    body = (
        f"BEGIN {locking}IF ({condition}) THEN RAISE EXCEPTION '{text}' "
        f"USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN {returned}; END"
    )
    return Guard(
        name,
        table,
        postgresql=_postgresql_trigger(name, table, f"BEFORE {event}", "ROW", body),
        sqlite=(_sqlite_trigger(name, table, f"BEFORE {event}", condition, text),),
    )


def only_moves(name: str, table: str, lifecycle: Lifecycle, message: str) -> Guard:
    """Refuse a change of `state` for which the lifecycle has no move."""
    moves = sorted({arc for arcs in lifecycle.moves.values() for arc in arcs.items()})
    allowed = " OR ".join(
        f"(OLD.state = '{source}' AND NEW.state = '{target}')" for source, target in moves
    )
    return refuse_when(
        name,
        table,
        event="UPDATE",
        condition=f"OLD.state <> NEW.state AND NOT ({allowed})",
        message=message,
    )


def append_only(table: str, *, key: str = "id") -> Guard:
    """Refuse UPDATE, DELETE, TRUNCATE and replacing a row by its key."""
    name = f"{table}_append_only"
    text = f"{REFUSED}{table} is append-only"
    body = f"BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = 'integrity_constraint_violation'; END"
    exists = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"
    return Guard(
        name,
        table,
        postgresql=(
            *_postgresql_trigger(name, table, "BEFORE DELETE OR UPDATE", "ROW", body),
            *_postgresql_trigger(f"{name}_truncate", table, "BEFORE TRUNCATE", "STATEMENT", body),
        ),
        sqlite=(
            _sqlite_trigger(f"{name}_update", table, "BEFORE UPDATE", "1", text),
            _sqlite_trigger(f"{name}_delete", table, "BEFORE DELETE", "1", text),
            _sqlite_trigger(f"{name}_replace", table, "BEFORE INSERT", exists, text),
        ),
        makes_append_only=True,
        makes_permanent=True,
    )


def once(name: str, table: str, columns: tuple[str, ...], message: str) -> Guard:
    """Refuse an INSERT whose unique key is taken.

    A UNIQUE constraint says the same, but on SQLite a REPLACE removes the row that holds the key
    without asking the delete triggers; this refuses it first.
    """
    same = " AND ".join(f"{column} = NEW.{column}" for column in columns)
    return refuse_when(
        name,
        table,
        event="INSERT",
        condition=f"EXISTS (SELECT 1 FROM {table} WHERE {same})",
        message=message,
    )


def never_deleted(table: str, *, key: str = "id") -> Guard:
    """Refuse DELETE, TRUNCATE and replacing a row by its key; updates stay possible."""
    name = f"{table}_never_deleted"
    text = f"{REFUSED}rows of {table} are never deleted"
    body = f"BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = 'integrity_constraint_violation'; END"
    exists = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"
    return Guard(
        name,
        table,
        postgresql=(
            *_postgresql_trigger(name, table, "BEFORE DELETE", "ROW", body),
            *_postgresql_trigger(f"{name}_truncate", table, "BEFORE TRUNCATE", "STATEMENT", body),
        ),
        sqlite=(
            _sqlite_trigger(f"{name}_delete", table, "BEFORE DELETE", "1", text),
            _sqlite_trigger(f"{name}_replace", table, "BEFORE INSERT", exists, text),
        ),
        makes_permanent=True,
    )


def frozen(table: str, *columns: str) -> Guard:
    """Refuse any change of `columns` once the row is there."""
    name = f"{table}_frozen"
    text = f"{REFUSED}{', '.join(columns)} of {table} cannot change"
    changed = " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in columns)
    body = (
        f"BEGIN IF ({changed}) THEN RAISE EXCEPTION '{text}' "
        "USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END"
    )
    changed_sqlite = " OR ".join(f"OLD.{c} IS NOT NEW.{c}" for c in columns)
    return Guard(
        name,
        table,
        postgresql=_postgresql_trigger(name, table, "BEFORE UPDATE", "ROW", body),
        sqlite=(_sqlite_trigger(name, table, "BEFORE UPDATE", changed_sqlite, text),),
    )


def composite_key(
    table: str, columns: tuple[str, ...], parent: str, parent_columns: tuple[str, ...]
) -> Guard:
    """Bind several columns of `table` to one row of `parent`, as a composite foreign key."""
    name = f"{table}_{'_'.join(columns)}_bound"[:55]
    here, there = ", ".join(columns), ", ".join(parent_columns)
    text = f"{REFUSED}({here}) of {table} must name one row of {parent}"
    pairs = list(zip(columns, parent_columns, strict=True))
    missing = (
        "NOT EXISTS (SELECT 1 FROM "
        f"{parent} WHERE {' AND '.join(f'{p} = NEW.{c}' for c, p in pairs)})"
    )
    holding = " AND ".join(f"{c} = OLD.{p}" for c, p in pairs)
    held = f"EXISTS (SELECT 1 FROM {table} WHERE {holding})"
    moved = " OR ".join(f"OLD.{p} IS NOT NEW.{p}" for p in parent_columns)
    return Guard(
        name,
        table,
        postgresql=(
            Piece(
                name,
                table,
                f"ALTER TABLE {table} ADD CONSTRAINT {name} "
                f"FOREIGN KEY ({here}) REFERENCES {parent} ({there})",
                f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}",
                kind="constraint",
            ),
        ),
        sqlite=(
            _sqlite_trigger(f"{name}_insert", table, "BEFORE INSERT", missing, text),
            _sqlite_trigger(f"{name}_update", table, "BEFORE UPDATE", missing, text),
            _sqlite_trigger(f"{name}_parent_delete", parent, "BEFORE DELETE", held, text),
            _sqlite_trigger(
                f"{name}_parent_update", parent, "BEFORE UPDATE", f"({moved}) AND {held}", text
            ),
        ),
    )


def after_insert(name: str, table: str, *, statement: str) -> Guard:
    """Run one SQL statement (the same words for both vendors, reading NEW) after each insert."""
    body = f"BEGIN {statement}; RETURN NULL; END"
    create = f"CREATE TRIGGER {name} AFTER INSERT ON {table} FOR EACH ROW BEGIN {statement}; END"
    return Guard(
        name,
        table,
        postgresql=_postgresql_trigger(name, table, "AFTER INSERT", "ROW", body),
        sqlite=(Piece(name, table, create, f"DROP TRIGGER IF EXISTS {name}"),),
    )


def modules() -> Iterator[ModuleType]:
    """Yield the `guards` module of every installed app that has one, in start order."""
    for config in apps.get_app_configs():
        if config.module is None:
            continue
        try:
            yield import_module(f"{config.name}.guards")
        except ModuleNotFoundError as error:
            if error.name != f"{config.name}.guards":
                raise


def manifest() -> Iterator[Guard]:
    """Yield the guards of every installed app, in start order."""
    for module in modules():
        yield from getattr(module, "GUARDS", ())


def install(connection: BaseDatabaseWrapper, guards: Iterator[Guard] | None = None) -> None:
    """Create every guard that is missing or differs; run it as the owner of the tables.

    A guard on a table that is not there yet (a migration to a point in between) is left out: it
    stays missing, and so no process starts.
    """
    wrong = set(missing(connection))
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        for guard in guards or manifest():
            for piece in guard.pieces(connection.vendor):
                if piece.name in wrong and piece.table in present:
                    cursor.execute(piece.drop)
                    for statement in piece.create.split("\n--\n"):
                        cursor.execute(statement)


def drop(connection: BaseDatabaseWrapper, guards: Iterator[Guard] | None = None) -> None:
    """Drop every guard; only a migration on SQLite and a negative control have a reason to."""
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        for guard in guards or manifest():
            for piece in guard.pieces(connection.vendor):
                if piece.table in present:
                    cursor.execute(piece.drop)


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of the pieces that the catalogue lacks, has altered, or has switched off."""
    found = _catalogue(connection)
    return [
        piece.name
        for guard in manifest()
        for piece in guard.pieces(connection.vendor)
        if not _matches(piece, found.get((piece.kind, piece.name)))
    ]


def append_only_tables() -> frozenset[str]:
    """Return the tables whose rows stay as they were written."""
    return frozenset(guard.table for guard in manifest() if guard.makes_append_only)


def permanent_tables() -> frozenset[str]:
    """Return the tables whose rows are never deleted, the append-only ones included."""
    return frozenset(guard.table for guard in manifest() if guard.makes_permanent)


def _matches(piece: Piece, found: str | None) -> bool:
    return found is not None and all(
        _squash(part) in _squash(piece.create) for part in found.split(_PART)
    )


def _squash(sql: str) -> str:
    return "".join(sql.split())


def _catalogue(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], str]:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            return {("trigger", name): sql for name, sql in cursor.fetchall()}
        cursor.execute(
            "SELECT t.tgname, p.prosrc, pg_get_triggerdef(t.oid, true) "
            "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') "
            "AND n.nspname = current_schema() "
            "AND 'search_path=public, pg_temp' = ANY(p.proconfig)"
        )
        found: dict[tuple[str, str], Any] = {
            ("trigger", name): f"{source}{_PART}{definition}"
            for name, source, definition in cursor.fetchall()
        }
        cursor.execute(
            "SELECT c.conname, pg_get_constraintdef(c.oid, true) "
            "FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace "
            "WHERE c.contype = 'f' AND c.convalidated AND n.nspname = current_schema()"
        )
        found.update({("constraint", name): text for name, text in cursor.fetchall()})
        return found


def _postgresql_trigger(name: str, table: str, when: str, per: str, body: str) -> tuple[Piece, ...]:
    function = f"{name}_fn"
    create = (
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql "
        # Else a temporary table of the same name would be asked in place of the real one.
        "SET search_path = public, pg_temp AS $guard$"
        f"{body}$guard$\n--\n"
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {per} EXECUTE FUNCTION {function}()"
    )
    return (Piece(name, table, create, f"DROP TRIGGER IF EXISTS {name} ON {table}"),)


def _sqlite_trigger(name: str, table: str, when: str, condition: str, text: str) -> Piece:
    create = (
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW WHEN ({condition}) "
        f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
    )
    return Piece(name, table, create, f"DROP TRIGGER IF EXISTS {name}")
