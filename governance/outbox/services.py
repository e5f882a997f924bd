"""Writes hints and sends them: none for a change that was rolled back, all for what was committed.

The message is a hint and the row it names is the truth, so a hint sent twice is harmless; a lost
one would wait for the sweeper. A producer only inserts, so no request ever waits for the broker.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.db.models.functions import Now

from governance.outbox.models import Outbox

Send = Callable[[str, Mapping[str, Any], str], object]

# A relay that takes a batch has this long to send it; if it dies, another relay may send it again.
CLAIM_S = 60
# A hint that the broker would not take waits twice as long after each attempt, up to this.
LONGEST_WAIT_S = 300
# A hint holds ids, never state: more than this is state.
LARGEST_BYTES = 4096
PRUNE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class _Hint:
    id: UUID
    task: str
    queue: str
    kwargs: Mapping[str, Any]
    attempts: int


def wake(task: str, /, *, queue: str, **kwargs: Any) -> None:
    """Write a hint to start `task` on `queue`, in the transaction of the change that causes it.

    `kwargs` become the task's keyword arguments: JSON values, and UUIDs, which arrive as text.
    Raises: TransactionManagementError outside a transaction, where a crash could part the two;
    TypeError for a value that JSON has no word for; ValueError for more than ids.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            f"wake({task!r}) outside a transaction: the hint must be committed with its cause"
        )
    plain = {name: str(v) if isinstance(v, UUID) else v for name, v in kwargs.items()}
    if len(json.dumps(plain, allow_nan=False)) > LARGEST_BYTES:
        raise ValueError(f"wake({task!r}) carries more than {LARGEST_BYTES} bytes: pass ids")
    Outbox.objects.create(task=task, queue=queue, kwargs=plain)


def relay(*, send: Send, now: datetime, limit: int = 200) -> int:
    """Send up to `limit` waiting hints with `send(task, kwargs, queue)`, and return how many.

    Claims a batch in a short transaction, sends outside it, then marks what was sent: a crash in
    between sends some of them again, later. Several relays may run; none sends another's batch.
    When `send` raises, what was sent is marked, the failed hint waits longer after each attempt
    (so it cannot hold up the others), the rest is free at once, and the error passes through.
    """
    hints = _claim(limit)
    sent: list[UUID] = []
    try:
        for hint in hints:
            send(hint.task, hint.kwargs, hint.queue)
            sent.append(hint.id)
    except Exception:
        _put_off(hints[len(sent)])
        raise
    finally:
        Outbox.objects.filter(id__in=sent).update(sent_at=now)
        unsent = [hint.id for hint in hints[len(sent) + 1 :]]
        if unsent:
            Outbox.objects.filter(id__in=unsent).update(due_at=Now(), attempts=F("attempts") - 1)
    return len(sent)


def prune(*, now: datetime, older_than: timedelta) -> int:
    """Delete the hints that were sent more than `older_than` before `now`, and return how many.

    Deletes in short batches, because on SQLite everybody else waits for the writer.
    """
    done = Outbox.objects.filter(sent_at__lt=now - older_than)
    deleted = 0
    while batch := list(done.values_list("id", flat=True)[:PRUNE_BATCH]):
        deleted += Outbox.objects.filter(id__in=batch).delete()[0]
    return deleted


def _claim(limit: int) -> list[_Hint]:
    waiting = Outbox.objects.filter(sent_at__isnull=True, due_at__lte=Now())
    # Asked first and without a lock: on SQLite even an idle relay would else take the write lock.
    if not waiting.exists():
        return []
    with transaction.atomic():
        # SQLite's transaction is IMMEDIATE: it has the only writer's lock before it reads.
        rows = waiting.select_for_update(skip_locked=True)
        hints = [
            _Hint(*row)
            for row in rows.order_by("due_at", "id").values_list(
                "id", "task", "queue", "kwargs", "attempts"
            )[:limit]
        ]
        Outbox.objects.filter(id__in=[hint.id for hint in hints]).update(
            due_at=_in_seconds(CLAIM_S), attempts=F("attempts") + 1
        )
    return hints


def _put_off(hint: _Hint) -> None:
    wait_s = min(2**hint.attempts, LONGEST_WAIT_S)
    Outbox.objects.filter(id=hint.id).update(due_at=_in_seconds(wait_s))


def _in_seconds(seconds: int) -> ExpressionWrapper:
    return ExpressionWrapper(
        Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField()
    )
