"""What a review needs to know of accounts: who holds which role when it is given or escalated."""

from datetime import datetime
from uuid import UUID

from governance.kernel.actors import Actor
from governance.review import selectors as reviews
from governance.review import services as review
from governance.review.records import CaseRecord
from imprimatur.accounts import selectors as accounts


def assign(
    *,
    actor: Actor,
    case_id: UUID,
    stage_key: str,
    person_id: UUID,
    reason: str,
    now: datetime,
) -> CaseRecord:
    """Give an open stage of a case to one person of its brand. Raises: what `assign` raises."""
    case = reviews.get_case(actor, case_id)
    return review.assign(
        actor=actor,
        case_id=case_id,
        stage_key=stage_key,
        person_id=person_id,
        reason=reason,
        roster=accounts.people_by_role(case.brand_id),
        now=now,
    )


def remind(*, now: datetime) -> int:
    """Remind of what is due soon and escalate what is overdue; return how many stages."""
    return review.remind(now=now, roster_of=accounts.people_by_role)
