"""Commands on incoming pictures: look at one, take it in with its rights, say more about those."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from generation.assets import blobs
from generation.assets import services as assets
from generation.pictures import decoding, selectors
from generation.pictures.decoding import Examined
from generation.pictures.models import Picture
from generation.pictures.records import PictureRecord, TakenIn
from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors as review_reads
from governance.review import services as review
from governance.rights import services as rights
from governance.rights.records import Statement
from governance.sealing import services as sealing
from governance.tables.records import wait_for_others

KIND = "picture"
LONGEST_NAME = 255
RETENTION_INCOMING = "incoming"


def examine(
    *, actor: Actor, brand_id: UUID, data: bytes, statement: Statement, now: datetime
) -> Examined:
    """Look at a file in a bounded process; nothing is kept, and no transaction waits for it.

    What it costs is spent only on files of people who may bring them, with rights that can be
    recorded. Raises: NotPermitted, InvalidInput, DecodingBusy.
    """
    _require(actor, brand_id)
    rights.check_statement(statement, now=now)
    return decoding.examine(data)


def take_in(
    *,
    actor: Actor,
    brand_id: UUID,
    examined: Examined,
    name: str,
    statement: Statement,
    now: datetime,
) -> TakenIn:
    """Keep the bare pixels of a file with the rights in them, or return what the brand has of it.

    Pixels that the brand has keep their rights as they stand; who brought them once more had a part
    in them too. `name` is the file's. The bytes are written last: whatever fails leaves nothing.
    Raises: NotPermitted, InvalidInput.
    """
    _require(actor, brand_id)
    _check_name(name)
    with transaction.atomic():
        wait_for_others(f"pictures {brand_id}")
        known = selectors.find_same(
            brand_id, sha256=examined.sha256, received_sha256=examined.received_sha256
        )
        if known is not None:
            rights.check_statement(statement, now=now)
            review.add_contribution(
                subject_id=known.subject_id, actor_id=actor.id, part="uploader", now=now
            )
            return TakenIn(selectors.records_of([known])[0], is_new=False)
        row = _record(actor, brand_id, examined, name, statement, now)
        blobs.put(examined.data)
        blobs.put(examined.preview)
    return TakenIn(selectors.records_of([row])[0], is_new=True)


def restate_rights(
    *, actor: Actor, picture_id: UUID, statement: Statement, now: datetime
) -> PictureRecord:
    """Put a new version of a picture's rights on record; the one that stood is replaced.

    Raises: NotFound, NotPermitted, InvalidInput.
    """
    picture = selectors.get_picture(actor, picture_id)
    rights.record_rights(actor=actor, subject=_subject(picture), statement=statement, now=now)
    return selectors.get_picture(actor, picture_id)


def confirm_rights(*, actor: Actor, record_id: UUID, now: datetime) -> PictureRecord:
    """Confirm the rights that wait, as a data steward who had no part in the picture.

    Raises: NotFound, NotPermitted, HadAPart, IllegalTransition.
    """
    picture = selectors.get_by_rights(actor, record_id)
    rights.confirm_rights(
        actor=actor,
        record_id=record_id,
        contributors=review_reads.contributors(picture.subject_id),
        now=now,
    )
    return selectors.get_picture(actor, picture.id)


def withdraw_rights(*, actor: Actor, record_id: UUID, reason: str, now: datetime) -> PictureRecord:
    """Withdraw the rights in a picture, for good. Raises: as `rights.withdraw_rights`."""
    picture = selectors.get_by_rights(actor, record_id)
    rights.withdraw_rights(actor=actor, record_id=record_id, reason=reason, now=now)
    return selectors.get_picture(actor, picture.id)


def _record(
    actor: Actor,
    brand_id: UUID,
    examined: Examined,
    name: str,
    statement: Statement,
    now: datetime,
) -> Picture:
    """Write subject, rights, blobs, picture and ledger entry, in the caller's transaction."""
    picture_id = uuid7()
    subject = review.register_subject(
        subject_id=picture_id,
        kind=KIND,
        sha256=examined.sha256,
        brand_id=brand_id,
        contributors={actor.id: "uploader"},
        now=now,
    )
    rights.record_rights(actor=actor, subject=subject, statement=statement, now=now)
    for sha256, data, media_type in (
        (examined.sha256, examined.data, decoding.MEDIA_TYPE),
        (examined.preview_sha256, examined.preview, decoding.PREVIEW_MEDIA_TYPE),
    ):
        assets.keep_blob(
            sha256=sha256,
            size_bytes=len(data),
            media_type=media_type,
            retention=RETENTION_INCOMING,
            now=now,
        )
    sealed = sealing.seal(person_id=actor.id, text=name, purpose=selectors.NAME_PURPOSE)
    row = Picture.objects.create(
        id=picture_id,
        subject_id=picture_id,
        brand_id=brand_id,
        sha256=examined.sha256,
        preview_sha256=examined.preview_sha256,
        width_px=examined.width_px,
        height_px=examined.height_px,
        size_bytes=len(examined.data),
        media_type=decoding.MEDIA_TYPE,
        received_sha256=examined.received_sha256,
        received_bytes=examined.received_bytes,
        received_media_type=examined.received_media_type,
        uploaded_by=actor.id,
        name=sealed,
        created_at=now,
    )
    ledger.append(
        actor=actor,
        event=Event.GENERATION_PICTURE_TAKEN_IN,
        subject=subject,
        now=now,
        facts={
            "received_sha256": examined.received_sha256,
            "received_bytes": examined.received_bytes,
            "received_media_type": examined.received_media_type,
        },
        sealed={"name": sealed},
    )
    return row


def _subject(picture: PictureRecord) -> SubjectRef:
    return SubjectRef(KIND, picture.subject_id, picture.brand_id, picture.sha256)


def _require(actor: Actor, brand_id: UUID) -> None:
    permits.require(actor, Permission.GENERATION_PICTURE_TAKE_IN, Context(brand_id=brand_id))


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            _("A file's name has between 1 and %(max)s characters.") % {"max": LONGEST_NAME},
            pointer="/file",
            rule="name",
        )
