"""What review tells others: frozen facts, never rows, so that nobody outside can move a case."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.review import outcomes

# Who holds which role in a brand: governance knows no accounts, so its callers say.
RosterOf = Callable[[UUID], Mapping[Role, frozenset[UUID]]]


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage of a policy as it is proposed: exactly one of `role`, `people` and `group_id`.

    Without a `position` it comes after the stage before it; stages of one position are decided side
    by side. Without a `key` it gets one from its name. Times are in business minutes.
    """

    name: str
    role: Role | None = None
    quorum: int = 1
    key: str = ""
    position: int | None = None
    people: Sequence[UUID] = ()
    group_id: UUID | None = None
    due_min: int | None = None
    remind_min: int | None = None
    escalate_to: str = ""


@dataclass(frozen=True, slots=True)
class ItemSpec:
    """One question of a checklist as it is proposed, for one stage or, without a key, for each."""

    question: str
    key: str = ""
    guidance: str = ""
    stage_key: str = ""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of a policy; `asks` is "role", "people" or "group"."""

    id: UUID
    position: int
    key: str
    name: str
    asks: str
    role: Role | None
    people: tuple[UUID, ...]
    group_id: UUID | None
    quorum: int
    due_min: int | None
    remind_min: int | None
    escalate_to: str


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """One question of a checklist."""

    id: UUID
    position: int
    key: str
    question: str
    guidance: str
    stage_key: str


@dataclass(frozen=True, slots=True)
class PolicyWarning:
    """What a policy cannot do for some: `code` is stable, `detail` a sentence for its author."""

    code: str
    detail: str
    people: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One version of a review policy; it counts when `approved_by` is set and none is newer.

    `sha256` is of its whole content; `warnings` stand only in the answer to its proposal.
    """

    id: UUID
    brand_id: UUID
    subject_kind: str
    name: str
    number: int
    stages: tuple[StageRecord, ...]
    checklist: tuple[ItemRecord, ...]
    calendar: Mapping[str, Any]
    min_view_s: int
    sha256: str
    proposed_by: UUID
    created_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    warnings: tuple[PolicyWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class ExhibitRecord:
    """One document filed with a subject: `sha256` is of the content that it is about."""

    id: UUID
    subject_id: UUID
    sha256: str
    brand_id: UUID
    kind: str
    document: Mapping[str, Any]
    document_sha256: str
    filed_by: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What people said about a subject: its case's state and the first decision, without a name.

    `is_emergency` tells that its approval came the short way, so that no quorum judged it.
    """

    state: str
    first_verdict: str | None
    decided_at: datetime | None
    is_emergency: bool


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """Some of a brand's people under one name, as they are now."""

    id: UUID
    brand_id: UUID
    name: str
    created_by: UUID
    created_at: datetime
    members: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class AnswerSpec:
    """What a reviewer answers to one item of the checklist ("yes", "no", "not_applicable")."""

    answer: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One answer that was given; `note` is None where there is none, once erased, or in a list."""

    key: str
    answer: str
    note: str | None


@dataclass(frozen=True, slots=True)
class GivenDecision:
    """What one reviewer said; `reason` is None where none was given, once erased, or in a list.

    `seen_s`: the seconds that the bytes were on the screen. `confirmed_by`: who said that the
    changes an approval asked for are made.
    """

    id: UUID
    reviewer_id: UUID
    verdict: str
    reason: str | None
    created_at: datetime
    seen_s: int = 0
    answers: tuple[GivenAnswer, ...] = ()
    confirmed_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """That somebody is looking at an open stage, until a time."""

    person_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class CaseStage:
    """One step of a case's policy and what was said there so far, oldest first.

    `asked` names whom an open stage asks now (see `audiences`); `role` is None where the policy
    names people or a group. `claims` are those that have not ended.
    """

    id: UUID
    position: int
    key: str
    name: str
    role: Role | None
    quorum: int
    decisions: tuple[GivenDecision, ...]
    is_open: bool = False
    due_at: datetime | None = None
    asked: tuple[str, ...] = ()
    assigned_to: UUID | None = None
    escalations: int = 0
    claims: tuple[ClaimRecord, ...] = ()

    @property
    def approvals(self) -> int:
        """Count those who approved here."""
        return sum(outcomes.counts(decision.verdict) for decision in self.decisions)

    @property
    def lacking(self) -> int:
        """Count the approvals that the stage still needs."""
        return max(0, self.quorum - self.approvals)


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """Where a review stands; `stage` is the first that is open, None once the case is closed.

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
    risk: int = 0
    market: str = ""
    checklist: tuple[ItemRecord, ...] = ()

    @property
    def open_stages(self) -> tuple[CaseStage, ...]:
        """Return the stages that are decided now, side by side."""
        return tuple(stage for stage in self.stages if stage.is_open)

    @property
    def due_at(self) -> datetime | None:
        """Return when the first open stage is due, or None."""
        return min((s.due_at for s in self.open_stages if s.due_at is not None), default=None)


@dataclass(frozen=True, slots=True)
class PinnedCase:
    """A case, open or approved, that rests on a pinned version."""

    id: UUID
    state: str
    subject_kind: str
    approval_id: UUID | None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision as it was taken, and what it did to the case."""

    id: UUID
    case_id: UUID
    subject_id: UUID
    sha256: str
    stage_position: int
    stage_key: str
    stage_name: str
    reviewer_id: UUID
    verdict: str
    seen_s: int
    created_at: datetime
    case_state: str
    approval_id: UUID | None


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """The approval of exact bytes, and the ledger entry that proves it.

    `break_glass_id` names what shortened the way, where not every stage had its quorum.
    """

    id: UUID
    case_id: UUID
    subject_id: UUID
    brand_id: UUID
    sha256: str
    entry_id: UUID
    policy_id: UUID
    created_at: datetime
    break_glass_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """One more sentence in a thread; `text` is None once it is erased."""

    id: UUID
    author_id: UUID
    text: str | None
    mentions: tuple[UUID, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AnnotationRecord:
    """A pin or a box with its thread, oldest reply first; x, y, width, height in 0..1."""

    id: UUID
    case_id: UUID
    subject_id: UUID
    sha256: str
    author_id: UUID
    mark: str
    x: float
    y: float
    width: float | None
    height: float | None
    text: str | None
    mentions: tuple[UUID, ...]
    created_at: datetime
    replies: tuple[ReplyRecord, ...]
    resolved_by: UUID | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReviewedVersion:
    """One version of a thing with its latest case, and how much is still to be settled on it."""

    subject: SubjectRef
    parent_id: UUID | None
    registered_at: datetime
    case_id: UUID
    case_state: str
    title: str
    open_annotations: int
    resolved_annotations: int

    @property
    def id(self) -> UUID:
        """Return the subject's id, by which versions are paged."""
        return self.subject.id


@dataclass(frozen=True, slots=True)
class BreakGlassRecord:
    """The short way for one case, as far as it went; texts are None once erased, or in a list."""

    id: UUID
    case_id: UUID
    case_state: str
    subject: SubjectRef
    title: str
    brand_id: UUID
    requested_by: UUID
    state: str
    opened_by: UUID
    opened_at: datetime
    reason: str | None
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    effective_at: datetime | None
    stopped_by: UUID | None
    stopped_at: datetime | None
    used_at: datetime | None
    judge_until: datetime | None
    overdue_at: datetime | None
    judged_by: UUID | None
    judged_at: datetime | None
    judgement_reason: str | None
