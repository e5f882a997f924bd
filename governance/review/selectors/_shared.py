"""What every read of reviews shares: subjects, who had a part in them, and the wall of a brand."""

from collections.abc import Iterable
from uuid import UUID

from governance.kernel.actors import Actor
from governance.kernel.subjects import SubjectRef
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review.models import Contribution, Subject

MAX_PAGE = 200
REASON_PURPOSE = "review.decision.reason"
ASSIGN_PURPOSE = "review.assignment.reason"
CONDITION_PURPOSE = "review.condition.note"
NOTE_PURPOSE = "review.answer.note"
VOID_PURPOSE = "review.case.void_reason"


def find_subject(subject_id: UUID) -> SubjectRef | None:
    """Return the subject's kind, bytes and brand, or None."""
    subject = Subject.objects.filter(id=subject_id).first()
    return None if subject is None else subject_ref(subject)


def contributors(subject_id: UUID) -> frozenset[UUID]:
    """Return everybody who had a part in the subject."""
    return frozenset(
        Contribution.objects.filter(subject_id=subject_id).values_list("actor_id", flat=True)
    )


def contributed_to(actor_id: UUID, subject_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of the subjects in which that person had a part."""
    return frozenset(
        Contribution.objects.filter(
            actor_id=actor_id, subject_id__in=list(subject_ids)
        ).values_list("subject_id", flat=True)
    )


def subject_ref(subject: Subject) -> SubjectRef:
    """Turn a subject row into governance's name for it."""
    return SubjectRef(
        kind=subject.kind, id=subject.id, brand_id=subject.brand_id, sha256=subject.sha256
    )


def may_see_brand(actor: Actor, brand_id: UUID) -> bool:
    """Tell whether the actor may know of the brand at all."""
    return permits.may(actor, Permission.BRANDS_BRAND_READ, Context(brand_id=brand_id))
