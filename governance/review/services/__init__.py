"""Commands on reviews, the only writers; each is one transaction with its ledger entry."""

from governance.review.services._cases import (
    BytesChanged,
    CaseExists,
    open_case,
    void_case,
)
from governance.review.services._decide import AlreadyDecided, ReasonRequired, decide
from governance.review.services._policies import approve_policy, propose_policy
from governance.review.services._subjects import (
    ContributedAfterDeciding,
    SubjectDiffers,
    add_contribution,
    register_subject,
)

__all__ = [
    "AlreadyDecided",
    "BytesChanged",
    "CaseExists",
    "ContributedAfterDeciding",
    "ReasonRequired",
    "SubjectDiffers",
    "add_contribution",
    "approve_policy",
    "decide",
    "open_case",
    "propose_policy",
    "register_subject",
    "void_case",
]
