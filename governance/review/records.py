"""What review tells others: frozen facts, never rows, so that nobody outside can move a case."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One step of a policy as it is proposed; a sequence of them is in the order of deciding."""

    name: str
    role: Role
    quorum: int = 1


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One step of a policy."""

    id: UUID
    position: int
    name: str
    role: Role
    quorum: int


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One version of a review policy; it counts when `approved_by` is set and none is newer."""

    id: UUID
    brand_id: UUID
    subject_kind: str
    name: str
    number: int
    stages: tuple[StageRecord, ...]
    proposed_by: UUID
    created_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class GivenDecision:
    """What one reviewer said; `reason` is None where none was given, once erased, or in a list."""

    id: UUID
    reviewer_id: UUID
    verdict: str
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CaseStage:
    """One step of a case's policy and what was said there so far, oldest first."""

    id: UUID
    position: int
    name: str
    role: Role
    quorum: int
    decisions: tuple[GivenDecision, ...]

    @property
    def approvals(self) -> int:
        """Count those who approved here."""
        return sum(decision.verdict == "approve" for decision in self.decisions)


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """Where a review stands; `stage` is the one that is open, None once the case is closed.

    `void_reason` is None where the case is not voided, the reason was erased, or in a list.
    """

    id: UUID
    state: str
    subject: SubjectRef
    title: str
    brand_id: UUID
    policy_id: UUID
    policy_number: int
    pins: dict[str, str]
    stage: CaseStage | None
    stages: tuple[CaseStage, ...]
    requested_by: UUID
    opened_at: datetime
    closed_at: datetime | None
    void_reason: str | None
    approval_id: UUID | None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision as it was taken, and what it did to the case."""

    id: UUID
    case_id: UUID
    subject_id: UUID
    sha256: str
    stage_position: int
    stage_name: str
    reviewer_id: UUID
    verdict: str
    created_at: datetime
    case_state: str
    approval_id: UUID | None


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """The approval of exact bytes, and the ledger entry that proves it."""

    id: UUID
    case_id: UUID
    subject_id: UUID
    brand_id: UUID
    sha256: str
    entry_id: UUID
    policy_id: UUID
    created_at: datetime
