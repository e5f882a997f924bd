"""Reads of a queue: who waits, what a worker may claim, and where somebody's images stand.

What is asked here costs as much as people wait, however many images they want: every count and
every look ahead has its limit.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from generation.jobs import outlook
from generation.jobs.models import JobItem, Lane
from generation.jobs.outlook import Line, Place
from generation.jobs.states import ItemState
from generation.jobs.turns import Account, Waiting


def items_in(lane_id: UUID) -> QuerySet[JobItem]:
    """Return the items of a lane that a worker may claim, the most pressing first."""
    return JobItem.objects.filter(
        lane_id=lane_id,
        state=ItemState.QUEUED,
        attempts__lt=settings.ITEM_ATTEMPTS,
        cancel_requested_at__isnull=True,
    ).order_by(F("due_at").asc(nulls_last=True), "pk")


def waiting_in(queue: str, *, besides: Collection[UUID] = ()) -> list[Waiting]:
    """Return the lanes of a queue in which somebody waits, each account caught up with its clock.

    One query, which costs as many rows as people wait with a model, however many images they want.
    """
    lanes = Lane.objects.filter(queue=queue, is_waiting=True)
    rows = lanes.values(*_OF_LANE, *(f"{s}__{fact}" for s in _SHARES for fact in _OF_SHARE))
    return [_waiting(row) for row in rows if row["pk"] not in besides]


def places_in(queue: str, wanted: Mapping[UUID, UUID]) -> dict[UUID, Place]:
    """Return where items stand in their queue; `wanted` names the lane of each.

    Three queries, and one for each of these lanes.
    """
    return outlook.places(
        Line(
            waiting=waiting_in(queue),
            images=_images_in(queue),
            items={lane_id: _first_of(lane_id) for lane_id in set(wanted.values())},
            workers=workers_at(queue),
        ),
        wanted,
    )


def workers_at(queue: str) -> int:
    """Return how many workers make images of this queue at this moment."""
    held = JobItem.objects.filter(state=ItemState.LEASED, lease_until__gte=Now(), queue=queue)
    return held.values("leased_by").distinct().count()


class _Counted(Subquery):
    """How many rows a query with a limit finds: no more of them are looked at."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def _images_in(queue: str) -> dict[UUID, int]:
    """Return how many images wait in each open lane, up to a limit."""
    some = JobItem.objects.filter(lane=OuterRef("pk"), state=ItemState.QUEUED).order_by()
    lanes = Lane.objects.filter(queue=queue, is_waiting=True)
    counted = lanes.annotate(images=_Counted(some.values("pk")[: outlook.TURNS_MOST]))
    return dict(counted.values_list("pk", "images"))


def _first_of(lane_id: UUID) -> list[UUID]:
    return list(items_in(lane_id).values_list("pk", flat=True)[: outlook.TURNS_MOST])


_OF_LANE = ("pk", "priority", "model_sha256", "holds_sha256", "cost_s")
_SHARES = ("queue_share", "brand_share", "person_share", "share")
_OF_SHARE = ("pk", "had_s", "weight", "clock_s", "passed")


def _waiting(row: Mapping[str, Any]) -> Waiting:
    """Read one lane; an account that paused begins at the clock of the one above."""

    def account(name: str, above: str) -> Account:
        return Account(
            id=row[f"{name}__pk"],
            had_s=max(row[f"{name}__had_s"], row[f"{above}__clock_s"]),
            weight=row[f"{name}__weight"],
        )

    return Waiting(
        lane_id=row["pk"],
        brand=account("brand_share", "queue_share"),
        person=account("person_share", "brand_share"),
        lane=account("share", "person_share"),
        priority=row["priority"],
        model=row["model_sha256"],
        holds=row["holds_sha256"],
        cost_s=row["cost_s"],
        passed=row["share__passed"],
    )
