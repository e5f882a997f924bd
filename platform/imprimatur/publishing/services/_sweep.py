"""The publisher's sweeper, run by the relay: what waits is hinted again, in bounded batches."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from governance.outbox import services as outbox
from governance.release import selectors as releases
from governance.release import services as release_services
from imprimatur.publishing.models import Publication
from imprimatur.publishing.services import _leases
from imprimatur.publishing.services._recall import UNPUBLISH
from imprimatur.publishing.services._release import RELEASE
from imprimatur.publishing.services._request import DELIVER, QUEUE


def sweep(*, now: datetime, limit: int = 100) -> int:
    """Hint approvals that are not released, and deliveries and recalls that nobody is making."""
    hints = 0
    again_after = timedelta(seconds=settings.RELEASE_AGAIN_S)
    if releases.has_due():
        with transaction.atomic():
            for case_id in release_services.hint_due(now=now, again_after=again_after, limit=limit):
                outbox.wake(RELEASE, queue=QUEUE, case_id=str(case_id))
                hints += 1
    hints += _hint_again(_leases.TO_DELIVER, DELIVER, now, limit)
    hints += _hint_again(_leases.TO_UNPUBLISH, UNPUBLISH, now, limit)
    return hints


def _hint_again(waits: Q, task: str, now: datetime, limit: int) -> int:
    hints = 0
    long_ago = now - timedelta(seconds=settings.HINT_AGAIN_S)
    never, again = Q(hinted_at__isnull=True), Q(hinted_at__lt=long_ago)
    waiting = Publication.objects.filter(never | again, waits)
    rows = waiting.order_by("hinted_at").values_list("pk", flat=True)
    for publication_id in [
        *rows.filter(never)[:limit],
        *rows.filter(again)[: min(limit, release_services.HINTED_AGAIN_A_ROUND)],
    ]:
        with transaction.atomic():
            if waiting.filter(pk=publication_id).update(hinted_at=now):
                outbox.wake(task, queue=QUEUE, publication_id=str(publication_id))
                hints += 1
    return hints
