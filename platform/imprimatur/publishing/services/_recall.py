"""Take back what a withdrawn release left outside: each copy is removed and seen to be gone."""

from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.outbox import services as outbox
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.release import selectors as releases
from governance.release import services as release_services
from governance.release.records import ReleaseRecord
from governance.tables.records import move
from imprimatur.publishing import selectors
from imprimatur.publishing.destinations.protocol import Removed
from imprimatur.publishing.models import Publication, Removal
from imprimatur.publishing.selectors import TRIES, PublicationRecord
from imprimatur.publishing.services import _leases, _places
from imprimatur.publishing.services._leases import Lease
from imprimatur.publishing.services._request import QUEUE
from imprimatur.publishing.states import PUBLICATION, PublicationState

UNPUBLISH = "publishing.unpublish"

# What may have left bytes outside; a delivery that failed may have failed after it sent them.
_MAY_BE_OUTSIDE = Q(state__in=[PublicationState.PUBLISHED, PublicationState.DELIVERING]) | Q(
    state=PublicationState.FAILED, tries__gt=0
)

log = structlog.get_logger(__name__)


def withdraw(*, actor: Actor, release_id: UUID, reason: str, now: datetime) -> ReleaseRecord:
    """Take a release back: nothing of it goes out from now on, and its copies are taken away.

    Raises: NotFound, NotPermitted, InvalidInput without a reason, AlreadyWithdrawn,
    ReauthenticationNeeded.
    """
    with transaction.atomic():
        release = release_services.withdraw(
            actor=actor, release_id=release_id, reason=reason, now=now
        )
        begin_recall(actor=actor, release_id=release_id, now=now)
    return release


def begin_recall(*, actor: Actor, release_id: UUID, now: datetime) -> int:
    """Let the publisher take away what a withdrawn release left outside; return how many copies.

    Called in a transaction. A delivery that is under way keeps its lease: nobody looks for its
    bytes before it had its time to send them.
    """
    _leases.in_order(release_id)
    outside = list(Publication.objects.filter(_MAY_BE_OUTSIDE, release_id=release_id))
    for publication in outside:
        recall = PUBLICATION.target("recall", publication.state)
        move(publication, recall, tries=0, failure="", hinted_at=now)
        ledger.append(
            actor=actor,
            event=Event.PUBLISHING_PUBLICATION_RECALL_BEGUN,
            subject=_leases.subject(publication),
            now=now,
            facts=_facts(publication),
        )
        _hint(publication.id)
    return len(outside)


def leave_to_recall(lease: Lease, now: datetime) -> None:
    """Let go of a delivery whose release was withdrawn meanwhile: its recall starts at once."""
    publication = lease.publication
    with transaction.atomic():
        begin_recall(actor=SYSTEM, release_id=publication.release_id, now=now)
        recalled = Publication.objects.filter(
            pk=publication.pk, epoch=lease.epoch, state=PublicationState.RECALLING
        )
        if recalled.update(lease_until=None):
            _hint(publication.id)


def unpublish(*, publication_id: UUID, now: datetime) -> bool:
    """Take one copy away; True if this call did it. A destination that is down is tried again.

    After the last try it stays in recall, with a sentence and an alarm, until a person asks anew.
    """
    require(SYSTEM, Permission.PUBLISHING_PUBLICATION_UNPUBLISH, Context())
    lease = _leases.to_unpublish(publication_id)
    if lease is None:
        return False
    with structlog.contextvars.bound_contextvars(publication_id=str(publication_id)):
        return _try(lease, now)


