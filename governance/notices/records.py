"""What notices hand out: frozen facts, never rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """One notice to one person; `case_id` is the review that it leads to, where there is one."""

    id: UUID
    created_at: datetime
    person_id: UUID
    brand_id: UUID | None
    kind: str
    subject_kind: str
    subject_id: UUID
    case_id: UUID | None
    read_at: datetime | None
