"""Registers what is decided about and who had a part in it; both are facts that never change."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.digests import is_sha256
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.subjects import SubjectRef
from governance.review import selectors
from governance.review.models import Contribution, Decision, Subject, SubjectKind

MAX_PART_LENGTH = 32


class SubjectDiffers(DomainError):
    """The subject is registered already, with another kind, other bytes or another brand."""

    code = "subject_differs"
    status = 409


class ContributedAfterDeciding(DomainError):
    """The person has decided on the subject and so cannot take part in it any more."""

    code = "contributed_after_deciding"
    status = 409


def register_subject(
    *,
    subject_id: UUID,
    kind: str,
    sha256: str,
    brand_id: UUID,
    contributors: Mapping[UUID, str],
    now: datetime,
    parent_id: UUID | None = None,
) -> SubjectRef:
    """Register a subject with those who had a part in it; the same facts again change nothing.

    `parent_id` is the subject it came after, of the same kind and brand. `contributors`: person →
    part ("requester", "author"); at least one, or four eyes mean nothing.
    Raises: SubjectDiffers if it is registered with other facts; InvalidInput, also for a parent
    that is not a subject of that kind in that brand.
    """
    if kind not in SubjectKind.values:
        raise InvalidInput(
            _("“%(kind)s” is not a kind of subject.") % {"kind": kind}, pointer="/kind", rule="enum"
        )
    if not is_sha256(sha256):
        raise InvalidInput(
            _("The digest must be a SHA-256 in lower-case hex."), pointer="/sha256", rule="sha256"
        )
    if not contributors:
        raise InvalidInput(
            _("A subject must name at least one person who had a part in it."),
            pointer="/contributors",
            rule="min_items",
        )
    facts = {"kind": kind, "sha256": sha256, "brand_id": brand_id, "parent_id": parent_id}
    _check_parent(subject_id, kind, brand_id, parent_id)
    with transaction.atomic():
        subject, _made = Subject.objects.get_or_create(
            id=subject_id, defaults={**facts, "created_at": now}
        )
        if {name: getattr(subject, name) for name in facts} != facts:
            raise SubjectDiffers(
                _("This subject is registered with other bytes, another kind or another brand."),
                subject_id=str(subject_id),
            )
        for actor_id, part in contributors.items():
            add_contribution(subject_id=subject_id, actor_id=actor_id, part=part, now=now)
    return selectors.subject_ref(subject)


def _check_parent(subject_id: UUID, kind: str, brand_id: UUID, parent_id: UUID | None) -> None:
    if parent_id is None:
        return
    parents = Subject.objects.filter(id=parent_id, kind=kind, brand_id=brand_id)
    if parent_id == subject_id or not parents.exists():
        raise InvalidInput(
            _("What a subject came after must be another subject of its kind and brand."),
            pointer="/parent_id",
            rule="unknown",
        )


def add_contribution(*, subject_id: UUID, actor_id: UUID, part: str, now: datetime) -> None:
    """Record that a person had a part in a subject; the same part again changes nothing.

    Raises: NotFound; ContributedAfterDeciding if the person has decided on the subject, or
    has broken the glass for it.
    """
    if not 1 <= len(part) <= MAX_PART_LENGTH:
        raise InvalidInput(
            _("A part has between 1 and %(max)s characters.") % {"max": MAX_PART_LENGTH},
            pointer="/part",
            rule="length",
        )
    with transaction.atomic():
        if not Subject.objects.filter(id=subject_id).exists():
            raise NotFound(_("There is no such subject."))
        decided = Decision.objects.filter(subject_id=subject_id, reviewer_id=actor_id).exists()
        if decided or selectors.has_broken_glass(subject_id, actor_id):
            raise ContributedAfterDeciding(
                _("Whoever has decided on this cannot take part in making it any more."),
                subject_id=str(subject_id),
            )
        Contribution.objects.get_or_create(
            subject_id=subject_id, actor_id=actor_id, part=part, defaults={"created_at": now}
        )
