"""The sweeper: hints that were lost are sent again, leases that ran out are taken back, poison ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from generation.jobs.models import JobItem
from generation.jobs.services._create import RENDER
from generation.jobs.services._finish import end_without_image
from generation.jobs.states import ITEM, ItemState
from governance.outbox import services as outbox
from governance.tables.records import move


@dataclass(frozen=True, slots=True)
class Swept:
    """How many items each rule touched."""

    hinted: int
    requeued: int
    failed: int
    cancelled: int


def sweep(*, now: datetime, limit: int = 200) -> Swept:
    """Take back expired leases, end what was tried too often or is to be cancelled, hint what waits."""
    requeued = failed = cancelled = hinted = 0
    expired = JobItem.objects.filter(state=ItemState.LEASED, lease_until__lt=Now())
    for item_id in expired.values_list("pk", flat=True)[:limit]:
        with transaction.atomic():
            item = _take(expired.filter(pk=item_id))
            if item is None:
                continue
            if item.cancel_requested_at is not None:
                end_without_image(item, act="cancel", failure="", now=now)
                cancelled += 1
            elif item.attempts >= settings.ITEM_ATTEMPTS:
                failure = _("The worker stopped %(count)s times while making this image.") % {
                    "count": item.attempts
                }
                end_without_image(item, act="fail", failure=failure, now=now)
                failed += 1
            else:
                move(item, ITEM.target("expire", item.state), lease_until=None, hinted_at=now)
                outbox.wake(RENDER, queue=item.queue, item_id=str(item.id))
                requeued += 1
    long_ago = now - timedelta(seconds=settings.HINT_AGAIN_S)
    waiting = JobItem.objects.filter(
        Q(hinted_at__isnull=True) | Q(hinted_at__lt=long_ago), state=ItemState.QUEUED
    )
    for item in waiting.order_by("hinted_at")[:limit]:
        with transaction.atomic():
            if waiting.filter(pk=item.pk).update(hinted_at=now):
                outbox.wake(RENDER, queue=item.queue, item_id=str(item.id))
                hinted += 1
    return Swept(hinted=hinted, requeued=requeued, failed=failed, cancelled=cancelled)


def _take(rows: "QuerySet[JobItem]") -> JobItem | None:
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows.first()
