"""Reads of the outbox: how much waits, and since when. For the health page and the relay's log."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min

from governance.outbox.models import Outbox


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has not reached the broker: how many hints, since when, and the most attempts on one."""

    waiting: int
    oldest_at: datetime | None
    attempts: int


def backlog() -> Backlog:
    """Count what has not been sent yet."""
    row = Outbox.objects.filter(sent_at__isnull=True).aggregate(
        waiting=Count("id"), oldest_at=Min("created_at"), attempts=Max("attempts")
    )
    return Backlog(row["waiting"], row["oldest_at"], row["attempts"] or 0)
