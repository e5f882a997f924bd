"""Commands on reviews, the only writers; each is one transaction with its ledger entry."""

from governance.review.services._assign import CannotDecide, assign
from governance.review.services._break_glass import (
    BreakGlassLive,
    CountdownRuns,
    alarm_unjudged,
    confirm_break_glass,
    find_unjudged,
    judge_break_glass,
    open_break_glass,
    stop_break_glass,
    use_break_glass,
)
from governance.review.services._cases import (
    BytesChanged,
    CaseExists,
    open_case,
    void_case,
)
from governance.review.services._claims import (
    ClaimedByOther,
    claim,
    claim_next,
    release_claim,
)
from governance.review.services._conditions import (
    AlreadyConfirmed,
    NoCondition,
    confirm_condition,
)
from governance.review.services._decide import (
    ChecklistIncomplete,
    ChecklistNotMet,
    ReasonRequired,
    TooRiskyForBulk,
    decide,
    decide_in_bulk,
)
from governance.review.services._deciders import AlreadyDecided
from governance.review.services._deliveries import (
    ClockWentBack,
    NotSeen,
    TooFast,
    record_delivery,
)
from governance.review.services._exhibits import file_exhibit
from governance.review.services._governing import approve_content, submit_content
from governance.review.services._groups import (
    AlreadyMember,
    GroupExists,
    add_member,
    create_group,
    remove_member,
)
from governance.review.services._needed import ExhibitMissing
from governance.review.services._policies import (
    PolicyUnsatisfiable,
    approve_policy,
    check_policy,
    install_policies,
    propose_policy,
)
from governance.review.services._remind import remind
from governance.review.services._specs import PolicyContent, content_of
from governance.review.services._subjects import (
    ContributedAfterDeciding,
    SubjectDiffers,
    add_contribution,
    register_subject,
)
from governance.review.services._threads import (
    AlreadyResolved,
    CaseClosed,
    ThreadFull,
    annotate,
    reply,
    resolve,
)

__all__ = [
    "AlreadyConfirmed",
    "AlreadyDecided",
    "AlreadyMember",
    "AlreadyResolved",
    "BreakGlassLive",
    "BytesChanged",
    "CannotDecide",
    "CaseClosed",
    "CaseExists",
    "ChecklistIncomplete",
    "ChecklistNotMet",
    "ClaimedByOther",
    "ClockWentBack",
    "ContributedAfterDeciding",
    "CountdownRuns",
    "ExhibitMissing",
    "GroupExists",
    "NoCondition",
    "NotSeen",
    "PolicyContent",
    "PolicyUnsatisfiable",
    "ReasonRequired",
    "SubjectDiffers",
    "ThreadFull",
    "TooFast",
    "TooRiskyForBulk",
    "add_contribution",
    "add_member",
    "alarm_unjudged",
    "annotate",
    "approve_content",
    "approve_policy",
    "assign",
    "check_policy",
    "claim",
    "claim_next",
    "confirm_break_glass",
    "confirm_condition",
    "content_of",
    "create_group",
    "decide",
    "decide_in_bulk",
    "file_exhibit",
    "find_unjudged",
    "install_policies",
    "judge_break_glass",
    "open_break_glass",
    "open_case",
    "propose_policy",
    "record_delivery",
    "register_subject",
    "release_claim",
    "remind",
    "remove_member",
    "reply",
    "resolve",
    "stop_break_glass",
    "submit_content",
    "use_break_glass",
    "void_case",
]
