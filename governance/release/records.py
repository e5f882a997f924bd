"""What release tells others: frozen facts about what was let go."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """Marked bytes that may be published, until `withdrawn_at` is set."""

    id: UUID
    approval_id: UUID
    subject_id: UUID
    brand_id: UUID
    reviewed_sha256: str
    marked_sha256: str
    media_type: str
    marking_profile: str
    created_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class WithdrawalRecord:
    """That a release goes out no more; `reason` is None once it was erased."""

    id: UUID
    release_id: UUID
    actor_id: UUID
    reason: str | None
    created_at: datetime
