"""Leases on publications: one publisher at a time; whoever has an older epoch is fenced off."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from governance.kernel.subjects import SubjectRef
from governance.tables.records import wait_for_others
from imprimatur.publishing.models import Publication
from imprimatur.publishing.selectors import TRIES
from imprimatur.publishing.states import PUBLICATION, PublicationState

LONGEST_WAIT_S = 300
_FREE = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
# Nobody holds it: not begun, or the lease or the wait before the next try is over.
TO_DELIVER = Q(state=PublicationState.PENDING) | Q(
    state=PublicationState.DELIVERING, lease_until__lt=Now()
)
# After the last try, and one more that sees that the last one ended with its process, it waits
# for a person.
TO_UNPUBLISH = Q(state=PublicationState.RECALLING, tries__lte=TRIES) & _FREE


@dataclass(frozen=True, slots=True)
class Lease:
    """One try at a delivery or a recall, in the state that it holds the publication in."""

    publication: Publication
    epoch: int
    tries: int
    state: str


def to_deliver(publication_id: UUID) -> Lease | None:
    """Take a delivery that waits, or None."""
    rows = Publication.objects.filter(TO_DELIVER, pk=publication_id)
    publication = rows.select_related("destination").first()
    if publication is None:
        return None
    return _take(rows, publication, PUBLICATION.target("deliver", publication.state).target)


def to_unpublish(publication_id: UUID) -> Lease | None:
    """Take a recall that waits, or None."""
    rows = Publication.objects.filter(TO_UNPUBLISH, pk=publication_id)
    publication = rows.select_related("destination", "receipt").first()
    return None if publication is None else _take(rows, publication, publication.state)


def fence(lease: Lease) -> Publication | None:
    """Take the row for this transaction; None if it has moved on, or another publisher has it."""
    in_order(lease.publication.release_id)
    if held(lease).update(hinted_at=F("hinted_at")) != 1:
        return None
    return Publication.objects.get(pk=lease.publication.pk)


def held(lease: Lease) -> QuerySet[Publication]:
    """Return the row while the lease still holds it, else none."""
    return Publication.objects.filter(pk=lease.publication.pk, epoch=lease.epoch, state=lease.state)


def wait(lease: Lease, failure: str) -> None:
    """Keep the publication from everybody for a while that doubles with each try."""
    wait_s = min(LONGEST_WAIT_S, 5 * 2 ** (lease.tries - 1))
    held(lease).update(lease_until=Now() + timedelta(seconds=wait_s), failure=failure[:500])


def in_order(release_id: UUID) -> None:
    """Let a withdrawal and every move of its release's publications follow one another.

    The guards take this lock too, but after the row: whoever has it first meets no deadlock.
    """
    wait_for_others(f"release:{release_id}")


def subject(publication: Publication) -> SubjectRef:
    """Name the publication in the ledger."""
    return SubjectRef(
        "publication", publication.id, publication.brand_id, publication.marked_sha256
    )


def _take(rows: QuerySet[Publication], publication: Publication, state: str) -> Lease | None:
    with transaction.atomic():
        in_order(publication.release_id)
        taken = rows.filter(epoch=publication.epoch, state=publication.state).update(
            state=state,
            epoch=F("epoch") + 1,
            # Counted here: a try that ends with the process counts like any other.
            tries=F("tries") + 1,
            lease_until=Now() + timedelta(seconds=settings.LEASE_S),
        )
        # A recall that began after we had looked counts its own tries.
        tries = rows.model.objects.values_list("tries", flat=True).get(pk=publication.pk)
    return Lease(publication, publication.epoch + 1, tries, state) if taken else None
