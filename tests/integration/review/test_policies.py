"""Proposing and approving review policies."""

from dataclasses import replace
from typing import Any

import pytest

from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.models import Policy
from governance.review.records import StageSpec
from tests.factories import review as make


def _propose(team: make.Team, **changes: Any) -> Any:
    facts: dict[str, Any] = {
        "actor": team.manager,
        "brand_id": team.brand_id,
        "subject_kind": "asset",
        "name": "Standard",
        "stages": make.TWO_STAGES,
        "now": make.NOW,
    }
    return services.propose_policy(**{**facts, **changes})


@pytest.fixture
def team(db: None) -> make.Team:
    return make.Team()


class TestProposePolicy:
    def test_numbers_versions_per_brand_and_kind(self, team: make.Team) -> None:
        assert [_propose(team).number, _propose(team).number] == [1, 2]
        assert _propose(team, subject_kind="template_version").number == 1
        assert _propose(make.Team()).number == 1

    def test_keeps_the_order_of_the_stages(self, team: make.Team) -> None:
        policy = _propose(team, stages=[make.COMPLIANCE_STAGE, replace(make.BRAND_STAGE, quorum=2)])
        assert [(s.position, s.role, s.quorum) for s in policy.stages] == [
            (1, Role.COMPLIANCE_REVIEWER, 1),
            (2, Role.BRAND_REVIEWER, 2),
        ]

    def test_does_not_count_before_it_is_approved(self, team: make.Team) -> None:
        _propose(team)
        with pytest.raises(selectors.NoPolicy):
            selectors.current_policy(team.brand_id, "asset")

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"stages": []}, "/stages"),
            ({"stages": [make.BRAND_STAGE] * 10}, "/stages"),
            ({"stages": [StageSpec("", Role.BRAND_REVIEWER)]}, "/stages/0/name"),
            ({"stages": [make.BRAND_STAGE, StageSpec("Own", Role.MARKETER)]}, "/stages/1/role"),
            ({"stages": [StageSpec("Admin", Role.PLATFORM_ADMIN)]}, "/stages/0/role"),
            ({"stages": [replace(make.BRAND_STAGE, quorum=0)]}, "/stages/0/quorum"),
            ({"name": " "}, "/name"),
            ({"subject_kind": "poem"}, "/subject_kind"),
        ],
    )
    def test_refuses_what_decides_nothing(
        self, team: make.Team, change: dict[str, Any], pointer: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            _propose(team, **change)
        assert refusal.value.pointer == pointer
        assert (Policy.objects.count(), Entry.objects.count()) == (0, 0)

    def test_is_the_managers_act(self, team: make.Team) -> None:
        for actor in (team.requester, team.brand_reviewer, team.auditor):
            with pytest.raises(NotPermitted):
                _propose(team, actor=actor)
        with pytest.raises(NotFound):
            _propose(team, actor=make.Team().manager)


class TestApprovePolicy:
    def test_counts_from_then_on(self, team: make.Team) -> None:
        approved = make.approved_policy(team)
        assert approved.approved_by == team.other_manager.id
        assert selectors.current_policy(team.brand_id, "asset") == approved
        later = make.approved_policy(team, stages=[make.BRAND_STAGE])
        assert selectors.current_policy(team.brand_id, "asset") == later
        events = list(Entry.objects.order_by("id").values_list("event", flat=True))
        assert events == ["review.policy.proposed", "review.policy.approved"] * 2

    def test_refuses_its_proposer(self, team: make.Team) -> None:
        with pytest.raises(NotPermitted):
            services.approve_policy(actor=team.manager, policy_id=_propose(team).id, now=make.NOW)

    def test_happens_once(self, team: make.Team) -> None:
        approved = make.approved_policy(team)
        with pytest.raises(IllegalTransition):
            services.approve_policy(actor=team.other_manager, policy_id=approved.id, now=make.NOW)

    def test_refuses_a_version_that_was_overtaken(self, team: make.Team) -> None:
        older = _propose(team)
        make.approved_policy(team)
        with pytest.raises(IllegalTransition):
            services.approve_policy(actor=team.other_manager, policy_id=older.id, now=make.NOW)

    def test_hides_other_brands(self, team: make.Team) -> None:
        policy = _propose(team)
        stranger = make.Team().manager
        for policy_id in (policy.id, uuid7()):
            with pytest.raises(NotFound):
                services.approve_policy(actor=stranger, policy_id=policy_id, now=make.NOW)
        with pytest.raises(NotFound):
            selectors.get_policy(stranger, policy.id)
        assert selectors.list_policies(stranger, team.brand_id) == ()
        assert selectors.list_policies(team.auditor, team.brand_id) == (policy,)
