"""Lanes and shares: where an item waits, and what each brand, person and lane was given.

Claims of one queue write its shares from the top down, so that none waits for another in a circle.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Case, F, FloatField, When
from django.db.models.functions import Greatest

from generation.jobs import queues, selectors
from generation.jobs.models import JobItem, Lane, Share
from generation.jobs.records import Worn
from generation.jobs.turns import Priority, Turn, charge
from generation.registry import selectors as registry
from governance.kernel.digests import canonical_json, sha256_hex


@dataclass(frozen=True, slots=True)
class Needs:
    """What a worker needs in memory for an image: the model, and the model with what it wears."""

    model_sha256: str
    holds_sha256: str


def needs_of(model_sha256: str, adapters: Iterable[str]) -> Needs:
    """Name a model with what it wears, by their files' digests, as lanes and workers compare it."""
    facts = {"model": model_sha256, "adapters": list(adapters)}
    return Needs(model_sha256, sha256_hex(canonical_json(facts)))


def worn_files(worn: Iterable[Worn]) -> list[str]:
    """Return the digests of what an image wears, in its order."""
    return [each.adapter.snapshot_sha256 for each in worn]


def obtain_lane(
    *,
    queue: str,
    brand_id: UUID,
    requester_id: UUID,
    priority: int,
    needs: Needs,
    cost_s: float,
    now: datetime,
) -> UUID:
    """Return the lane for such items, made if there is none; in the caller's transaction."""
    found = Lane.objects.filter(
        queue=queue,
        brand_id=brand_id,
        requester_id=requester_id,
        priority=priority,
        holds_sha256=needs.holds_sha256,
    ).values_list("pk", flat=True)
    known = found.first()
    if known is not None:
        return known
    whose = f"{brand_id}/{requester_id}"
    paths = ("", f"{brand_id}", whose, f"{whose}/{priority}/{needs.holds_sha256}")
    Share.objects.bulk_create(
        [Share(queue=queue, path=path, created_at=now) for path in paths], ignore_conflicts=True
    )
    shares = dict(Share.objects.filter(queue=queue, path__in=paths).values_list("path", "pk"))
    root, brand, person, own = (shares[path] for path in paths)
    lane = Lane(
        queue=queue,
        brand_id=brand_id,
        requester_id=requester_id,
        priority=priority,
        model_sha256=needs.model_sha256,
        holds_sha256=needs.holds_sha256,
        queue_share_id=root,
        brand_share_id=brand,
        person_share_id=person,
        share_id=own,
        cost_s=cost_s,
        is_waiting=False,
        created_at=now,
    )
    Lane.objects.bulk_create([lane], ignore_conflicts=True)
    return found.get()


def adopt(item: JobItem, now: datetime) -> UUID:
    """Put an item that waits outside of all lanes into its own, and return that."""
    profile = registry.get_profile(item.job.profile_id)
    lane_id = obtain_lane(
        queue=item.queue,
        brand_id=item.brand_id,
        requester_id=item.requester_id,
        priority=Priority.NORMAL,
        needs=needs_of(profile.snapshot_sha256, worn_files(selectors.worn_by(item.id))),
        cost_s=item.cost_s,
        now=now,
    )
    JobItem.objects.filter(pk=item.pk).update(lane_id=lane_id)
    return lane_id


def open_lane(lane_id: UUID, cost_s: float) -> None:
    """Note that an item waits there; last in its transaction, as it holds the lane until then."""
    Lane.objects.filter(pk=lane_id).update(is_waiting=True, cost_s=cost_s)


def close_if_empty(lane_id: UUID) -> None:
    """Note that nothing waits there, unless somebody is just putting an item in."""
    rows = Lane.objects.filter(pk=lane_id)
    if connection.features.has_select_for_update_skip_locked:
        is_free = rows.select_for_update(skip_locked=True).first() is not None
    else:
        # SQLite's transaction is the only writer.
        is_free = True
    if is_free and not queues.items_in(lane_id).exists():
        rows.update(is_waiting=False)


def pay(turn: Turn, *, queue: str, cost_s: float) -> None:
    """Write what the chosen lane, its person and its brand were given, and set the clocks."""
    Share.objects.filter(queue=queue, path="").update(
        clock_s=Greatest(F("clock_s"), turn.queue_clock_s)
    )
    lane = turn.lane
    had = {each.id: charge(each, cost_s) for each in (lane.brand, lane.person, lane.lane)}
    clocks = {lane.brand.id: turn.brand_clock_s, lane.person.id: turn.person_clock_s}
    Share.objects.filter(pk__in=had).update(
        had_s=Case(*(When(pk=each, then=had_s) for each, had_s in had.items())),
        clock_s=Case(
            *(When(pk=each, then=Greatest(F("clock_s"), at_s)) for each, at_s in clocks.items()),
            default=F("clock_s"),
            output_field=FloatField(),
        ),
        passed=0,
    )
    if turn.is_warm:
        Share.objects.filter(pk=turn.due.lane.id).update(passed=F("passed") + 1)