def retry_recall(*, actor: Actor, publication_id: UUID, now: datetime) -> PublicationRecord:
    """Try a recall anew that waits for a person.

    Raises: NotFound; NotPermitted; IllegalTransition if it is over, or still being tried.
    """
    seen = selectors.get_publication(actor, publication_id)
    require(actor, Permission.PUBLISHING_RECALL_RETRY, Context(brand_id=seen.brand_id))
    with transaction.atomic():
        _leases.in_order(seen.release_id)
        waiting = Publication.objects.filter(
            pk=publication_id, state=PublicationState.RECALLING, tries__gt=TRIES
        )
        if waiting.update(tries=0, failure="", lease_until=None, hinted_at=now) != 1:
            raise IllegalTransition(
                _("This recall does not wait for anybody."), act="retry", state=seen.state
            )
        publication = Publication.objects.get(pk=publication_id)
        ledger.append(
            actor=actor,
            event=Event.PUBLISHING_PUBLICATION_RECALL_RETRIED,
            subject=_leases.subject(publication),
            now=now,
            facts=_facts(publication),
        )
        _hint(publication_id)
    return selectors.get_publication(actor, publication_id)


def _try(lease: Lease, now: datetime) -> bool:
    """Try once, and record how it ended; the removal is an isolation point, so nothing escapes."""
    if lease.tries > TRIES:
        failure = _("The publisher stopped %(count)s times while taking this image away.")
        _give_up(lease, failure % {"count": TRIES}, now)
        return False
    try:
        return _record(lease, *_remove(lease.publication), now)
    except DomainError as error:
        if getattr(error, "is_transient", False) and lease.tries < TRIES:
            log.warning("Unable to reach a destination", code=error.code, tries=lease.tries)
            _leases.wait(lease, error.detail)
        else:
            _give_up(lease, error.detail, now)
    except Exception:
        log.exception("Unable to take a copy away", tries=lease.tries)
        failure = _("The publisher met an error of its own; its log tells more.")
        if lease.tries < TRIES:
            _leases.wait(lease, failure)
        else:
            _give_up(lease, failure, now)
    return False


def _remove(publication: Publication) -> tuple[str, Removed]:
    """Remove the bytes wherever they were sent, also from a destination that is closed by now."""
    receipt = getattr(publication, "receipt", None)
    release = releases.get_release(SYSTEM, publication.release_id)
    key = _places.key_of(release) if receipt is None else receipt.key
    return key, _places.connect(publication.destination).remove(key, publication.marked_sha256)


def _record(lease: Lease, key: str, found: Removed, now: datetime) -> bool:
    with transaction.atomic():
        publication = _leases.fence(lease)
        if publication is None:
            return False
        Removal.objects.create(
            publication=publication,
            sha256=publication.marked_sha256,
            key=key,
            found=found.value,
            verified_at=now,
            created_at=now,
        )
        over = PUBLICATION.target("unpublish", publication.state)
        move(publication, over, lease_until=None, failure="")
        ledger.append(
            actor=SYSTEM,
            event=Event.PUBLISHING_PUBLICATION_RECALLED,
            subject=_leases.subject(publication),
            now=now,
            facts={**_facts(publication), "key": key, "found": found.value},
        )
    if found is Removed.REPLACED_BY_OTHER_BYTES:
        log.error("Other bytes lie where a recalled image was", key=key)
    return True


def _give_up(lease: Lease, failure: str, now: datetime) -> None:
    """Leave the recall to a person, and raise the alarm: a withdrawn image may still be out."""
    with transaction.atomic():
        publication = _leases.fence(lease)
        if publication is None:
            return
        _leases.held(lease).update(tries=TRIES + 1, lease_until=None, failure=failure[:500])
        ledger.append(
            actor=SYSTEM,
            event=Event.PUBLISHING_PUBLICATION_RECALL_FAILED,
            subject=_leases.subject(publication),
            now=now,
            facts={**_facts(publication), "tries": lease.tries},
        )
    log.error("A withdrawn image could not be taken away; a person must see to it", reason=failure)


def _hint(publication_id: UUID) -> None:
    outbox.wake(UNPUBLISH, queue=QUEUE, publication_id=str(publication_id))


def _facts(publication: Publication) -> dict[str, str]:
    return {
        "release": str(publication.release_id),
        "destination": str(publication.destination_id),
    }
