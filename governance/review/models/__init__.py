"""The tables of reviews, by what they are about."""

from governance.review.models._break_glass import BreakGlass
from governance.review.models._cases import (
    MAX_RISK,
    Answer,
    Approval,
    Assignment,
    Case,
    Claim,
    ConditionMet,
    Decision,
    Pin,
    Seat,
    Turn,
)
from governance.review.models._exhibits import Exhibit
from governance.review.models._policies import (
    STAGE_ROLES,
    Asks,
    ChecklistItem,
    Group,
    GroupMember,
    Policy,
    Stage,
)
from governance.review.models._subjects import (
    REVIEWED_KINDS,
    Contribution,
    Delivery,
    Subject,
    SubjectKind,
)
from governance.review.models._threads import Annotation, Mark, Reply, Resolution

__all__ = [
    "MAX_RISK",
    "REVIEWED_KINDS",
    "STAGE_ROLES",
    "Annotation",
    "Answer",
    "Approval",
    "Asks",
    "Assignment",
    "BreakGlass",
    "Case",
    "ChecklistItem",
    "Claim",
    "ConditionMet",
    "Contribution",
    "Decision",
    "Delivery",
    "Exhibit",
    "Group",
    "GroupMember",
    "Mark",
    "Pin",
    "Policy",
    "Reply",
    "Resolution",
    "Seat",
    "Stage",
    "Subject",
    "SubjectKind",
    "Turn",
]
