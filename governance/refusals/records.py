"""What the refusals hand out: frozen facts with an explanation, never rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from governance.kernel.roles import Role


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """One recorded block; `explanation` is for the requester, `has_detail`: text is sealed away."""

    id: UUID
    created_at: datetime
    brand_id: UUID
    stage: str
    category: str
    scorer: str
    score: float | None
    threshold: float | None
    reason: str
    requester_id: UUID
    subject_kind: str
    subject_id: UUID
    overridable_by: Role
    has_detail: bool
    explanation: str
