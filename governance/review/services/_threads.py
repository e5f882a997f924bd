"""Says something about a place in an image, answers it, and settles it; on open cases only.

What was said about an older version stays readable and is never added to. Whoever annotates has no
part in the image by that: reviewers annotate and then decide.
"""

import math
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.roles import Role
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.notices import services as notices
from governance.notices.states import Kind
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.review import selectors
from governance.review.models import Annotation, Case, Mark, Reply, Resolution
from governance.review.records import AnnotationRecord, RosterOf
from governance.review.services._attempts import recorded
from governance.review.services._cases import BytesChanged, lock_case
from governance.review.states import CaseState
from governance.sealing import services as sealing

MAX_TEXT_LENGTH = 4000
MAX_MENTIONS = 20
MAX_ANNOTATIONS = 200
MAX_REPLIES = 200


def nobody(_brand_id: UUID) -> Mapping[Role, frozenset[UUID]]:
    """Know nobody: without a roster nobody can be mentioned."""
    return {}


class CaseClosed(DomainError):
    """The review is over or was voided: what was said about it stays as it is."""

    code = "case_closed"
    status = 409


class AlreadyResolved(DomainError):
    """Somebody has settled this matter before."""

    code = "already_resolved"
    status = 409


class ThreadFull(DomainError):
    """There is no room for more remarks: settle it, or ask for changes."""

    code = "thread_full"
    status = 409


def annotate(
    *,
    actor: Actor,
    case_id: UUID,
    sha256: str,
    mark: str,
    x: float,
    y: float,
    text: str,
    now: datetime,
    width: float | None = None,
    height: float | None = None,
    mentions: Collection[UUID] = (),
    roster_of: RosterOf = nobody,
) -> AnnotationRecord:
    """Put a pin or a box with a sentence on the bytes under review.

    x, y, width, height are shares (0..1) of the image's width and height; a pin has only x and y.
    `mentions` are told; each must be able to see the case by their roles in `roster_of(brand_id)`.
    Raises: NotFound, NotPermitted, InvalidInput, CaseClosed, BytesChanged, ThreadFull.
    """
    _check_place(mark, x, y, width, height)
    _check_text(text)
    with (
        recorded(
            actor=actor,
            case_id=case_id,
            sha256=sha256,
            now=now,
            event=Event.REVIEW_ANNOTATION_REFUSED,
        ),
        transaction.atomic(),
    ):
        case = _lock_open_case(actor, case_id)
        if sha256 != case.sha256:
            raise BytesChanged(
                _("What you looked at is not what is under review: open the page again."),
                pointer="/sha256",
                case_id=str(case.id),
            )
        _check_mentions(case, mentions, roster_of)
        _check_room(case.annotations.count(), MAX_ANNOTATIONS)
        sealed = sealing.seal(person_id=actor.id, text=text, purpose=selectors.ANNOTATION_PURPOSE)
        annotation = Annotation.objects.create(
            case=case,
            subject_id=case.subject_id,
            sha256=case.sha256,
            author_id=actor.id,
            mark=mark,
            x=x,
            y=y,
            width=width,
            height=height,
            text=sealed,
            mentions=_as_text(mentions),
            created_at=now,
        )
        _append(actor, Event.REVIEW_ANNOTATION_ADDED, annotation, now, sealed)
        _tell(case, Kind.REVIEW_MENTIONED, set(mentions) - {actor.id}, now)
    return selectors.get_annotation(actor, annotation.id)


def reply(
    *,
    actor: Actor,
    annotation_id: UUID,
    text: str,
    now: datetime,
    mentions: Collection[UUID] = (),
    roster_of: RosterOf = nobody,
) -> AnnotationRecord:
    """Add a sentence to a thread; its author is told.

    Raises: NotFound, NotPermitted, InvalidInput, CaseClosed, ThreadFull.
    """
    _check_text(text)
    with _attempt(actor, annotation_id, now), transaction.atomic():
        annotation, case = _lock_thread(actor, annotation_id)
        _check_mentions(case, mentions, roster_of)
        _check_room(annotation.replies.count(), MAX_REPLIES)
        sealed = sealing.seal(person_id=actor.id, text=text, purpose=selectors.REPLY_PURPOSE)
        made = Reply.objects.create(
            annotation=annotation,
            author_id=actor.id,
            text=sealed,
            mentions=_as_text(mentions),
            created_at=now,
        )
        _append(
            actor, Event.REVIEW_ANNOTATION_REPLIED, annotation, now, sealed, reply_id=str(made.id)
        )
        _tell(case, Kind.REVIEW_MENTIONED, set(mentions) - {actor.id}, now)
        answered = {annotation.author_id} - {actor.id, *mentions}
        _tell(case, Kind.REVIEW_REPLIED, answered, now)
    return selectors.get_annotation(actor, annotation_id)


