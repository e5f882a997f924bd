"""Reads of notices: each person reads those to themselves and no others."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.notices.models import Notice
from governance.notices.records import NoticeRecord
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context

MAX_PAGE = 200


def get_notice(actor: Actor, notice_id: UUID) -> NoticeRecord:
    """Return one notice to the actor. Raises: NotFound, also for somebody else's."""
    notice = notices_to(actor).filter(id=notice_id).first()
    if notice is None:
        raise NotFound(_("There is no such notice."))
    return notice_record(notice)


def list_notices(
    actor: Actor, *, unread: bool = False, after: UUID | None = None, limit: int = 50
) -> tuple[NoticeRecord, ...]:
    """Return up to `limit` notices to the actor, newest first; `after` is the last id before it."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(
            _("A page has between 1 and %(max)s notices.") % {"max": MAX_PAGE},
            pointer="/limit",
            rule="range",
        )
    notices = notices_to(actor)
    if unread:
        notices = notices.filter(read_at__isnull=True)
    if after is not None:
        notices = notices.filter(id__lt=after)
    return tuple(notice_record(notice) for notice in notices.order_by("-id")[:limit])


def notices_to(actor: Actor) -> QuerySet[Notice]:
    """Return the notices to the actor, as rows."""
    if not permits.may(actor, Permission.NOTICES_NOTICE_READ, Context(owner_id=actor.id)):
        return Notice.objects.none()
    return Notice.objects.filter(person_id=actor.id)


def notice_record(notice: Notice) -> NoticeRecord:
    """Turn a notice row into facts."""
    return NoticeRecord(
        id=notice.id,
        created_at=notice.created_at,
        person_id=notice.person_id,
        brand_id=notice.brand_id,
        kind=notice.kind,
        subject_kind=notice.subject_kind,
        subject_id=notice.subject_id,
        case_id=notice.case_id,
        read_at=notice.read_at,
    )
