"""Counts the rows of every table, so that a test can say exactly what an act left behind."""

from collections import Counter

from django.db import connection


def counted() -> Counter[str]:
    """Return how many rows each table of the database has, whoever made it."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        counts: Counter[str] = Counter()
        for table in tables:
            cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(table)}")
            counts[table] = cursor.fetchone()[0]
    return counts


def added_since(before: Counter[str]) -> dict[str, int]:
    """Return the tables whose number of rows differs from `before`, and by how many."""
    after = counted()
    return {
        table: after[table] - before[table]
        for table in sorted(after.keys() | before.keys())
        if after[table] != before[table]
    }
