"""Claim and heartbeat: a lease with an epoch, timed by the database's clock alone."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from generation.jobs import queues, selectors, turns
from generation.jobs.models import JobItem
from generation.jobs.records import Claim
from generation.jobs.services import _lanes
from generation.jobs.states import ItemState
from generation.registry import selectors as registry


def claim_next(*, queue: str, worker: str, warm: Collection[str] = ()) -> Claim | None:
    """Take the item whose turn it is in a queue; None if nothing waits there.

    warm: what the worker holds, by the digests that lanes have; see `turns.choose`.
    """
    empty: set[UUID] = set()
    while turn := turns.choose(queues.waiting_in(queue, besides=empty), warm):
        with transaction.atomic():
            item = _lock(queues.items_in(turn.lane.lane_id))
            if item is None:
                _lanes.close_if_empty(turn.lane.lane_id)
                empty.add(turn.lane.lane_id)
                continue
            _take(item, worker)
            _lanes.pay(turn, queue=queue, cost_s=item.cost_s)
        return _claim_of(item, worker)
    return None


def claim(*, item_id: UUID, worker: str) -> Claim | None:
    """Take this very item if it waits, or if its holder's lease ran out; else return None."""
    with transaction.atomic():
        item = _lock(
            JobItem.objects.filter(
                Q(state=ItemState.QUEUED) | Q(state=ItemState.LEASED, lease_until__lt=Now()),
                pk=item_id,
                attempts__lt=settings.ITEM_ATTEMPTS,
                cancel_requested_at__isnull=True,
            )
        )
        if item is None:
            return None
        _take(item, worker)
    return _claim_of(item, worker)


def _lock(rows: QuerySet[JobItem]) -> JobItem | None:
    """Return the first of these rows that nobody else is taking, for this transaction alone.

    PostgreSQL: a row that somebody else is taking is skipped, not waited for. SQLite has taken the
    only write lock at BEGIN IMMEDIATE, so the same read is exclusive there. Only the item's row:
    the job's is shared with its other items, and nobody changes it.
    """
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    return rows.select_related("job").first()


def _take(item: JobItem, worker: str) -> None:
    """Lease a locked item for the next epoch."""
    JobItem.objects.filter(pk=item.pk).update(
        state=ItemState.LEASED,
        epoch=F("epoch") + 1,
        attempts=F("attempts") + 1,
        lease_until=lease_end(),
        leased_by=worker,
        steps_done=0,
    )


def _claim_of(item: JobItem, worker: str) -> Claim:
    """Hand out a leased item; it was read before it was leased."""
    return Claim(
        item_id=item.id,
        epoch=item.epoch + 1,
        worker=worker,
        brand_id=item.brand_id,
        requester_id=item.requester_id,
        job_id=item.job_id,
        template_version_id=item.job.template_version_id,
        template_version_sha256=item.job.template_version_sha256,
        scoring_policy_id=item.job.scoring_policy_id,
        prompt_sealed=bytes(item.prompt),
        negative_prompt=item.negative_prompt,
        seed=item.seed,
        width_px=item.width_px,
        height_px=item.height_px,
        steps=item.steps,
        guidance=item.guidance,
        fingerprint=item.fingerprint,
        profile=registry.get_profile(item.job.profile_id),
        market=item.job.market,
        template_slug=item.job.template_slug,
        worn=selectors.worn_by(item.id),
        pictures=selectors.pictures_of(item.id),
    )


def heartbeat(*, item_id: UUID, epoch: int, steps_done: int | None = None) -> bool:
    """Extend the lease and show progress; False if it is lost or the item is to be cancelled."""
    progress = {} if steps_done is None else {"steps_done": steps_done}
    return bool(
        _held(item_id, epoch)
        .filter(cancel_requested_at__isnull=True)
        .update(lease_until=lease_end(), **progress)
    )


def is_wanted(*, item_id: UUID, epoch: int) -> bool:
    """Tell whether the item is still this worker's, and not to be cancelled; writes nothing."""
    return _held(item_id, epoch).filter(cancel_requested_at__isnull=True).exists()


def _held(item_id: UUID, epoch: int) -> QuerySet[JobItem]:
    return JobItem.objects.filter(pk=item_id, epoch=epoch, state=ItemState.LEASED)


def lease_end() -> CombinedExpression:
    """Return when a lease that begins now runs out, by the database's clock."""
    return Now() + timedelta(seconds=settings.LEASE_S)
