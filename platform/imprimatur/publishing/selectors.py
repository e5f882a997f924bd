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
from governance.sealing import services as sealing
from imprimatur.publishing.errors import Withdrawn
from imprimatur.publishing.models import Closure, Destination, Finding, Publication, Quarantine
from imprimatur.publishing.states import PublicationState

CLOSURE_PURPOSE = "publishing.closure.reason"
# How often the publisher tries; a recall that was tried more often waits for a person.
TRIES = 5


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
    recalled_at: datetime | None
    failure: str
    waits_for_person: bool


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """How a destination and the records differed; open until somebody closes it."""

    id: UUID
    brand_id: UUID
    destination_id: UUID
    destination_slug: str
    publication_id: UUID | None
    kind: str
    key: str
    size_bytes: int
    found_at: datetime
    quarantined_to: str
    closed_at: datetime | None
    closed_by: UUID | None
    closing_reason: str | None


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


def get_finding(actor: Actor, finding_id: UUID) -> FindingRecord:
    """Return one finding. Raises: NotFound."""
    row = _findings(actor).filter(pk=finding_id).first()
    if row is None:
        raise NotFound(_("No finding has this id."), finding_id=str(finding_id))
    return _finding_records([row])[0]


def list_findings(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    is_open: bool | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[FindingRecord]:
    """Return findings that the actor may see, newest first, from before `after`."""
    rows = _findings(actor)
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    if is_open is not None:
        rows = rows.filter(closure__isnull=is_open)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    return _finding_records(list(rows.order_by("-pk")[:limit]))


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
    removal = getattr(row, "removal", None)
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
        recalled_at=None if removal is None else removal.verified_at,
        failure=row.failure,
        waits_for_person=row.state == PublicationState.FAILED
        or (row.state == PublicationState.RECALLING and row.tries > TRIES),
    )


def _rows() -> QuerySet[Publication]:
    return Publication.objects.select_related("destination", "receipt", "removal")


def _findings(actor: Actor) -> QuerySet[Finding]:
    rows = Finding.objects.select_related("destination", "closure", "quarantine")
    if permits.may_everywhere(actor, Permission.PUBLISHING_FINDING_READ):
        return rows
    return rows.filter(brand_id__in=permits.brands_where(actor, Permission.PUBLISHING_FINDING_READ))


def _finding_records(rows: list[Finding]) -> list[FindingRecord]:
    """Turn rows into facts; all reasons are opened with one query."""
    closures = [row.closure for row in rows if hasattr(row, "closure")]
    opened = sealing.reveal_all(
        sealed=[bytes(closure.reason) for closure in closures], purpose=CLOSURE_PURPOSE
    )
    reasons = {closure.pk: reason for closure, reason in zip(closures, opened, strict=True)}
    return [_finding_record(row, reasons) for row in rows]


def _finding_record(row: Finding, reasons: Mapping[UUID, str | None]) -> FindingRecord:
    closure: Closure | None = getattr(row, "closure", None)
    quarantine: Quarantine | None = getattr(row, "quarantine", None)
    return FindingRecord(
        id=row.id,
        brand_id=row.brand_id,
        destination_id=row.destination_id,
        destination_slug=row.destination.slug,
        publication_id=row.publication_id,
        kind=row.kind,
        key=row.key,
        size_bytes=row.size_bytes,
        found_at=row.created_at,
        quarantined_to="" if quarantine is None else quarantine.location,
        closed_at=None if closure is None else closure.created_at,
        closed_by=None if closure is None else closure.actor_id,
        closing_reason=None if closure is None else reasons[closure.pk],
    )
