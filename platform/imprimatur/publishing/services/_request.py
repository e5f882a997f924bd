"""Order a delivery: an explicit command that names a release and a destination."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.lifecycle import StaleState
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.outbox import services as outbox
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.refusals import services as refusals
from governance.release import selectors as releases
from governance.release.records import ReleaseRecord
from governance.review import selectors as review
from imprimatur.publishing import selectors
from imprimatur.publishing.errors import ChangesOpen, NotReleased, Withdrawn
from imprimatur.publishing.models import Finding, Publication
from imprimatur.publishing.selectors import PublicationRecord
from imprimatur.publishing.states import FindingKind, PublicationState

DELIVER = "publishing.deliver"
QUEUE = "publisher"
RENDITION = "original"


def request_publication(
    *, actor: Actor, release_id: UUID, destination_id: UUID, now: datetime
) -> PublicationRecord:
    """Order the delivery of a release; asked again while it is under way or done, the same one.

    A delivery that failed, or whose bytes were found missing, may be ordered anew.

    Raises: NotFound, NotPermitted; NotFound for a destination that is not approved; Withdrawn and
    ChangesOpen, each with a Refusal at the gate.
    """
    release = releases.get_release(actor, release_id)
    destination = selectors.get_destination(actor, destination_id)
    permits.require(
        actor, Permission.PUBLISHING_PUBLICATION_CREATE, Context(brand_id=release.brand_id)
    )
    if (
        destination.brand_id != release.brand_id
        or not destination.is_approved
        or destination.is_retired
    ):
        raise NotFound(
            _("The brand has no approved destination with this id."), pointer="/destination_id"
        )
    if releases.is_withdrawn(release_id):
        raise _refused(actor, release, _withdrawn(), now)
    if review.open_conditions(release.approval_id):
        changes_open = ChangesOpen(
            _(
                "This image was approved with changes to what goes with it: somebody other than "
                "the requester confirms first that they are made."
            ),
            release_id=str(release_id),
        )
        raise _refused(actor, release, changes_open, now)
    try:
        with transaction.atomic():
            publication_id = _create(actor, release, destination.id, now)
    except IntegrityError as error:
        if releases.is_withdrawn(release_id):
            raise _refused(actor, release, _withdrawn(), now) from error
        publication_id = _ordered_meanwhile(release, destination.id, error)
    return selectors.get_publication(actor, publication_id)


def request_publication_of_asset(
    *, actor: Actor, asset_id: UUID, destination_id: UUID, now: datetime
) -> PublicationRecord:
    """Order the delivery of an asset's release.

    Raises: NotReleased, and records a Refusal at the gate, if the asset has none; NotFound,
    NotPermitted, Withdrawn.
    """
    asset = assets.get_asset(SYSTEM, asset_id)
    context = Context(brand_id=asset.brand_id)
    if not permits.may(actor, Permission.PUBLISHING_PUBLICATION_CREATE, context):
        # Whoever may not publish learns of it only by seeing it; a key publishes unseen.
        assets.get_asset(actor, asset_id)
    selectors.get_destination(actor, destination_id)
    permits.require(actor, Permission.PUBLISHING_PUBLICATION_CREATE, context)
    release = releases.find_release(subject_id=asset.subject_id)
    if release is not None:
        return request_publication(
            actor=actor, release_id=release.id, destination_id=destination_id, now=now
        )
    reason = _(
        "This image has no release: only an approved review of exactly these bytes opens the gate."
    )
    with transaction.atomic():
        record = refusals.record(
            actor=actor,
            brand_id=asset.brand_id,
            stage="gate",
            category="not_released",
            reason=reason,
            requester_id=actor.id,
            subject=SubjectRef("asset", asset.id, asset.brand_id, asset.sha256),
            now=now,
        )
    raise NotReleased(reason, refusal_id=str(record.id))


def _withdrawn() -> Withdrawn:
    return Withdrawn(_("This image was withdrawn, so it is not published again."))


def _refused(
    actor: Actor, release: ReleaseRecord, error: DomainError, now: datetime
) -> DomainError:
    """Record that the gate stays closed for a release; return the error, which names the record."""
    record = refusals.record(
        actor=actor,
        brand_id=release.brand_id,
        stage="gate",
        category=error.code,
        reason=error.detail,
        requester_id=actor.id,
        subject=SubjectRef("release", release.id, release.brand_id, release.marked_sha256),
        now=now,
    )
    error.facts["refusal_id"] = str(record.id)
    return error


def _ordered_meanwhile(
    release: ReleaseRecord, destination_id: UUID, refused: IntegrityError
) -> UUID:
    """Return the publication that somebody else ordered in the same moment, or say what changed."""
    earlier = _latest(release.id, destination_id)
    if earlier is None or _may_follow(earlier):
        raise StaleState(_("The destination changed in this moment. Look again.")) from refused
    return earlier.id


def _latest(release_id: UUID, destination_id: UUID) -> Publication | None:
    attempts = Publication.objects.filter(
        release_id=release_id, destination_id=destination_id, rendition=RENDITION
    )
    return attempts.order_by("-attempt").first()


def _may_follow(earlier: Publication) -> bool:
    """Tell whether another attempt may follow: the last failed, or its bytes are missing now."""
    return (
        earlier.state == PublicationState.FAILED
        or Finding.objects.filter(
            publication=earlier, kind=FindingKind.MISSING_OBJECT, closure__isnull=True
        ).exists()
    )


def _create(actor: Actor, release: ReleaseRecord, destination_id: UUID, now: datetime) -> UUID:
    earlier = _latest(release.id, destination_id)
    if earlier is not None and not _may_follow(earlier):
        return earlier.id
    publication = Publication.objects.create(
        brand_id=release.brand_id,
        release_id=release.id,
        marked_sha256=release.marked_sha256,
        destination_id=destination_id,
        rendition=RENDITION,
        attempt=1 if earlier is None else earlier.attempt + 1,
        requested_by=actor.id,
        hinted_at=now,
        created_at=now,
    )
    ledger.append(
        actor=actor,
        event=Event.PUBLISHING_PUBLICATION_REQUESTED,
        subject=SubjectRef("publication", publication.id, release.brand_id, release.marked_sha256),
        now=now,
        facts={"release": str(release.id), "destination": str(destination_id)},
    )
    outbox.wake(DELIVER, queue=QUEUE, publication_id=str(publication.id))
    return publication.id
