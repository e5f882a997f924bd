"""Commands on releases, the only writers: let marked bytes go, or take them back."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.digests import is_sha256, sha256_hex
from governance.kernel.errors import DomainError, InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import selectors as ledger_reads
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import freshness, permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.release import selectors
from governance.release.models import Due, Passport, Release, Withdrawal
from governance.release.records import ReleaseRecord
from governance.review import selectors as review
from governance.review import services as review_services
from governance.review.records import ApprovalRecord
from governance.review.states import CaseState
from governance.sealing import services as sealing
from governance.tables.records import wait_for_others

MAX_REASON_LENGTH = 4000
ASSET = "asset"
# At every round, so a few times a second at most: slower than any publisher finds a hint idle.
HINTED_AGAIN_A_ROUND = 5


class NotProven(DomainError):
    """The approval is not yet under a signed checkpoint: what cannot be proved does not go out."""

    code = "not_proven"
    status = 409


class ReleaseDiffers(DomainError):
    """The approval was released already, as other marked bytes."""

    code = "release_differs"
    status = 409


class AlreadyWithdrawn(DomainError):
    """The release was withdrawn before."""

    code = "already_withdrawn"
    status = 409


def record_release(
    *,
    actor: Actor,
    release_id: UUID,
    approval_id: UUID,
    marked_sha256: str,
    media_type: str,
    marking_profile: str,
    passport: bytes,
    now: datetime,
) -> ReleaseRecord:
    """Record that an approval's bytes were marked and may be published, with their passport.

    `release_id` is the caller's, because the passport names it; the same marked bytes again return
    the release that is there, and its first passport stays.
    Raises: NotPermitted for anybody but the system, NotFound, InvalidInput, NotProven,
    ReleaseDiffers; IllegalTransition if the case is voided.
    """
    permits.require(actor, Permission.PUBLISHING_RELEASE_CREATE, Context())
    _check_marks(
        marked_sha256=marked_sha256,
        media_type=media_type,
        marking_profile=marking_profile,
        passport=passport,
    )
    with transaction.atomic():
        approval = review.get_approval(approval_id=approval_id)
        # The guards take this lock too: whoever voids the case comes wholly before or after.
        wait_for_others(str(approval.case_id))
        earlier = selectors.find_release(approval_id=approval_id)
        if earlier is not None:
            return _same_release(earlier, marked_sha256)
        _check_approval(actor, approval, marked_sha256)
        release = Release.objects.create(
            id=release_id,
            approval_id=approval.id,
            subject_id=approval.subject_id,
            brand_id=approval.brand_id,
            reviewed_sha256=approval.sha256,
            marked_sha256=marked_sha256,
            media_type=media_type,
            marking_profile=marking_profile,
            created_at=now,
        )
        Passport.objects.create(
            release=release, document=passport, sha256=sha256_hex(passport), created_at=now
        )
        Due.objects.filter(approval_id=approval.id).delete()
        record = selectors.release_record(release)
        ledger.append(
            actor=actor,
            event=Event.RELEASE_RELEASE_CREATED,
            subject=_subject(record),
            now=now,
            facts={
                "approval_id": str(approval.id),
                "subject_id": str(approval.subject_id),
                "reviewed_sha256": approval.sha256,
                "media_type": media_type,
                "marking_profile": marking_profile,
                "passport_sha256": sha256_hex(passport),
            },
        )
    return record


def hint_due(*, now: datetime, again_after: timedelta, limit: int) -> list[UUID]:
    """Return the cases whose release may be made now and was not hinted lately; note the hint.

    Before its approval is under a checkpoint a release cannot be made, so nobody is hinted. Hints
    that led to nothing go out again a few at a time: a publisher that is behind must not be buried
    under hints for what it has not come to. Cases that were voided meanwhile leave the queue here.
    """
    never, long_ago = Q(hinted_at__isnull=True), Q(hinted_at__lt=now - again_after)
    rows = Due.objects.values_list("approval_id", "case_id")
    due = [
        *rows.filter(never).order_by("approval_id")[:limit],
        *rows.filter(long_ago).order_by("hinted_at")[: min(limit, HINTED_AGAIN_A_ROUND)],
    ]
    states = review.states_of([case_id for _approval_id, case_id in due])
    gone = [a for a, case_id in due if states.get(case_id) != CaseState.APPROVED]
    Due.objects.filter(approval_id__in=gone).delete()
    entries = review.approval_entries(a for a, _case_id in due if a not in gone)
    covered = ledger_reads.covered_among(entries.values())
    ready = {a: case_id for a, case_id in due if entries.get(a) in covered}
    Due.objects.filter(approval_id__in=ready).update(hinted_at=now)
    return list(ready.values())


def void_pinning(*, actor: Actor, name: str, value: str, reason: str, now: datetime) -> int:
    """Void the reviews that rest on a pinned version, in every brand, and count them.

    That is each open case, and each approved image that is not released yet; what is released
    stays, and is recalled where that is wanted. `name` and `value` are those of the case's pin,
    such as "template_version_id". `actor` needs the right to void in each of the brands. A case
    that was closed or released in the same moment stays as it is.
    Raises: what `void_case` raises; then none is voided.
    """
    resting = review.cases_pinning(name, value)
    released = selectors.released_among(
        case.approval_id for case in resting if case.approval_id is not None
    )
    doomed = [
        case.id
        for case in resting
        if case.state == CaseState.OPEN
        or (case.subject_kind == ASSET and case.approval_id not in released)
    ]
    with transaction.atomic():
        return sum(_void(actor, case_id, reason, now) for case_id in doomed)


def _void(actor: Actor, case_id: UUID, reason: str, now: datetime) -> bool:
    """Void a case unless somebody was faster: closed it, or released what it approved."""
    try:
        with transaction.atomic():
            review_services.void_case(actor=actor, case_id=case_id, reason=reason, now=now)
    except IllegalTransition:
        return False
    except IntegrityError:
        approval_id = review.get_case(actor, case_id).approval_id
        if approval_id is None or selectors.find_release(approval_id=approval_id) is None:
            raise
        return False
    return True


def put_off(*, approval_id: UUID, until: datetime) -> None:
    """Let the release of an approval rest: it is not hinted again before `until`."""
    Due.objects.filter(approval_id=approval_id).update(hinted_at=until)


def withdraw(*, actor: Actor, release_id: UUID, reason: str, now: datetime) -> ReleaseRecord:
    """Take a release back: nothing of it is published from now on.

    It is for good, so like a decision it needs a recent proof of who the actor is.
    Raises: NotFound, NotPermitted, InvalidInput without a reason, AlreadyWithdrawn,
    ReauthenticationNeeded.
    """
    if not reason.strip() or len(reason) > MAX_REASON_LENGTH:
        raise InvalidInput(
            _("Give a reason of at most %(max)s characters.") % {"max": MAX_REASON_LENGTH},
            pointer="/reason",
            rule="length",
        )
    with transaction.atomic():
        record = selectors.get_release(actor, release_id)
        permits.require(
            actor, Permission.PUBLISHING_RELEASE_WITHDRAW, Context(brand_id=record.brand_id)
        )
        if selectors.is_withdrawn(release_id):
            raise AlreadyWithdrawn(
                _("This release is withdrawn already."), release_id=str(release_id)
            )
        freshness.require_fresh(actor, now=now, within_s=settings.REAUTHENTICATE_AFTER_S)
        sealed = sealing.seal(person_id=actor.id, text=reason, purpose=selectors.REASON_PURPOSE)
        Withdrawal.objects.create(
            release_id=release_id, actor_id=actor.id, reason=sealed, created_at=now
        )
        ledger.append(
            actor=actor,
            event=Event.RELEASE_RELEASE_WITHDRAWN,
            subject=_subject(record),
            now=now,
            facts={"approval_id": str(record.approval_id)},
            sealed={"reason": sealed},
        )
    return selectors.get_release(actor, release_id)


def _check_marks(
    *, marked_sha256: str, media_type: str, marking_profile: str, passport: bytes
) -> None:
    if not is_sha256(marked_sha256):
        raise InvalidInput(
            _("The digest of the marked bytes must be a SHA-256 in lower-case hex."),
            pointer="/marked_sha256",
            rule="sha256",
        )
    for pointer, given in (("/media_type", media_type), ("/marking_profile", marking_profile)):
        if not given.strip():
            raise InvalidInput(_("This must be named."), pointer=pointer, rule="required")
    if not passport:
        raise InvalidInput(_("A release needs its passport."), pointer="/passport", rule="required")


def _check_approval(actor: Actor, approval: ApprovalRecord, marked_sha256: str) -> None:
    case = review.get_case(actor, approval.case_id)
    if case.state != CaseState.APPROVED:
        raise IllegalTransition(
            _("The review of these bytes was voided: they cannot be released."), act="release"
        )
    if case.subject.kind != ASSET:
        raise InvalidInput(
            _("Only an asset is released."), pointer="/approval_id", rule="subject_kind"
        )
    if marked_sha256 == approval.sha256:
        raise InvalidInput(
            _("The marked bytes are the reviewed ones: they carry no marks."),
            pointer="/marked_sha256",
            rule="marked",
        )
    if ledger_reads.is_covered(approval.entry_id) is None:
        raise NotProven(
            _("The approval is not under a signed checkpoint yet: try again in a few seconds."),
            approval_id=str(approval.id),
        )


def _same_release(earlier: ReleaseRecord, marked_sha256: str) -> ReleaseRecord:
    if earlier.marked_sha256 != marked_sha256:
        raise ReleaseDiffers(
            _("This approval was released as other marked bytes."),
            release_id=str(earlier.id),
        )
    return earlier


def _subject(release: ReleaseRecord) -> SubjectRef:
    return SubjectRef(
        kind="release", id=release.id, brand_id=release.brand_id, sha256=release.marked_sha256
    )
