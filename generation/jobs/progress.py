"""What moves while an order is made: states, steps, places in the queue; no picture, no text.

It is read often and for many watchers at once, so nothing of it is sealed, and what it costs grows
with the orders that are watched, not with the queue.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from generation.jobs import queues
from generation.jobs.models import GenerationJob, JobItem, Preview
from generation.jobs.outlook import Place
from generation.jobs.selectors import may_read, progress_share, state_of
from generation.jobs.states import ItemState
from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class ItemProgress:
    """How far one image is; `place` is None unless it waits in a lane.

    `preview_step` is the step that its preview shows; None if there is none.
    """

    id: UUID
    number: int
    state: str
    steps: int
    steps_done: int
    share: float
    attempts: int
    place: Place | None = None
    preview_step: int | None = None


@dataclass(frozen=True, slots=True)
class OrderProgress:
    """How far an order is; `version` changes with anything of it."""

    job_id: UUID
    state: str
    items: tuple[ItemProgress, ...]
    version: str

    @property
    def is_over(self) -> bool:
        """Whether none of its images is still to be made."""
        return self.state == "done"


def require_readable(actor: Actor, job_id: UUID) -> None:
    """Let whoever may see the order pass. Raises: NotFound, also for what they may not see."""
    job = GenerationJob.objects.filter(pk=job_id).only("brand_id", "requester_id").first()
    if job is None or not may_read(actor, job.brand_id, job.requester_id):
        raise NotFound(_("No order has this id."), job_id=str(job_id))


def of_orders(job_ids: Collection[UUID]) -> dict[UUID, OrderProgress]:
    """Return how far these orders are; the caller checked who asks.

    One query for all items, one for their previews, and what `queues.places_in` costs for each
    queue that they wait in.
    """
    rows = list(
        JobItem.objects.filter(job_id__in=job_ids).order_by("job_id", "number").values(*_FACTS)
    )
    places, previews = _places(rows), _previews(rows)
    items: dict[UUID, list[ItemProgress]] = defaultdict(list)
    for row in rows:
        items[row["job_id"]].append(_item(row, places, previews))
    return {job_id: _order(job_id, tuple(found)) for job_id, found in items.items()}


_FACTS = (
    "id",
    "job_id",
    "number",
    "state",
    "steps",
    "steps_done",
    "attempts",
    "queue",
    "lane_id",
)


def _places(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, Place]:
    """Return where the items stand that wait, one queue after the other."""
    wanted: dict[str, dict[UUID, UUID]] = defaultdict(dict)
    for row in rows:
        if row["state"] == ItemState.QUEUED and row["lane_id"] is not None:
            wanted[row["queue"]][row["id"]] = row["lane_id"]
    found: dict[UUID, Place] = {}
    for queue, lanes in wanted.items():
        found |= queues.places_in(queue, lanes)
    return found


def _previews(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, int]:
    """Return the steps that the previews show of the items in work."""
    in_work = [row["id"] for row in rows if row["state"] == ItemState.LEASED]
    return dict(_shown(in_work).values_list("item_id", "step")) if in_work else {}


def _shown(item_ids: Collection[UUID]) -> QuerySet[Preview]:
    """Return the previews that the present lease of each item has shown."""
    return Preview.objects.filter(
        item_id__in=item_ids, item__state=ItemState.LEASED, epoch=F("item__epoch"), step__gt=0
    )


def get_preview(actor: Actor, item_id: UUID) -> bytes:
    """Return the latest preview of an item in work: JPEG, unreviewed.

    Raises: NotFound, also for what this actor may not see, and once the item is over.
    """
    item = JobItem.objects.filter(pk=item_id).only("brand_id", "requester_id").first()
    if item is not None and may_read(actor, item.brand_id, item.requester_id):
        image = _shown([item_id]).values_list("image", flat=True).first()
        if image is not None:
            return bytes(image)
    raise NotFound(_("There is no preview of this image."), item_id=str(item_id))


def _item(
    row: Mapping[str, Any], places: Mapping[UUID, Place], previews: Mapping[UUID, int]
) -> ItemProgress:
    return ItemProgress(
        id=row["id"],
        number=row["number"],
        state=row["state"],
        steps=row["steps"],
        steps_done=row["steps_done"],
        share=progress_share(row["state"], row["steps_done"], row["steps"]),
        attempts=row["attempts"],
        place=places.get(row["id"]),
        preview_step=previews.get(row["id"]),
    )


def _order(job_id: UUID, items: tuple[ItemProgress, ...]) -> OrderProgress:
    facts = [str(item) for item in items]
    return OrderProgress(
        job_id=job_id,
        state=state_of(item.state for item in items),
        items=items,
        version=sha256_hex(canonical_json({"items": facts}))[:16],
    )
