"""What every governed table shares: a UUIDv7 identity and one way to change a state."""

from typing import Any, cast

from django.db import connection, models

from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import StaleState, Transition


class Record(models.Model):
    """A row with a UUIDv7 key and the time it was recorded, which the caller gives."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField()

    class Meta:
        abstract = True


class Proposed(models.Model):
    """A version that one person proposed and another must approve before it counts (four eyes).

    Each concrete table adds `four_eyes("<noun>")` to its constraints, so the database refuses
    an approval by the proposer.
    """

    proposed_by = models.UUIDField()
    approved_by = models.UUIDField(null=True)
    approved_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


def four_eyes(noun: str) -> models.CheckConstraint:
    """Return the constraint that the proposer did not approve, and that both fields go together."""
    return models.CheckConstraint(
        name=f"{noun}_approved_by_another",
        condition=models.Q(approved_by__isnull=True, approved_at__isnull=True)
        | (
            models.Q(approved_by__isnull=False, approved_at__isnull=False)
            & ~models.Q(approved_by=models.F("proposed_by"))
        ),
    )


def move(record: models.Model, transition: Transition, **changes: Any) -> None:
    """Move `record` by compare-and-set on the state that was read, and set `changes` with it.

    Raises: StaleState if the row has left that state since it was read.
    """
    rows = cast("Any", type(record))._default_manager.filter(pk=record.pk, state=transition.source)
    if rows.update(state=transition.target, **changes) != 1:
        noun = record._meta.verbose_name
        raise StaleState(
            f"The {noun} is no longer {transition.source}: somebody else moved it first.",
            act=transition.act,
        )
    for name, value in {"state": transition.target, **changes}.items():
        setattr(record, name, value)


def wait_for_others(name: str, *, is_shared: bool = False) -> None:
    """Let transactions that take the same `name` run one after the other, until this one's end.

    For rows that the application's role may not lock, because it may not change them; the guards
    take the same lock under the same name. Those that share it run beside each other, and wait only
    for one that does not. SQLite has one writer at a time anyway.
    """
    if connection.vendor == "postgresql":
        lock = "pg_advisory_xact_lock_shared" if is_shared else "pg_advisory_xact_lock"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {lock}(hashtextextended(%s, 0))", [name])
