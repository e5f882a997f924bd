"""Reads of the documents filed with a subject, for whoever may read its review."""

from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.review.models import Exhibit
from governance.review.records import ExhibitRecord
from governance.review.selectors._cases import visible_cases


def list_exhibits(actor: Actor, subject_id: UUID) -> tuple[ExhibitRecord, ...]:
    """List what is filed with a subject, newest first; nothing if its review is hidden."""
    rows = Exhibit.objects.filter(
        subject_id=subject_id, subject__cases__in=visible_cases(actor)
    ).distinct()
    return tuple(exhibit_record(row) for row in rows.order_by("-id"))


def get_exhibit(actor: Actor, exhibit_id: UUID) -> ExhibitRecord:
    """Return one filed document. Raises: NotFound, also for what this actor may not see."""
    row = (
        Exhibit.objects.filter(pk=exhibit_id, subject__cases__in=visible_cases(actor))
        .distinct()
        .first()
    )
    if row is None:
        raise NotFound(_("No filed document has this id."))
    return exhibit_record(row)


def exhibit_record(row: Exhibit) -> ExhibitRecord:
    """Return the row as a frozen record."""
    return ExhibitRecord(
        id=row.id,
        subject_id=row.subject_id,
        sha256=row.sha256,
        brand_id=row.brand_id,
        kind=str(row.kind),
        document=row.document,
        document_sha256=row.document_sha256,
        filed_by=row.filed_by,
        created_at=row.created_at,
    )
