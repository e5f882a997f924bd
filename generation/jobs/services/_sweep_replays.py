"""The sweeper of replays: lost hints are sent again, leases that ran out are taken back."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from generation.jobs.models import Replay
from generation.jobs.services._replay import REPLAY_TASK, end_replay
from generation.jobs.states import REPLAY, ReplayState
from governance.outbox import services as outbox
from governance.tables.records import move

# Nobody waits for a replay as for an image: a few hints a round are enough.
HINTS_A_ROUND = 5

log = structlog.get_logger(__name__)


def sweep_replays(*, now: datetime, limit: int = 200) -> int:
    """Take back expired leases, end what stops every worker, hint again; return how many it did.

    `now` is for the record; what is due, the database's clock says. A replay that cannot be swept
    is logged and holds up no other.
    """
    did = 0
    long_ago = Now() - timedelta(seconds=settings.HINT_AGAIN_S)
    expired = Replay.objects.filter(state=ReplayState.LEASED, lease_until__lt=Now())
    waiting = Replay.objects.filter(state=ReplayState.QUEUED, hinted_at__lt=long_ago)
    for rows, most in (
        (expired.order_by("lease_until"), limit),
        (waiting.order_by("hinted_at"), min(limit, HINTS_A_ROUND)),
    ):
        for replay_id in list(rows.values_list("pk", flat=True)[:most]):
            try:
                with transaction.atomic():
                    replay = _take(rows.filter(pk=replay_id))
                    if replay is not None:
                        _sweep(replay, now)
                        did += 1
            except Exception:
                log.exception("Unable to sweep a replay", replay_id=str(replay_id))
    return did


def _sweep(replay: Replay, now: datetime) -> None:
    if replay.attempts >= settings.ITEM_ATTEMPTS:
        failure = _("The worker stopped %(count)s times while making this image again.") % {
            "count": replay.attempts
        }
        end_replay(replay, failure=failure, now=now)
        return
    outbox.wake(REPLAY_TASK, queue=replay.queue, replay_id=str(replay.id))
    if replay.state == ReplayState.LEASED:
        log.warning("A replay's lease ran out", replay_id=str(replay.id))
        move(replay, REPLAY.target("expire", replay.state), lease_until=None, hinted_at=Now())
        return
    Replay.objects.filter(pk=replay.pk).update(hinted_at=Now())


def _take(rows: QuerySet[Replay]) -> Replay | None:
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows.first()
