"""Deliver a publication: lease it, send the bytes, read them back, then one fenced receipt."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from generation.assets import blobs
from governance.kernel.actors import SYSTEM
from governance.kernel.clock import isoformat
from governance.kernel.errors import DomainError
from governance.kernel.lifecycle import StaleState
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.release import selectors as releases
from governance.release.records import ReleaseRecord
from governance.tables.records import move
from imprimatur.publishing import credentials
from imprimatur.publishing.destinations import registry
from imprimatur.publishing.destinations.protocol import (
    Delivered,
    DeliveryCorrupt,
    DeliveryMissing,
    Destination,
    DestinationError,
)
from imprimatur.publishing.errors import DestinationClosed, Withdrawn
from imprimatur.publishing.models import Publication, Receipt
from imprimatur.publishing.services._destinations import is_below_roots
from imprimatur.publishing.states import PUBLICATION, PublicationState

TRIES = 5
LONGEST_WAIT_S = 300
_EXTENSION = {"image/png": "png", "image/jpeg": "jpg"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Lease:
    """One try at a delivery; whoever holds an older epoch is fenced off."""

    publication: Publication
    epoch: int
    tries: int


def deliver(*, publication_id: UUID, now: datetime) -> bool:
    """Deliver once; True if this call did it. A destination that is down is tried again later.

    What cannot succeed by waiting ends as failed, with a sentence, for a person to look at. A
    release that is withdrawn meanwhile is taken away again, and then ends as failed.
    """
    require(SYSTEM, Permission.PUBLISHING_PUBLICATION_DELIVER, Context())
    if _ends_withdrawn(publication_id, now):
        return False
    try:
        lease = _lease(publication_id)
    except IntegrityError:
        # The guard saw a withdrawal that came after we had looked.
        if not _ends_withdrawn(publication_id, now):
            raise
        return False
    if lease is None:
        return False
    with structlog.contextvars.bound_contextvars(publication_id=str(publication_id)):
        return _try(lease, now)


def _try(lease: _Lease, now: datetime) -> bool:
    """Try once, and record how it ended; the delivery is an isolation point, so nothing escapes."""
    if lease.tries > TRIES:
        failure = _("The publisher stopped %(count)s times while delivering this image.")
        _fail(lease, failure % {"count": TRIES}, now)
        return False
    try:
        return _send_and_record(lease, now)
    except DomainError as error:
        if getattr(error, "is_transient", False) and lease.tries < TRIES:
            log.warning("Unable to reach a destination", code=error.code, tries=lease.tries)
            _wait(lease, error.detail)
        else:
            log.error("Unable to deliver", code=error.code, tries=lease.tries)  # noqa: TRY400
            _fail(lease, error.detail, now)
    except Exception:
        log.exception("Unable to deliver", tries=lease.tries)
        failure = _("The publisher met an error of its own; its log tells more.")
        if lease.tries < TRIES:
            _wait(lease, failure)
        else:
            _fail(lease, failure, now)
    return False


def _send_and_record(lease: _Lease, now: datetime) -> bool:
    publication = lease.publication
    destination = _connect(publication)
    release = releases.get_release(SYSTEM, publication.release_id)
    key = f"{release.brand_id}/{_name(release)}"
    if release.withdrawn_at is not None:
        # A publisher that was killed may have sent the bytes before the withdrawal came.
        raise _taken_back(destination, key)
    delivered = _send(destination, key, release)
    try:
        return _record(lease, key, delivered, now)
    except IntegrityError as refused:
        if not releases.is_withdrawn(release.id):
            raise
        raise _taken_back(destination, key) from refused


def _connect(publication: Publication) -> Destination:
    target = publication.destination
    if (
        target.approved_by is None
        or target.retired_at is not None
        or not is_below_roots(target.kind, target.config)
    ):
        raise DestinationClosed(_("The destination was closed after this publication was ordered."))
    return registry.connect(target.kind, target.config, credentials.resolve(target.credential_ref))


def _name(release: ReleaseRecord) -> str:
    sha256 = release.marked_sha256
    return f"{sha256[:2]}/{sha256}.{_EXTENSION[release.media_type]}"


def _send(destination: Destination, key: str, release: ReleaseRecord) -> Delivered:
    delivered = destination.put(
        key,
        blobs.get(release.marked_sha256),
        sha256=release.marked_sha256,
        media_type=release.media_type,
        metadata={
            "release": str(release.id),
            "reviewed-sha256": release.reviewed_sha256,
            "released-at": isoformat(release.created_at),
        },
    )
    try:
        destination.verify(key, release.marked_sha256)
    except DeliveryMissing:
        raise
    except DeliveryCorrupt:
        # Nobody approved what lies there now, so it does not stay under our name.
        try:
            destination.remove(key)
        except DestinationError as error:
            log.error("Unable to take corrupt bytes away", key=key, code=error.code)  # noqa: TRY400
        raise
    return delivered


def _taken_back(destination: Destination, key: str) -> Withdrawn:
    """Take away what a withdrawn release may have left there; return the error that says so."""
    destination.remove(key)
    return Withdrawn(_("The image was withdrawn while it was being delivered; it was taken away."))


def _lease(publication_id: UUID) -> _Lease | None:
    rows = Publication.objects.filter(
        Q(state=PublicationState.PENDING)
        | Q(state=PublicationState.DELIVERING, lease_until__lt=Now()),
        pk=publication_id,
    )
    with transaction.atomic():
        publication = rows.select_related("destination").first()
        if publication is None:
            return None
        taken = rows.filter(epoch=publication.epoch).update(
            state=PUBLICATION.target("deliver", publication.state).target,
            epoch=F("epoch") + 1,
            # Counted here: a try that ends with the process counts like any other.
            tries=F("tries") + 1,
            lease_until=Now() + timedelta(seconds=settings.LEASE_S),
        )
    if not taken:
        return None
    return _Lease(publication, publication.epoch + 1, publication.tries + 1)


def _record(lease: _Lease, key: str, delivered: Delivered, now: datetime) -> bool:
    with transaction.atomic():
        publication = _fence(lease)
        if publication is None:
            return False
        Receipt.objects.create(
            publication=publication,
            sha256=publication.marked_sha256,
            key=key,
            location=delivered.location,
            etag=delivered.etag,
            size_bytes=delivered.size_bytes,
            verified_at=now,
            created_at=now,
        )
        publish = PUBLICATION.target("publish", publication.state)
        move(publication, publish, lease_until=None, failure="")
        ledger.append(
            actor=SYSTEM,
            event=Event.PUBLISHING_PUBLICATION_DELIVERED,
            subject=_subject(publication),
            now=now,
            facts={
                "release": str(publication.release_id),
                "destination": str(publication.destination_id),
                "key": key,
                "etag": delivered.etag,
                "size_bytes": delivered.size_bytes,
            },
        )
    return True


def _wait(lease: _Lease, failure: str) -> None:
    """Keep the delivery from everybody for a while that doubles with each try."""
    wait_s = min(LONGEST_WAIT_S, 5 * 2 ** (lease.tries - 1))
    _held(lease).update(lease_until=Now() + timedelta(seconds=wait_s), failure=failure[:500])


def _fail(lease: _Lease, failure: str, now: datetime) -> None:
    with transaction.atomic():
        publication = _fence(lease)
        if publication is not None:
            _end_as_failed(publication, failure, now)


def _ends_withdrawn(publication_id: UUID, now: datetime) -> bool:
    """End a publication that nobody began and whose release is withdrawn; True if it did."""
    publication = Publication.objects.filter(
        pk=publication_id, state=PublicationState.PENDING
    ).first()
    if publication is None or not releases.is_withdrawn(publication.release_id):
        return False
    try:
        with transaction.atomic():
            _end_as_failed(publication, _("The image was withdrawn before it was delivered."), now)
    except StaleState:
        log.info("Nothing to do: the publication is over", publication_id=str(publication_id))
    return True


def _end_as_failed(publication: Publication, failure: str, now: datetime) -> None:
    fail = PUBLICATION.target("fail", publication.state)
    move(publication, fail, lease_until=None, failure=failure[:500])
    ledger.append(
        actor=SYSTEM,
        event=Event.PUBLISHING_PUBLICATION_FAILED,
        subject=_subject(publication),
        now=now,
        facts={
            "release": str(publication.release_id),
            "destination": str(publication.destination_id),
            "tries": publication.tries,
        },
    )


def _fence(lease: _Lease) -> Publication | None:
    """Take the row for this transaction; None if another publisher has taken the delivery."""
    if _held(lease).update(hinted_at=F("hinted_at")) != 1:
        return None
    return Publication.objects.get(pk=lease.publication.pk)


def _held(lease: _Lease) -> QuerySet[Publication]:
    return Publication.objects.filter(
        pk=lease.publication.pk, epoch=lease.epoch, state=PublicationState.DELIVERING
    )


def _subject(publication: Publication) -> SubjectRef:
    return SubjectRef(
        "publication", publication.id, publication.brand_id, publication.marked_sha256
    )
