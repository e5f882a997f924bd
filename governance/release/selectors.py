"""Reads of releases, scoped to the actor's brands; withdrawn ones stay visible and say so."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.release.models import Due, Passport, Release, Withdrawal
from governance.release.records import ReleaseRecord, WithdrawalRecord
from governance.sealing import services as sealing

MAX_PAGE = 200
# How many ids one query asks for.
_BATCH = 500
REASON_PURPOSE = "release.withdrawal.reason"


def get_release(actor: Actor, release_id: UUID) -> ReleaseRecord:
    """Return a release. Raises: NotFound."""
    release = visible_releases(actor).filter(id=release_id).first()
    if release is None:
        raise NotFound(_("There is no such release."))
    return release_record(release)


def find_release(
    *, subject_id: UUID | None = None, approval_id: UUID | None = None
) -> ReleaseRecord | None:
    """Return the latest release of a subject or an approval; the caller answers for the access."""
    if (subject_id is None) == (approval_id is None):
        message = "name the subject or the approval"
        raise TypeError(message)
    wanted = Q(subject_id=subject_id) if approval_id is None else Q(approval_id=approval_id)
    found = Release.objects.select_related("withdrawal").filter(wanted).order_by("-id").first()
    return None if found is None else release_record(found)


def find_of_subjects(actor: Actor, subject_ids: Iterable[UUID]) -> dict[UUID, ReleaseRecord]:
    """Return the latest release of each subject that the actor may see, in one query."""
    rows = visible_releases(actor).filter(subject_id__in=list(subject_ids)).order_by("id")
    return {row.subject_id: release_record(row) for row in rows}


def list_releases(
    actor: Actor, brand_id: UUID | None = None, after: UUID | None = None, limit: int = 50
) -> tuple[ReleaseRecord, ...]:
    """Return up to `limit` releases, newest first; `after` is the last id of the page before."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(
            _("A page has between 1 and %(max)s releases.") % {"max": MAX_PAGE},
            pointer="/limit",
            rule="range",
        )
    releases = visible_releases(actor).order_by("-id")
    if brand_id is not None:
        releases = releases.filter(brand_id=brand_id)
    if after is not None:
        releases = releases.filter(id__lt=after)
    return tuple(release_record(release) for release in releases[:limit])


def get_passport(actor: Actor, release_id: UUID) -> bytes:
    """Return the exact bytes of a release's passport. Raises: NotFound."""
    passport = Passport.objects.filter(release__in=visible_releases(actor), pk=release_id).first()
    if passport is None:
        raise NotFound(_("There is no such passport."))
    return bytes(passport.document)


def get_withdrawal(actor: Actor, release_id: UUID) -> WithdrawalRecord:
    """Return who withdrew a release and why. Raises: NotFound."""
    withdrawal = Withdrawal.objects.filter(
        release__in=visible_releases(actor), release_id=release_id
    ).first()
    if withdrawal is None:
        raise NotFound(_("This release is not withdrawn."))
    return _withdrawal_records([withdrawal])[0]


def find_withdrawals(actor: Actor, release_ids: Iterable[UUID]) -> dict[UUID, WithdrawalRecord]:
    """Return the withdrawals of those of the releases that are withdrawn, by release id."""
    rows = Withdrawal.objects.filter(
        release__in=visible_releases(actor), release_id__in=list(release_ids)
    )
    return {record.release_id: record for record in _withdrawal_records(list(rows))}


def is_withdrawn(release_id: UUID) -> bool:
    """Tell whether a release goes out no more."""
    return Withdrawal.objects.filter(release_id=release_id).exists()


def withdrawn_among(release_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of the releases that go out no more."""
    rows = Withdrawal.objects.filter(release_id__in=list(release_ids))
    return frozenset(rows.values_list("release_id", flat=True))


def released_among(approval_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of the approvals that were released, withdrawn or not; for our processes."""
    ids, found = list(approval_ids), set[UUID]()
    for start in range(0, len(ids), _BATCH):
        released = Release.objects.filter(approval_id__in=ids[start : start + _BATCH])
        found.update(released.values_list("approval_id", flat=True))
    return frozenset(found)


def has_due() -> bool:
    """Tell whether any approval waits for its release; asked without a lock, at every round."""
    return Due.objects.exists()


def visible_releases(actor: Actor) -> QuerySet[Release]:
    """Return the releases that the actor may read, as rows."""
    releases = Release.objects.select_related("withdrawal")
    if permits.may_everywhere(actor, Permission.PUBLISHING_RELEASE_READ):
        return releases
    return releases.filter(
        brand_id__in=permits.brands_where(actor, Permission.PUBLISHING_RELEASE_READ)
    )


def _withdrawal_records(rows: list[Withdrawal]) -> list[WithdrawalRecord]:
    """Turn rows into facts; all their reasons are opened with one query."""
    reasons = sealing.reveal_all(sealed=[bytes(row.reason) for row in rows], purpose=REASON_PURPOSE)
    return [
        WithdrawalRecord(
            id=row.id,
            release_id=row.release_id,
            actor_id=row.actor_id,
            reason=reason,
            created_at=row.created_at,
        )
        for row, reason in zip(rows, reasons, strict=True)
    ]


def release_record(release: Release) -> ReleaseRecord:
    """Turn a release row into facts."""
    withdrawal: Withdrawal | None = getattr(release, "withdrawal", None)
    return ReleaseRecord(
        id=release.id,
        approval_id=release.approval_id,
        subject_id=release.subject_id,
        brand_id=release.brand_id,
        reviewed_sha256=release.reviewed_sha256,
        marked_sha256=release.marked_sha256,
        media_type=release.media_type,
        marking_profile=release.marking_profile,
        created_at=release.created_at,
        withdrawn_at=None if withdrawal is None else withdrawal.created_at,
    )
