"""Reads of incoming pictures, scoped to the brands in which the actor may see them."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import blobs
from generation.pictures.decoding import PREVIEW_MEDIA_TYPE
from generation.pictures.models import Picture
from generation.pictures.records import PictureRecord
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors as review
from governance.rights import selectors as rights
from governance.rights.records import RightsRecord
from governance.rights.states import Show
from governance.sealing import services as sealing

NAME_PURPOSE = "pictures.name"


def get_picture(actor: Actor, picture_id: UUID) -> PictureRecord:
    """Return one picture. Raises: NotFound, also for what this actor may not see."""
    row = Picture.objects.filter(pk=picture_id).first()
    context = Context(brand_id=row.brand_id) if row else Context()
    if row is None or not permits.may(actor, Permission.GENERATION_PICTURE_READ, context):
        raise NotFound(_("No picture has this id."), picture_id=str(picture_id))
    return records_of([row])[0]


def list_pictures(
    actor: Actor,
    *,
    now: datetime,
    show: str = Show.ALL,
    brand_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[PictureRecord]:
    """Return a page of the pictures whose rights are as `show` says, newest first.

    Raises: InvalidInput for an unknown `show`.
    """
    ids = rights.list_subjects(
        actor, show=show, now=now, brand_id=brand_id, after=after, limit=limit
    )
    rows = Picture.objects.filter(
        pk__in=ids, brand_id__in=permits.brands_where(actor, Permission.GENERATION_PICTURE_READ)
    )
    return list(records_of(rows.order_by("-id")))


def find_same(brand_id: UUID, *, sha256: str, received_sha256: str) -> Picture | None:
    """Return the brand's picture of these pixels, or of this file; for this app's services."""
    pictures = Picture.objects.filter(brand_id=brand_id)
    return (
        pictures.filter(received_sha256=received_sha256).first()
        or pictures.filter(sha256=sha256).first()
    )


def list_rights(actor: Actor, picture_id: UUID) -> tuple[RightsRecord, ...]:
    """Return every version of a picture's rights, newest first. Raises: NotFound."""
    return rights.list_records(actor, get_picture(actor, picture_id).subject_id)


def get_by_rights(actor: Actor, record_id: UUID) -> PictureRecord:
    """Return the picture that a version of rights is about. Raises: NotFound."""
    return get_picture(actor, rights.get_record(actor, record_id).subject_id)


def may_confirm(actor: Actor, picture: PictureRecord, stated_by: Iterable[UUID]) -> bool:
    """Tell whether the actor may confirm the rights that stand; `stated_by` of every version."""
    parts = review.contributors(picture.subject_id) | frozenset(stated_by)
    context = Context(brand_id=picture.brand_id, contributors=parts)
    return picture.rights.state == "waiting" and permits.may(
        actor, Permission.RIGHTS_RECORD_CONFIRM, context
    )


def may_withdraw(actor: Actor, picture: PictureRecord) -> bool:
    """Tell whether the actor may withdraw the rights that stand."""
    context = Context(brand_id=picture.brand_id, owner_id=picture.rights.recorded_by)
    return picture.rights.state in {"waiting", "in_force"} and permits.may(
        actor, Permission.RIGHTS_RECORD_WITHDRAW, context
    )


def read_bytes(picture: PictureRecord) -> tuple[bytes, str]:
    """Return a picture's bytes, re-hashed, and their media type. Raises: BlobCorrupt."""
    return blobs.get(picture.sha256), picture.media_type


def read_preview(picture: PictureRecord) -> tuple[bytes, str]:
    """Return the small image of a picture and its media type. Raises: BlobCorrupt."""
    return blobs.get(picture.preview_sha256), PREVIEW_MEDIA_TYPE


def records_of(rows: Iterable[Picture]) -> tuple[PictureRecord, ...]:
    """Return rows as frozen records, with their rights and names in a fixed number of queries."""
    found = list(rows)
    standing = rights.standing_of(row.subject_id for row in found)
    names = sealing.reveal_all(sealed=[bytes(row.name) for row in found], purpose=NAME_PURPOSE)
    return tuple(
        PictureRecord(
            id=row.id,
            created_at=row.created_at,
            brand_id=row.brand_id,
            subject_id=row.subject_id,
            sha256=row.sha256,
            preview_sha256=row.preview_sha256,
            width_px=row.width_px,
            height_px=row.height_px,
            size_bytes=row.size_bytes,
            media_type=row.media_type,
            received_sha256=row.received_sha256,
            received_bytes=row.received_bytes,
            received_media_type=row.received_media_type,
            uploaded_by=row.uploaded_by,
            name=name,
            rights=standing[row.subject_id],
        )
        for row, name in zip(found, names, strict=True)
    )
