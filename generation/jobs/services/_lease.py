"""Claim, heartbeat, progress: a lease with an epoch, timed by the database's clock alone."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from generation.jobs import selectors
from generation.jobs.models import JobItem
from generation.jobs.records import Claim
from generation.jobs.states import ItemState
from generation.registry import selectors as registry


def claim(*, item_id: UUID, worker: str) -> Claim | None:
    """Take the item if it waits, or if its holder's lease ran out; else return None."""
    with transaction.atomic():
        rows = JobItem.objects.filter(
            Q(state=ItemState.QUEUED) | Q(state=ItemState.LEASED, lease_until__lt=Now()),
            pk=item_id,
            attempts__lt=settings.ITEM_ATTEMPTS,
            cancel_requested_at__isnull=True,
        )
        # PostgreSQL: a row that somebody else is taking is skipped, not waited for. SQLite has
        # taken the only write lock at BEGIN IMMEDIATE, so the same read is exclusive there.
        # Only the item's row: the job's is shared with its other items, and nobody changes it.
        locked = (
            rows.select_for_update(skip_locked=True, of=("self",)) if _has_row_locks() else rows
        )
        item = locked.select_related("job").first()
        if item is None:
            return None
        rows.update(
            state=ItemState.LEASED,
            epoch=F("epoch") + 1,
            attempts=F("attempts") + 1,
            lease_until=lease_end(),
            leased_by=worker,
            steps_done=0,
        )
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
    )


def heartbeat(*, item_id: UUID, epoch: int) -> bool:
    """Extend the lease; False if it is lost or the item is to be cancelled: stop working."""
    return bool(
        _held(item_id, epoch)
        .filter(cancel_requested_at__isnull=True)
        .update(lease_until=lease_end())
    )


def report_progress(*, item_id: UUID, epoch: int, steps_done: int) -> None:
    """Show how far the rendering is; nothing happens if the lease is lost."""
    _held(item_id, epoch).update(steps_done=steps_done)


def _held(item_id: UUID, epoch: int) -> QuerySet[JobItem]:
    return JobItem.objects.filter(pk=item_id, epoch=epoch, state=ItemState.LEASED)


def lease_end() -> CombinedExpression:
    """Return when a lease that begins now runs out, by the database's clock."""
    return Now() + timedelta(seconds=settings.LEASE_S)


def _has_row_locks() -> bool:
    return connection.features.has_select_for_update_skip_locked
