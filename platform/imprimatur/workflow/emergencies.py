"""What an emergency approval leads to afterwards: a fault takes back what it let out.

The review judges, and the release stands above it: only here do both meet, in the transaction of
the judgement.
"""

from datetime import datetime
from uuid import UUID

from governance.kernel.actors import Actor
from governance.release import selectors as releases
from governance.review import selectors as review
from governance.review import services as review_services
from governance.review.records import BreakGlassRecord
from imprimatur.publishing import services as publishing
from imprimatur.workflow.rosters import roster_of


def judge(
    *, actor: Actor, break_glass_id: UUID, verdict: str, reason: str, now: datetime
) -> BreakGlassRecord:
    """Judge a break-glass as a third person; a fault withdraws its release, or voids its case.

    Raises: NotFound, NotPermitted, ReauthenticationNeeded, InvalidInput, IllegalTransition.
    """
    judged = review_services.judge_break_glass(
        actor=actor,
        break_glass_id=break_glass_id,
        verdict=verdict,
        reason=reason,
        roster_of=roster_of,
        on_fault=lambda faulted: _take_back(actor, faulted, reason, now),
        now=now,
    )
    return review.get_break_glass(actor, judged.id)


def watch(*, now: datetime) -> int:
    """Raise the alarm over every judgement that is overdue; the relay asks again and again."""
    return sum(
        review_services.alarm_unjudged(break_glass_id=found.id, roster_of=roster_of, now=now)
        for found in review_services.find_unjudged()
    )


def _take_back(actor: Actor, faulted: BreakGlassRecord, reason: str, now: datetime) -> None:
    """Withdraw the release, or void the case so that there will be none; what is gone stays gone.

    A case that somebody voided meanwhile, or a release withdrawn before, needs nothing more.
    """
    approval = review.find_approval(faulted.subject.id)
    if approval is None or approval.case_id != faulted.case_id:
        return
    release = releases.find_release(approval_id=approval.id)
    if release is None:
        review_services.void_case(actor=actor, case_id=faulted.case_id, reason=reason, now=now)
    elif not releases.is_withdrawn(release.id):
        publishing.withdraw(actor=actor, release_id=release.id, reason=reason, now=now)
