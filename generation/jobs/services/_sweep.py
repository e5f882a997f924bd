"""The sweeper: lost hints are sent again, leases that ran out are taken back, poison ends."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from generation.jobs.models import JobItem
from generation.jobs.services import _lanes
from generation.jobs.services._create import RENDER
from generation.jobs.services._finish import end_without_image
from generation.jobs.states import ITEM, ItemState
from governance.kernel.actors import SYSTEM
from governance.outbox import services as outbox
from governance.tables.records import move

# A long backlog must not flood the broker: this many old hints a round still outrun any worker.
HINTS_A_ROUND = 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many items each rule touched."""

    hinted: int
    requeued: int
    failed: int
    cancelled: int


def sweep(*, now: datetime, limit: int = 200) -> Swept:
    """Take back expired leases, end poison and what is to be cancelled, hint again what waits.

    `now` is for the record; what is due, the database's clock says. An item that cannot be swept is
    logged and holds up no other.
    """
    did: Counter[str] = Counter()
    expired, never_hinted, hinted_long_ago = due()
    for rows, most in (
        (expired, limit),
        (never_hinted, limit),
        (hinted_long_ago, min(limit, HINTS_A_ROUND)),
    ):
        for item_id in list(rows.values_list("pk", flat=True)[:most]):
            try:
                with transaction.atomic():
                    item = _take(rows.filter(pk=item_id))
                    if item is not None:
                        did[_sweep_item(item, now)] += 1
            except Exception:
                log.exception("Unable to sweep an item", item_id=str(item_id))
    return Swept(
        hinted=did["hint"], requeued=did["expire"], failed=did["fail"], cancelled=did["cancel"]
    )


def due() -> tuple[QuerySet[JobItem], ...]:
    """Return what is due, oldest first: expired leases, never hinted, hinted too long ago.

    Each is a range of one partial index, so a round costs what is due and not what there is.
    """
    queued = JobItem.objects.filter(state=ItemState.QUEUED)
    long_ago = Now() - timedelta(seconds=settings.HINT_AGAIN_S)
    return (
        JobItem.objects.filter(state=ItemState.LEASED, lease_until__lt=Now()).order_by(
            "lease_until"
        ),
        queued.filter(hinted_at__isnull=True),
        queued.filter(hinted_at__lt=long_ago).order_by("hinted_at"),
    )


def _sweep_item(item: JobItem, now: datetime) -> str:
    """Do what is due for one item and return the name of it."""
    if item.cancel_requested_at is not None:
        end_without_image(item, actor=SYSTEM, act="cancel", failure="", now=now)
        return "cancel"
    if item.attempts >= settings.ITEM_ATTEMPTS:
        failure = _("The worker stopped %(count)s times while making this image.") % {
            "count": item.attempts
        }
        end_without_image(item, actor=SYSTEM, act="fail", failure=failure, now=now)
        return "fail"
    outbox.wake(RENDER, queue=item.queue, item_id=str(item.id))
    if item.state == ItemState.LEASED:
        expire = ITEM.target("expire", item.state)
        move(item, expire, lease_until=None, steps_done=0, hinted_at=Now())
        done = "expire"
    else:
        JobItem.objects.filter(pk=item.pk).update(hinted_at=Now())
        done = "hint"
    # Also for an item of the release before lanes; an open lane loses nothing by being opened.
    _lanes.open_lane(item.lane_id or _lanes.adopt(item, now), item.cost_s)
    return done


def _take(rows: QuerySet[JobItem]) -> JobItem | None:
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows.first()
