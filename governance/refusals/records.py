"""What the refusals hand out: frozen facts with an explanation, never rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from governance.kernel.roles import Role


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """One recorded block; `explanation` is for the requester, `has_detail`: text is sealed away.

    `overridable_by` is None where nobody may override it; `decided_by` is the person who refused,
    None where a rule did; `override_id` is set once somebody overrode it.
    """

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
    overridable_by: Role | None
    decided_by: UUID | None
    override_id: UUID | None
    has_detail: bool
    explanation: str


@dataclass(frozen=True, slots=True)
class AppealRecord:
    """One appeal; lists leave `argument` and `reason` out, and an erased text is None too."""

    id: UUID
    refusal: RefusalRecord
    brand_id: UUID
    appellant_id: UUID
    state: str
    opened_at: datetime
    closed_at: datetime | None
    decided_by: UUID | None
    argument: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class OverrideRecord:
    """That a person lifted a refusal; `valid_until` is set where it lets one order pass."""

    id: UUID
    created_at: datetime
    refusal_id: UUID
    appeal_id: UUID | None
    decided_by: UUID
    reason: str | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class PassRecord:
    """An override that may let one order through; `detail` is what was refused, None if erased."""

    override_id: UUID
    detail: str | None
