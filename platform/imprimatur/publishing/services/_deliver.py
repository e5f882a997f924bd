"""Deliver a publication: lease it, send the bytes, read them back, then one fenced receipt."""

from datetime import datetime
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from generation.assets import blobs
from governance.kernel.actors import SYSTEM
from governance.kernel.clock import isoformat
from governance.kernel.errors import DomainError
from governance.kernel.lifecycle import StaleState
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.release import selectors as releases
from governance.release.records import ReleaseRecord
from governance.tables.records import move
from imprimatur.publishing.destinations.protocol import (
    Delivered,
    DeliveryCorrupt,
    DeliveryMissing,
    Destination,
    DestinationError,
)
from imprimatur.publishing.errors import DestinationClosed
from imprimatur.publishing.models import Publication, Receipt
from imprimatur.publishing.selectors import TRIES
from imprimatur.publishing.services import _leases, _places
from imprimatur.publishing.services._leases import Lease
from imprimatur.publishing.services._recall import leave_to_recall
from imprimatur.publishing.states import PUBLICATION, PublicationState

log = structlog.get_logger(__name__)


def deliver(*, publication_id: UUID, now: datetime) -> bool:
    """Deliver once; True if this call did it. A destination that is down is tried again later.

    What cannot succeed by waiting ends as failed, with a sentence, for a person to look at. If
    the release is withdrawn meanwhile, what was sent is taken away again and recalled.
    """
    require(SYSTEM, Permission.PUBLISHING_PUBLICATION_DELIVER, Context())
    if _ends_withdrawn(publication_id, now):
        return False
    try:
        lease = _leases.to_deliver(publication_id)
    except IntegrityError:
        # The guard saw a withdrawal that came after we had looked.
        if not _ends_withdrawn(publication_id, now):
            raise
        return False
    if lease is None:
        return False
    with structlog.contextvars.bound_contextvars(publication_id=str(publication_id)):
        return _try(lease, now)


def _try(lease: Lease, now: datetime) -> bool:
    """Try once, and record how it ended; the delivery is an isolation point, so nothing escapes."""
    is_delivered = _attempt(lease, now)
    if not is_delivered and releases.is_withdrawn(lease.publication.release_id):
        leave_to_recall(lease, now)
    return is_delivered


def _attempt(lease: Lease, now: datetime) -> bool:
    if lease.tries > TRIES:
        failure = _("The publisher stopped %(count)s times while delivering this image.")
        _fail(lease, failure % {"count": TRIES}, now)
        return False
    try:
        return _send_and_record(lease, now)
    except DomainError as error:
        if getattr(error, "is_transient", False) and lease.tries < TRIES:
            log.warning("Unable to reach a destination", code=error.code, tries=lease.tries)
            _leases.wait(lease, error.detail)
        else:
            log.error("Unable to deliver", code=error.code, tries=lease.tries)  # noqa: TRY400
            _fail(lease, error.detail, now)
    except Exception:
        log.exception("Unable to deliver", tries=lease.tries)
        failure = _("The publisher met an error of its own; its log tells more.")
        if lease.tries < TRIES:
            _leases.wait(lease, failure)
        else:
            _fail(lease, failure, now)
    return False


def _send_and_record(lease: Lease, now: datetime) -> bool:
    publication = lease.publication
    release = releases.get_release(SYSTEM, publication.release_id)
    if release.withdrawn_at is not None:
        return False
    destination = _connect(publication)
    key = _places.key_of(release)
    delivered = _send(destination, key, release)
    try:
        if _record(lease, key, delivered, now):
            return True
    except IntegrityError:
        if not releases.is_withdrawn(release.id):
            raise
    if releases.is_withdrawn(release.id):
        # Its recall may be over already, if we slept: nobody else would look for these bytes.
        destination.remove(key, release.marked_sha256)
    return False


def _connect(publication: Publication) -> Destination:
    if publication.destination.retired_at is not None:
        raise DestinationClosed(_("The destination was closed after this publication was ordered."))
    return _places.connect(publication.destination)


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
    except DeliveryCorrupt as corrupt:
        # Nobody approved what lies there now, so it does not stay under our name.
        try:
            destination.remove(key, str(corrupt.facts["found"]))
        except DestinationError as error:
            log.error("Unable to take corrupt bytes away", key=key, code=error.code)  # noqa: TRY400
        raise
    return delivered


def _record(lease: Lease, key: str, delivered: Delivered, now: datetime) -> bool:
    with transaction.atomic():
        publication = _leases.fence(lease)
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
            subject=_leases.subject(publication),
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


def _fail(lease: Lease, failure: str, now: datetime) -> None:
    with transaction.atomic():
        publication = _leases.fence(lease)
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
            _leases.in_order(publication.release_id)
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
        subject=_leases.subject(publication),
        now=now,
        facts={
            "release": str(publication.release_id),
            "destination": str(publication.destination_id),
            "tries": publication.tries,
        },
    )
