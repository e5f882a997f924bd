"""Attacks on the guards, as a table: each is refused, and each succeeds once its guards are off.

One row is one `Attack`. A test builds a scene and calls `play`: each row is checked three ways:

- with every guard in place, as the application's role: the database must refuse it;
- with exactly the guards of `refused_by` off, as the owner, in a transaction that is rolled back:
  it must succeed, or the first part proved nothing (the negative control);
- with all but one of them off, for each in turn: it must still be refused, so none is decoration.

A guard may also be a constraint of a model: `constraint("review_case", "case_has_one_…")`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from governance.tables import guards
from governance.tables.guards import composite_key
from tests import databases

Scene = TypeVar("Scene")
CONSTRAINT = "constraint:"


@dataclass(frozen=True)
class Attack(Generic[Scene]):
    """One way round the gate; `act` is raw SQL, and `worked` sees its effect from outside.

    `vendor` limits a row to "postgresql" or "sqlite", where only one of them has the words for it.
    """

    name: str
    refused_by: Sequence[str]
    act: Callable[[Scene], None]
    worked: Callable[[Scene], bool]
    vendor: str = ""


def constraint(table: str, name: str) -> str:
    """Name a constraint of a model as a guard of an attack."""
    return f"{CONSTRAINT}{table}:{name}"


def bound(table: str, *columns: str) -> str:
    """Name the guard that binds these columns of a table to a row of another."""
    return composite_key(table, columns, "", columns).name


def play(rows: Sequence[Attack[Scene]], scene: Scene, subtests: pytest.Subtests) -> None:
    """Check every row of a table against one scene; a row leaves nothing behind."""
    for attack in rows:
        if attack.vendor in {"", connection.vendor}:
            with subtests.test(attack.name):
                check(attack, scene)


def check(attack: Attack[Scene], scene: Scene) -> None:
    """Play the attack with the guards, without them, and with each of them alone."""
    refused(attack, scene)
    with databases.as_owner():
        with _undone():
            without(attack.refused_by)
            _commit(attack, scene)
            assert attack.worked(scene), f"{attack.name}: the control saw no effect"
        for alone in attack.refused_by if len(attack.refused_by) > 1 else ():
            with _undone():
                without([name for name in attack.refused_by if name != alone])
                assert _is_refused(attack, scene), f"{attack.name}: {alone} does not refuse it"


def refused(attack: Attack[Scene], scene: Scene) -> None:
    """Play the attack with every guard in place: it is refused, and nothing of it stays."""
    assert _is_refused(attack, scene), f"{attack.name}: nothing refused it"
    assert not attack.worked(scene), f"{attack.name}: refused, and yet it had an effect"


def without(names: Sequence[str]) -> None:
    """Take off exactly these guards and constraints; call it in a transaction that is undone."""
    chosen = [guard for guard in guards.manifest() if guard.name in names]
    constraints = [name for name in names if name.startswith(CONSTRAINT)]
    unknown = set(names) - {guard.name for guard in chosen} - set(constraints)
    assert not unknown, f"no such guard: {sorted(unknown)}"
    guards.drop(connection, iter(chosen))
    for name in constraints:
        _, owner, constraint = name.split(":")
        _drop_constraint(owner, constraint)


def insert(table: str, **values: Any) -> None:
    """Insert one row in SQL."""
    _insert("INSERT INTO", table, values)


def replace(table: str, row: Mapping[str, Any] | None = None, *, key: str, **values: Any) -> None:
    """Put a row in the place of another that holds its key: REPLACE, or PostgreSQL's upsert.

    `row` holds further columns, also one that is called "key".
    """
    values = {**(row or {}), **values}
    if connection.vendor == "sqlite":
        _insert("INSERT OR REPLACE INTO", table, values)
    else:
        changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in values)
        _insert("INSERT INTO", table, values, f" ON CONFLICT ({key}) DO UPDATE SET {changes}")


def change(table: str, row: UUID, *, key: str = "id", **values: Any) -> None:
    """Update one row in SQL; it must be there."""
    pairs = ", ".join(f"{name} = %s" for name in values)
    _execute(f"UPDATE {table} SET {pairs} WHERE {key} = %s", [*values.values(), row])


def delete(table: str, row: UUID, *, key: str = "id") -> None:
    """Delete one row in SQL; it must be there."""
    _execute(f"DELETE FROM {table} WHERE {key} = %s", [row])


def count(table: str, **values: Any) -> int:
    """Count the rows that hold these values."""
    where = " AND ".join(f"{name} = %s" for name in values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM {table} WHERE {where}", [_plain(v) for v in values.values()]
        )
        return int(cursor.fetchone()[0])


def copied(table: str, row: UUID, *, key: str = "id") -> dict[str, Any]:
    """Read a row as it is stored, to write it again with changes."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} WHERE {key} = %s", [_plain(row)])
        values = cursor.fetchone()
        return {c[0]: value for c, value in zip(cursor.description, values, strict=True)}


