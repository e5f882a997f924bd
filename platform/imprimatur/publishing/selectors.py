"""Reads of destinations, publications and released bytes, scoped to the actor's brands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from generation.assets import blobs
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.release import selectors as releases
from governance.release.records import ReleaseRecord
from imprimatur.publishing.errors import Withdrawn
from imprimatur.publishing.models import Destination, Publication


@dataclass(frozen=True, slots=True)
class DestinationRecord:
    """One destination; what is secret about it is not here."""

    id: UUID
    brand_id: UUID
    slug: str
    name: str
    kind: str
    config: Mapping[str, Any]
    is_approved: bool
    is_retired: bool


@dataclass(frozen=True, slots=True)
class PublicationRecord:
    """One delivery, and where the bytes lie once they are there."""

    id: UUID
    brand_id: UUID
    release_id: UUID
    marked_sha256: str
    destination_id: UUID
    destination_slug: str
    destination_name: str
    rendition: str
    attempt: int
    state: str
    requested_by: UUID
    created_at: datetime
    location: str
    published_at: datetime | None
    failure: str


def get_destination(actor: Actor, destination_id: UUID) -> DestinationRecord:
    """Return one destination. Raises: NotFound, also for another brand's."""
    destination = Destination.objects.filter(pk=destination_id).first()
    if destination is None or not permits.may(
        actor,
        Permission.PUBLISHING_DESTINATION_READ,
        Context(brand_id=destination.brand_id),
    ):
        raise NotFound(_("No destination has this id."), pointer="/destination_id")
    return destination_record(destination)


def list_destinations(actor: Actor, brand_id: UUID | None = None) -> list[DestinationRecord]:
    """Return the open destinations that the actor may see, by slug."""
    rows = Destination.objects.filter(approved_by__isnull=False, retired_at__isnull=True)
    if not permits.may_everywhere(actor, Permission.PUBLISHING_DESTINATION_READ):
        rows = rows.filter(
            brand_id__in=permits.brands_where(actor, Permission.PUBLISHING_DESTINATION_READ)
        )
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    return [destination_record(row) for row in rows.order_by("slug", "id")]


def get_publication(actor: Actor, publication_id: UUID) -> PublicationRecord:
    """Return one publication. Raises: NotFound."""
    row = _rows().filter(pk=publication_id).first()
    if row is None or not permits.may(
        actor, Permission.PUBLISHING_PUBLICATION_READ, Context(brand_id=row.brand_id)
    ):
        raise NotFound(_("No publication has this id."), publication_id=str(publication_id))
    return publication_record(row)


def list_publications(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    release_id: UUID | None = None,
    release_ids: Iterable[UUID] | None = None,
    after: UUID | None = None,
    limit: int | None = 50,
) -> list[PublicationRecord]:
    """Return publications that the actor may see, newest first, from before `after`.

    Without a limit all of them come: only for a page whose releases are named.
    """
    rows = _rows()
    if not permits.may_everywhere(actor, Permission.PUBLISHING_PUBLICATION_READ):
        rows = rows.filter(
            brand_id__in=permits.brands_where(actor, Permission.PUBLISHING_PUBLICATION_READ)
        )
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    if release_id is not None:
        rows = rows.filter(release_id=release_id)
    if release_ids is not None:
        rows = rows.filter(release_id__in=list(release_ids))
    if after is not None:
        rows = rows.filter(pk__lt=after)
    return [publication_record(row) for row in rows.order_by("-pk")[:limit]]


def get_released(actor: Actor, release_id: UUID) -> ReleaseRecord:
    """Return a release whose bytes may go out now. Raises: NotFound, Withdrawn."""
    release = releases.get_release(actor, release_id)
    if release.withdrawn_at is not None:
        raise Withdrawn(
            _("This image was withdrawn, so it is not handed out again."),
            release_id=str(release.id),
        )
    return release


def read_released(actor: Actor, release_id: UUID) -> tuple[bytes, str, str]:
    """Return a release's marked bytes, re-hashed as they are read, their media type and sha256.

    Raises: NotFound, Withdrawn, BlobMissing, BlobCorrupt.
    """
    release = get_released(actor, release_id)
    data = blobs.get(release.marked_sha256)
    return data, release.media_type, release.marked_sha256


def destination_record(row: Destination) -> DestinationRecord:
    """Return the row as a frozen record, without its credential's name."""
    return DestinationRecord(
        id=row.id,
        brand_id=row.brand_id,
        slug=row.slug,
        name=row.name,
        kind=row.kind,
        config=row.config,
        is_approved=row.approved_by is not None,
        is_retired=row.retired_at is not None,
    )


def publication_record(row: Publication) -> PublicationRecord:
    """Return the row as a frozen record."""
    receipt = getattr(row, "receipt", None)
    return PublicationRecord(
        id=row.id,
        brand_id=row.brand_id,
        release_id=row.release_id,
        marked_sha256=row.marked_sha256,
        destination_id=row.destination_id,
        destination_slug=row.destination.slug,
        destination_name=row.destination.name,
        rendition=row.rendition,
        attempt=row.attempt,
        state=row.state,
        requested_by=row.requested_by,
        created_at=row.created_at,
        location="" if receipt is None else receipt.location,
        published_at=None if receipt is None else receipt.verified_at,
        failure=row.failure,
    )


def _rows() -> QuerySet[Publication]:
    return Publication.objects.select_related("destination", "receipt")
