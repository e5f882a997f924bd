"""Approved with changes: somebody other than the requester confirms them before anything leaves."""

from dataclasses import replace
from uuid import UUID

import pytest

from governance.kernel.errors import NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.records import CaseRecord
from tests.factories import review as make


def _confirm(case: CaseRecord, actor: make.Actor, stage: int = 0) -> CaseRecord:
    decision = make.current(case).stages[stage].decisions[0]
    return services.confirm_condition(
        actor=actor, decision_id=decision.id, note="The caption is new.", now=make.NOW
    )


def _approved(team: make.Team) -> tuple[CaseRecord, UUID]:
    case = make.open_case(team)
    make.decide(case, team.brand_reviewer, "approve_with_changes", "Change the caption.")
    approval_id = make.decide(case, team.compliance_reviewer).approval_id
    assert approval_id is not None
    return case, approval_id


class TestConfirm:
    def test_closes_what_an_approval_left_open(self, team: make.Team) -> None:
        case, approval_id = _approved(team)
        (open_one,) = selectors.open_conditions(approval_id)
        assert open_one == make.current(case).stages[0].decisions[0].id
        confirmed = _confirm(case, team.manager)
        assert confirmed.stages[0].decisions[0].confirmed_by == team.manager.id
        assert selectors.open_conditions(approval_id) == ()
        assert Entry.objects.filter(event="review.condition.confirmed").count() == 1
        with pytest.raises(services.AlreadyConfirmed):
            _confirm(case, team.manager)

    def test_is_never_the_requesters(self, team: make.Team) -> None:
        case, approval_id = _approved(team)
        promoted = replace(team.requester, roles={team.brand_id: frozenset({Role.BRAND_MANAGER})})
        for actor in (promoted, team.auditor):
            with pytest.raises(NotPermitted):
                _confirm(case, actor)
        with pytest.raises(NotFound):
            _confirm(case, make.Team().manager)
        assert selectors.open_conditions(approval_id)

    def test_waits_for_the_approval(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.decide(case, team.brand_reviewer, "approve_with_changes", "Change the caption.")
        with pytest.raises(IllegalTransition):
            _confirm(case, team.manager)

    def test_needs_a_decision_that_asked_for_changes(self, team: make.Team) -> None:
        case, _ = _approved(team)
        with pytest.raises(services.NoCondition):
            _confirm(case, team.manager, stage=1)
        with pytest.raises(NotFound):
            services.confirm_condition(
                actor=team.manager, decision_id=case.id, note="", now=make.NOW
            )
