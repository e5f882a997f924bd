"""What rests on an uploaded picture, down to what was released: the list for a recall."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from generation.assets import selectors as assets
from generation.jobs import selectors as jobs
from governance.kernel.actors import Actor
from governance.release import selectors as releases
from governance.release.records import ReleaseRecord
from governance.rights import selectors as rights
from governance.rights.records import UseRecord


@dataclass(frozen=True, slots=True)
class Resting:
    """One use of a picture, and what became of it: the order, its image, the image's release.

    `release_id` is None while the image is not released, or for who may not see releases.
    """

    id: UUID
    created_at: datetime
    record_id: UUID
    used_kind: str
    used_id: UUID
    used_by: UUID
    job_id: UUID | None
    asset_id: UUID | None
    release_id: UUID | None
    withdrawn_at: datetime | None


def list_resting(
    actor: Actor, subject_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[Resting]:
    """Return a page of what rests on a picture, newest first, with a fixed number of queries."""
    uses = rights.list_uses(actor, subject_id, after=after, limit=limit)
    items = [use.used_id for use in uses]
    asset_of, job_of = assets.ids_by_item(items), jobs.job_ids_of(items)
    release_of = releases.find_of_subjects(actor, asset_of.values())
    return [_resting(use, asset_of, job_of, release_of) for use in uses]


def _resting(
    use: UseRecord,
    asset_of: dict[UUID, UUID],
    job_of: dict[UUID, UUID],
    release_of: dict[UUID, ReleaseRecord],
) -> Resting:
    asset_id = asset_of.get(use.used_id)
    release = None if asset_id is None else release_of.get(asset_id)
    return Resting(
        id=use.id,
        created_at=use.created_at,
        record_id=use.record_id,
        used_kind=use.used_kind,
        used_id=use.used_id,
        used_by=use.used_by,
        job_id=job_of.get(use.used_id),
        asset_id=asset_id,
        release_id=None if release is None else release.id,
        withdrawn_at=None if release is None else release.withdrawn_at,
    )