def _insert(words: str, table: str, values: dict[str, Any], end: str = "") -> None:
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    _execute(f"{words} {table} ({names}) VALUES ({marks}){end}", list(values.values()))


def _execute(sql: str, values: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, [_plain(value) for value in values])
        assert cursor.rowcount == 1, "the attack hit nothing"


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime) and connection.vendor == "sqlite":
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return value


def _commit(attack: Attack[Scene], scene: Scene) -> None:
    """Act, and have everything checked that the database would check at the end."""
    attack.act(scene)
    connection.check_constraints()


def _is_refused(attack: Attack[Scene], scene: Scene) -> bool:
    try:
        with transaction.atomic():
            _commit(attack, scene)
            transaction.set_rollback(True)
    except DatabaseError:
        return True
    return False


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _drop_constraint(owner: str, name: str) -> None:
    with connection.cursor() as cursor:
        if _is_index(name):
            cursor.execute(f"DROP INDEX {name}")
        elif connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {owner} DROP CONSTRAINT {name}")
        else:
            _remake_without(owner, name)


def _is_index(name: str) -> bool:
    """Tell whether the constraint is a partial unique index, which is dropped by its own name."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' AND name = %s", [name]
            )
        else:
            cursor.execute(
                "SELECT COUNT(*) FROM pg_class c WHERE c.relkind = 'i' AND c.relname = %s "
                "AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid)",
                [name],
            )
        return bool(cursor.fetchone()[0])


def _remake_without(owner: str, name: str) -> None:
    """Make the SQLite table again without one constraint, with the triggers that it still had."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = [sql for (sql,) in cursor.fetchall()]
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = %s", [owner])
        made = cursor.fetchone()[0]
        bare = _cut(made, name).replace(f'CREATE TABLE "{owner}"', 'CREATE TABLE "bare"', 1)
        guards.drop(connection)
        cursor.execute(bare)
        cursor.execute(f"INSERT INTO bare SELECT * FROM {owner}")
        cursor.execute(f"DROP TABLE {owner}")
        cursor.execute(f"ALTER TABLE bare RENAME TO {owner}")
        for trigger in triggers:
            cursor.execute(trigger)


def _cut(sql: str, name: str) -> str:
    """Cut `, CONSTRAINT "name" …(…)` out of a CREATE TABLE.

    >>> _cut('CREATE TABLE "t" ("a" int, CONSTRAINT "k" CHECK ((a > (0))), "b" int)', "k")
    'CREATE TABLE "t" ("a" int, "b" int)'
    """
    found = re.search(rf', CONSTRAINT "{name}" \w+ \(', sql)
    assert found, f"no such constraint: {name}"
    depth, end = 1, found.end()
    while depth:
        depth += {"(": 1, ")": -1}.get(sql[end], 0)
        end += 1
    return sql[: found.start()] + sql[end:]