def resolve(*, actor: Actor, annotation_id: UUID, now: datetime) -> AnnotationRecord:
    """Settle a thread; its author, the requester and reviewers may.

    Raises: NotFound, NotPermitted, CaseClosed, AlreadyResolved.
    """
    with _attempt(actor, annotation_id, now), transaction.atomic():
        annotation, _case = _lock_thread(actor, annotation_id)
        if Resolution.objects.filter(annotation=annotation).exists():
            raise AlreadyResolved(_("This is settled already."), annotation_id=str(annotation_id))
        Resolution.objects.create(annotation=annotation, resolved_by=actor.id, created_at=now)
        _append(actor, Event.REVIEW_ANNOTATION_RESOLVED, annotation, now, None)
    return selectors.get_annotation(actor, annotation_id)


def _attempt(actor: Actor, annotation_id: UUID, now: datetime) -> AbstractContextManager[None]:
    """Record a refused attempt under the annotation's case, where there is one."""
    found = Annotation.objects.filter(id=annotation_id).values_list("case_id", "sha256").first()
    case_id, sha256 = found or (annotation_id, "")
    return recorded(
        actor=actor,
        case_id=case_id,
        sha256=sha256,
        now=now,
        event=Event.REVIEW_ANNOTATION_REFUSED,
    )


def _lock_open_case(actor: Actor, case_id: UUID, author_id: UUID | None = None) -> Case:
    """Return the case, held until the end, if the actor may write there and it is open."""
    case = lock_case(actor, case_id)
    context = selectors.writing(actor, case, author_id)
    permits.require(actor, Permission.REVIEW_THREAD_WRITE, context)
    if case.state != CaseState.OPEN:
        raise CaseClosed(
            _("This review is over: what was said about it can be read, not added to."),
            case_id=str(case_id),
            state=str(case.state),
        )
    return case


def _lock_thread(actor: Actor, annotation_id: UUID) -> tuple[Annotation, Case]:
    annotation = Annotation.objects.filter(id=annotation_id).first()
    if annotation is None:
        raise NotFound(_("There is no such annotation."))
    try:
        case = _lock_open_case(actor, annotation.case_id, annotation.author_id)
    except NotFound as error:
        raise NotFound(_("There is no such annotation.")) from error
    return annotation, case


def _check_place(mark: str, x: float, y: float, width: float | None, height: float | None) -> None:
    if mark not in Mark.values:
        raise InvalidInput(
            _("“%(mark)s” is neither a pin nor a box.") % {"mark": mark},
            pointer="/mark",
            rule="enum",
        )
    _check_share("/x", x)
    _check_share("/y", y)
    for pointer, start, size in (("/width", x, width), ("/height", y, height)):
        if mark == Mark.PIN and size is not None:
            raise InvalidInput(_("A pin has no size."), pointer=pointer, rule="absent")
        if mark == Mark.BOX:
            if size is None:
                raise InvalidInput(_("A box has a size."), pointer=pointer, rule="required")
            _check_share(pointer, size)
            # The database compares the same sum.
            if size <= 0 or start + size > 1:
                raise InvalidInput(
                    _("A box has a size above 0 and ends inside the image."),
                    pointer=pointer,
                    rule="range",
                )


def _check_share(pointer: str, value: float) -> None:
    if not math.isfinite(value) or not 0 <= value <= 1:
        raise InvalidInput(
            _("A place lies inside the image: between 0 and 1 of its width and height."),
            pointer=pointer,
            rule="range",
        )


def _check_text(text: str) -> None:
    if not text.strip() or len(text) > MAX_TEXT_LENGTH:
        raise InvalidInput(
            _("Say something, in at most %(max)s characters.") % {"max": MAX_TEXT_LENGTH},
            pointer="/text",
            rule="length",
        )


def _check_mentions(case: Case, mentions: Collection[UUID], roster_of: RosterOf) -> None:
    if len(mentions) > MAX_MENTIONS:
        raise InvalidInput(
            _("At most %(max)s people can be mentioned at once.") % {"max": MAX_MENTIONS},
            pointer="/mentions",
            rule="max_items",
        )
    roster = roster_of(case.brand_id) if mentions else {}
    for person_id in mentions:
        held = frozenset(role for role, people in roster.items() if person_id in people)
        person = Actor(person_id, roles={case.brand_id: held} if held else {})
        if not selectors.may_see(person, case):
            raise InvalidInput(
                _("Only people who can see this review can be mentioned."),
                pointer="/mentions",
                rule="visible",
            )


def _check_room(taken: int, limit: int) -> None:
    if taken >= limit:
        raise ThreadFull(_("There is no room for more than %(max)s remarks here.") % {"max": limit})


def _as_text(mentions: Collection[UUID]) -> list[str]:
    return sorted({str(person_id) for person_id in mentions})


def _tell(case: Case, kind: Kind, person_ids: set[UUID], now: datetime) -> None:
    notices.tell(
        person_ids=person_ids,
        kind=kind,
        subject=selectors.subject_ref(case.subject),
        case_id=case.id,
        now=now,
    )


def _append(
    actor: Actor,
    event: Event,
    annotation: Annotation,
    now: datetime,
    sealed: bytes | None,
    **facts: str,
) -> None:
    ledger.append(
        actor=actor,
        event=event,
        subject=selectors.subject_ref(annotation.case.subject),
        now=now,
        facts={"case_id": str(annotation.case_id), "annotation_id": str(annotation.id), **facts},
        sealed=None if sealed is None else {"text": sealed},
    )
