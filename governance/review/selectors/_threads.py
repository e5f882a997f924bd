"""Reads of what was said about places in an image, and of the versions that it came from."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review.models import Annotation, Case, Reply, Subject
from governance.review.records import AnnotationRecord, ReplyRecord, ReviewedVersion
from governance.review.selectors._asked import asked_now
from governance.review.selectors._cases import visible_cases
from governance.review.selectors._shared import subject_ref
from governance.review.states import CaseState
from governance.sealing import services as sealing

ANNOTATION_PURPOSE = "review.annotation.text"
REPLY_PURPOSE = "review.reply.text"
# How many versions a comparison follows, up to the first one and down to the last.
MAX_VERSIONS = 50


def list_annotations(actor: Actor, case_id: UUID) -> tuple[AnnotationRecord, ...]:
    """Return a case's annotations with their threads, oldest first. Raises: NotFound."""
    if not visible_cases(actor).filter(id=case_id).exists():
        raise NotFound(_("There is no such review case."))
    return annotation_records(Annotation.objects.filter(case_id=case_id))


def get_annotation(actor: Actor, annotation_id: UUID) -> AnnotationRecord:
    """Return one annotation with its thread. Raises: NotFound, also where the case is hidden."""
    found = Annotation.objects.filter(id=annotation_id, case__in=visible_cases(actor))
    records = annotation_records(found)
    if not records:
        raise NotFound(_("There is no such annotation."))
    return records[0]


def annotation_records(annotations: QuerySet[Annotation]) -> tuple[AnnotationRecord, ...]:
    """Turn rows into facts with their texts, in their order; two queries for all the keys."""
    rows = list(annotations.select_related("resolution").prefetch_related("replies").order_by("id"))
    replies = [reply for row in rows for reply in sorted(row.replies.all(), key=_id_of)]
    said = _revealed((row.text for row in rows), ANNOTATION_PURPOSE)
    answered = dict(
        zip(
            (reply.id for reply in replies),
            _revealed((reply.text for reply in replies), REPLY_PURPOSE),
            strict=True,
        )
    )
    threads: dict[UUID, list[ReplyRecord]] = {row.id: [] for row in rows}
    for reply in replies:
        threads[reply.annotation_id].append(_reply_record(reply, answered[reply.id]))
    return tuple(
        _annotation_record(row, text, threads[row.id]) for row, text in zip(rows, said, strict=True)
    )


def may_write(actor: Actor, case_id: UUID, author_id: UUID | None = None) -> bool:
    """Tell whether the actor may say something about an open case, or settle that author's thread.

    For screens, which only hide; the services ask again.
    """
    case = visible_cases(actor).filter(id=case_id, state=CaseState.OPEN).first()
    if case is None:
        return False
    return permits.may(actor, Permission.REVIEW_THREAD_WRITE, writing(actor, case, author_id))


def writing(actor: Actor, case: Case, author_id: UUID | None = None) -> Context:
    """Return what the permission to write is asked with: an author owns their own thread."""
    owner_id = author_id if author_id == actor.id else case.requested_by
    return replace(asked_now(case), owner_id=owner_id)


def lineage(actor: Actor, subject_id: UUID) -> tuple[ReviewedVersion, ...]:
    """Return a subject with those it came from and those that came after it, oldest first.

    Versions whose review the actor may not see are left out. Raises: NotFound for the subject's.
    """
    cases = _latest_cases(actor, _family(subject_id))
    if subject_id not in cases:
        raise NotFound(_("There is no such review."))
    annotations = Annotation.objects.filter(subject_id__in=cases)
    made = Counter(annotations.values_list("subject_id", flat=True))
    resolved = Counter(
        annotations.filter(resolution__isnull=False).values_list("subject_id", flat=True)
    )
    return tuple(
        ReviewedVersion(
            subject=subject_ref(case.subject),
            parent_id=case.subject.parent_id,
            registered_at=case.subject.created_at,
            case_id=case.id,
            case_state=str(case.state),
            title=case.title,
            open_annotations=made[case.subject_id] - resolved[case.subject_id],
            resolved_annotations=resolved[case.subject_id],
        )
        for case in sorted(cases.values(), key=lambda case: (case.subject.created_at, case.id))
    )


def titles_of(actor: Actor, case_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the titles of those of the cases that the actor may see."""
    found = visible_cases(actor).filter(id__in=list(case_ids))
    return dict(found.values_list("id", "title"))


def _family(subject_id: UUID) -> set[UUID]:
    """Return the subject, its ancestors and all that came after them, as far as the limit goes."""
    family = {subject_id, *_ancestors(subject_id)}
    latest = set(family)
    while latest and len(family) < MAX_VERSIONS:
        children = Subject.objects.filter(parent_id__in=latest).exclude(id__in=family)
        room = MAX_VERSIONS - len(family)
        latest = set(children.order_by("id").values_list("id", flat=True)[:room])
        family |= latest
    return family


def _ancestors(subject_id: UUID) -> Iterator[UUID]:
    """Yield the parent, its parent and so on; never the same twice, whatever the rows say."""
    seen = {subject_id}
    while len(seen) < MAX_VERSIONS:
        parent_id = (
            Subject.objects.filter(id=subject_id).values_list("parent_id", flat=True).first()
        )
        if parent_id is None or parent_id in seen:
            return
        yield parent_id
        seen.add(parent_id)
        subject_id = parent_id


def _latest_cases(actor: Actor, subject_ids: Iterable[UUID]) -> dict[UUID, Case]:
    found = visible_cases(actor).select_related("subject").filter(subject_id__in=list(subject_ids))
    return {case.subject_id: case for case in found.order_by("id")}


def _annotation_record(
    row: Annotation, text: str | None, replies: list[ReplyRecord]
) -> AnnotationRecord:
    resolution = getattr(row, "resolution", None)
    return AnnotationRecord(
        id=row.id,
        case_id=row.case_id,
        subject_id=row.subject_id,
        sha256=row.sha256,
        author_id=row.author_id,
        mark=row.mark,
        x=row.x,
        y=row.y,
        width=row.width,
        height=row.height,
        text=text,
        mentions=tuple(map(UUID, row.mentions)),
        created_at=row.created_at,
        replies=tuple(replies),
        resolved_by=None if resolution is None else resolution.resolved_by,
        resolved_at=None if resolution is None else resolution.created_at,
    )


def _reply_record(row: Reply, text: str | None) -> ReplyRecord:
    return ReplyRecord(
        id=row.id,
        author_id=row.author_id,
        text=text,
        mentions=tuple(map(UUID, row.mentions)),
        created_at=row.created_at,
    )


def _revealed(sealed: Iterable[bytes | memoryview], purpose: str) -> list[str | None]:
    return sealing.reveal_all(sealed=[bytes(text) for text in sealed], purpose=purpose)


def _id_of(row: Reply) -> UUID:
    return row.id
