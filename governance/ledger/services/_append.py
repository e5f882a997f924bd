"""Records an act in the transaction that does it: both are committed, or neither."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import bodies
from governance.ledger.errors import FactNotRecordable, OutsideTransaction, UnknownEvent
from governance.ledger.events import Event
from governance.ledger.models import Entry
from governance.sealing import envelopes


def append(
    *,
    actor: Actor,
    event: str,
    subject: SubjectRef,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
    sealed: Mapping[str, bytes] | None = None,
) -> UUID:
    """Append one entry and return its id.

    `facts` holds ids, digests, integers, words; `sealed` holds personal text as sealed bytes.
    Raises: OutsideTransaction, UnknownEvent, FactNotRecordable, EntryTooLarge.
    """
    if not transaction.get_connection().in_atomic_block:
        message = f"{event} must be recorded in the transaction that does it"
        raise OutsideTransaction(message)
    registered = _registered(event)
    sealed = dict(sealed or {})
    for name, text in sealed.items():
        if not envelopes.is_sealed(text):
            raise FactNotRecordable(
                f"“{name}” is not sealed; personal text enters the ledger only sealed.",
                pointer=f"/sealed/{name}",
            )
    entry_id = uuid7()
    body = bodies.body(
        entry_id=entry_id,
        actor=actor,
        event=registered,
        subject=subject,
        at=now,
        facts=facts or {},
        sealed=sealed,
    )
    _insert(
        Entry(
            id=entry_id,
            created_at=now,
            event=registered.value,
            brand_id=subject.brand_id,
            subject_kind=subject.kind,
            subject_id=subject.id,
            actor_id=actor.id,
            body=body,
        )
    )
    return entry_id


def _insert(entry: Entry) -> None:
    """Insert the row in one plain statement: every act pays for this, and `save` takes longer."""
    connection = transaction.get_connection()
    fields = Entry._meta.concrete_fields  # noqa: SLF001  (Django's public name)
    values = [field.get_db_prep_save(getattr(entry, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(_statement(), values)


@cache
def _statement() -> str:
    columns = [str(field.column) for field in Entry._meta.concrete_fields]  # noqa: SLF001
    marks = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {Entry._meta.db_table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608, SLF001


def _registered(event: str) -> Event:
    try:
        return Event(event)
    except ValueError as error:
        raise UnknownEvent(
            f"“{event}” is not a registered event.", pointer="/event", event=event
        ) from error
