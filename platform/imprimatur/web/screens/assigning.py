"""Who may give an open stage of a review to whom; the service asks all of it again."""

from typing import Any
from uuid import UUID

from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.review import audiences
from governance.review import selectors as review
from governance.review.records import CaseRecord
from imprimatur.accounts import selectors as accounts
from imprimatur.web.screens import _shared
from imprimatur.workflow.rosters import roster_of


def page(actor: Actor, case_id: UUID) -> dict[str, Any]:
    """Return what the page for giving a stage away shows. Raises: NotFound."""
    case = review.get_case(actor, case_id)
    may = may_assign(actor, case)
    return {
        "case": {
            "id": case.id,
            "title": case.title,
            "state": case.state,
            "asset": _shared.pictured(actor, case),
        },
        "may": may,
        "stages": [(stage.key, stage.name) for stage in case.open_stages],
        "people": _people(actor, case) if may else [],
    }


def may_assign(actor: Actor, case: CaseRecord) -> bool:
    """Tell whether this person may give an open stage of the case to somebody."""
    asked = review.asked_in(case.brand_id, _parts(case), ())
    return case.state == "open" and permits.may(actor, Permission.REVIEW_TURN_ASSIGN, asked)


def _people(actor: Actor, case: CaseRecord) -> list[tuple[UUID, str]]:
    """Return by name who could decide: reviewers of the brand, and whom an open stage names."""
    roster = roster_of(case.brand_id)
    members = frozenset[UUID]().union(*roster.values())
    asked = {audiences.person_in(each) for stage in case.open_stages for each in stage.asked}
    able = frozenset[UUID]().union(*(roster.get(role, ()) for role in _shared.REVIEW_ROLES))
    able |= members & asked
    decided = {said.reviewer_id for stage in case.stages for said in stage.decisions}
    names = accounts.display_names(able - _parts(case) - decided - {actor.id})
    return sorted(names.items(), key=lambda each: each[1].casefold())


def _parts(case: CaseRecord) -> frozenset[UUID]:
    return review.contributors(case.subject.id) | {case.requested_by}
