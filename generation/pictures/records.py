"""What pictures hand out: frozen facts, never rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from governance.rights.records import RightsRecord


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """One incoming picture with the version of its rights that stands.

    `name` is the file's name as it came, None once it was erased.
    """

    id: UUID
    created_at: datetime
    brand_id: UUID
    subject_id: UUID
    sha256: str
    preview_sha256: str
    width_px: int
    height_px: int
    size_bytes: int
    media_type: str
    received_sha256: str
    received_bytes: int
    received_media_type: str
    uploaded_by: UUID
    name: str | None
    rights: RightsRecord


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A picture that was taken in; `is_new` is false if the brand had it before, as it stands."""

    picture: PictureRecord
    is_new: bool
