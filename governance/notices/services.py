"""Tells people what happened or waits for them; called in the transaction of what it is about."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.subjects import SubjectRef
from governance.notices import selectors
from governance.notices.models import Notice
from governance.notices.records import NoticeRecord
from governance.notices.states import Kind


def tell(
    *,
    person_ids: Iterable[UUID],
    kind: str,
    subject: SubjectRef,
    now: datetime,
    case_id: UUID | None = None,
) -> int:
    """Tell each of these people once, and return how many; with nobody named nothing is written.

    A notice holds ids and no text; the caller answers for telling only those who may see the thing.
    Raises: ValueError for a kind that is not in the register.
    """
    known = Kind(kind)
    made = Notice.objects.bulk_create(
        Notice(
            person_id=person_id,
            brand_id=subject.brand_id,
            kind=known.value,
            subject_kind=subject.kind,
            subject_id=subject.id,
            case_id=case_id,
            created_at=now,
        )
        for person_id in sorted(set(person_ids))
    )
    return len(made)


def mark_read(*, actor: Actor, notice_id: UUID, now: datetime) -> NoticeRecord:
    """Note when the actor read a notice to them; the first time stays.

    Raises: NotFound, also for somebody else's.
    """
    notices = selectors.notices_to(actor).filter(id=notice_id)
    notices.filter(read_at__isnull=True).update(read_at=now)
    notice = notices.first()
    if notice is None:
        raise NotFound(_("There is no such notice."))
    return selectors.notice_record(notice)


def mark_all_read(*, actor: Actor, now: datetime) -> int:
    """Note that the actor read every notice to them; return how many were unread."""
    return selectors.notices_to(actor).filter(read_at__isnull=True).update(read_at=now)


def prune(*, now: datetime, older_than: timedelta) -> int:
    """Remove notices of that age, read or not; return how many there were."""
    removed, _by_table = Notice.objects.filter(created_at__lt=now - older_than).delete()
    return removed
