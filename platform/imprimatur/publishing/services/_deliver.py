"""Deliver a publication: lease it, send the bytes, read them back there, then one fenced receipt."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from generation.assets import blobs
from governance.kernel.actors import SYSTEM
from governance.kernel.clock import isoformat
from governance.kernel.errors import DomainError
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.release import selectors as releases
from governance.tables.records import move
from imprimatur.publishing import credentials
from imprimatur.publishing.destinations import registry
from imprimatur.publishing.destinations.protocol import Delivered
from imprimatur.publishing.models import Publication, Receipt
from imprimatur.publishing.states import PUBLICATION, PublicationState

TRIES = 5
_EXTENSION = {"image/png": "png", "image/jpeg": "jpg"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Lease:
    publication: Publication
    epoch: int


def deliver(*, publication_id: UUID, now: datetime) -> bool:
    """Deliver once; True if this call did it. A destination that is down is tried again later.

    What cannot succeed by waiting ends as failed, with a sentence, for a person to look at.
    """
    require(SYSTEM, Permission.PUBLISHING_PUBLICATION_DELIVER, Context())
    lease = _lease(publication_id)
    if lease is None:
        return False
    publication = lease.publication
    try:
        key, delivered = _send(publication)
    except DomainError as error:
        if getattr(error, "is_transient", False) and publication.tries + 1 < TRIES:
            log.warning("Unable to reach a destination", publication_id=str(publication_id))
            _wait(lease, error.detail)
            return False
        log.warning("Unable to deliver", publication_id=str(publication_id), code=error.code)
        _fail(lease, error.detail, now)
        return False
    return _record(lease, key, delivered, now)


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
            lease_until=Now() + timedelta(seconds=settings.LEASE_S),
        )
    return _Lease(publication, publication.epoch + 1) if taken else None


def _send(publication: Publication) -> tuple[str, Delivered]:
    destination = publication.destination
    if destination.approved_by is None or destination.retired_at is not None:
        raise DomainError(_("The destination was closed after this publication was ordered."))
    release = releases.get_release(SYSTEM, publication.release_id)
    data = blobs.get(publication.marked_sha256)
    adapter = registry.connect(
        destination.kind, destination.config, credentials.resolve(destination.credential_ref)
    )
    sha256 = publication.marked_sha256
    key = f"{release.brand_id}/{sha256[:2]}/{sha256}.{_EXTENSION[release.media_type]}"
    delivered = adapter.put(
        key,
        data,
        sha256=sha256,
        media_type=release.media_type,
        metadata={
            "release": str(release.id),
            "reviewed-sha256": release.reviewed_sha256,
            "released-at": isoformat(release.created_at),
        },
    )
    adapter.verify(key, sha256)
    return key, delivered


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
        move(publication, PUBLICATION.target("publish", publication.state), lease_until=None)
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
    backoff = timedelta(seconds=min(300, 5 * 2**lease.publication.tries))
    _held(lease).update(
        tries=F("tries") + 1, lease_until=Now() + backoff, failure=failure[:500]
    )


def _fail(lease: _Lease, failure: str, now: datetime) -> None:
    with transaction.atomic():
        publication = _fence(lease)
        if publication is None:
            return
        move(
            publication,
            PUBLICATION.target("fail", publication.state),
            lease_until=None,
            failure=failure[:500],
        )
        ledger.append(
            actor=SYSTEM,
            event=Event.PUBLISHING_PUBLICATION_FAILED,
            subject=_subject(publication),
            now=now,
            facts={"destination": str(publication.destination_id), "tries": publication.tries + 1},
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
