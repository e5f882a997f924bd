"""Previews of items in work: asked for by who watches, painted by the worker, soon gone."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from generation.jobs.models import JobItem, Preview
from generation.jobs.states import ItemState

# How long a look at an item asks for previews of it, and how long one is kept after that.
WATCHED_S = 10
KEPT_S = 30
MOST_BYTES = 65_536


def watch(item_ids: Collection[UUID], now: datetime) -> None:
    """Ask the workers for previews of these items for a while, as far as they are in work.

    The caller checked who asks. `now` is for the record; what is due, the database's clock says.
    """
    until = Now() + timedelta(seconds=WATCHED_S)
    leased = JobItem.objects.filter(pk__in=item_ids, state=ItemState.LEASED)
    Preview.objects.bulk_create(
        [
            Preview(item_id=item_id, watched_until=until, created_at=now)
            for item_id in sorted(leased.values_list("pk", flat=True))
        ],
        update_conflicts=True,
        unique_fields=["item"],
        update_fields=["watched_until"],
    )


def is_watched(item_id: UUID) -> bool:
    """Tell a worker whether anybody wants to see how the item forms."""
    return Preview.objects.filter(item_id=item_id, watched_until__gt=Now()).exists()


def show_preview(*, item_id: UUID, epoch: int, step: int, image: bytes) -> bool:
    """Keep the latest preview of an item; False if nobody asked, or the lease is another's."""
    if len(image) > MOST_BYTES:
        return False
    mine = Preview.objects.filter(
        item_id=item_id, item__epoch=epoch, item__state=ItemState.LEASED, watched_until__gt=Now()
    )
    return bool(mine.update(epoch=epoch, step=step, image=image))


def forget_previews() -> int:
    """Delete what nobody has watched for a while, and what is of an item no longer in work."""
    unwatched = Q(watched_until__lt=Now() - timedelta(seconds=KEPT_S))
    return Preview.objects.filter(unwatched | ~Q(item__state=ItemState.LEASED)).delete()[0]
