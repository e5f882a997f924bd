"""What was on whose screen, for how long, and how lately that person gave their password."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from governance.kernel.actors import SYSTEM, ActorKind
from governance.kernel.roles import Role
from governance.policy.freshness import ReauthenticationNeeded
from governance.review import services
from governance.review.models import Decision, Delivery
from governance.review.records import CaseRecord
from tests.factories import review as make


def _decide(case: CaseRecord, actor: Any, now: Any = make.NOW) -> Any:
    """Decide without looking."""
    return services.decide(
        actor=actor,
        case_id=case.id,
        verdict="approve",
        sha256=str(case.subject.sha256),
        reason="",
        now=now,
    )


class TestDelivery:
    def test_is_recorded_for_who_may_come_to_decide(self, team: make.Team) -> None:
        case = make.open_case(team)
        for actor in (team.brand_reviewer, team.compliance_reviewer, team.manager):
            assert make.deliver(case, actor) is not None

    def test_is_not_recorded_for_others(self, team: make.Team) -> None:
        case = make.open_case(team)
        stranger = make.Team()
        key = replace(team.brand_reviewer, kind=ActorKind.INTEGRATION, scopes=frozenset())
        colleague = make.person(team.brand_id, Role.MARKETER)
        for actor in (team.requester, stranger.brand_reviewer, key, SYSTEM, colleague):
            assert make.deliver(case, actor) is None
        assert not Delivery.objects.filter(subject_id=case.subject.id).exists()

    def test_is_not_recorded_for_other_bytes_or_a_closed_case(self, team: make.Team) -> None:
        case = make.open_case(team)
        other = replace(case, subject=replace(case.subject, sha256="0" * 64))
        assert make.deliver(other, team.brand_reviewer) is None
        make.decide(case, team.brand_reviewer, "reject")
        assert make.deliver(case, team.other_brand_reviewer) is None

    def test_comes_before_a_decision(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.deliver(case, team.other_brand_reviewer)
        with pytest.raises(services.NotSeen):
            _decide(case, team.brand_reviewer)
        make.deliver(case, team.brand_reviewer)
        assert _decide(case, team.brand_reviewer).case_state == "open"

    def test_is_named_by_the_decision_with_the_seconds_since(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.deliver(case, team.brand_reviewer, make.NOW - timedelta(hours=2))
        counted = make.deliver(case, team.brand_reviewer, make.NOW - timedelta(seconds=70))
        make.deliver(case, team.brand_reviewer, make.NOW - timedelta(seconds=5))
        decision = _decide(case, team.brand_reviewer)
        row = Decision.objects.get(id=decision.id)
        assert (row.delivery_id, row.seen_s, decision.seen_s) == (counted, 70, 70)
        assert row.authenticated_at == make.NOW

    def test_before_the_policys_least_look_is_too_fast(self, db: None) -> None:
        team = make.Team()
        make.approved_policy(team, min_view_s=10)
        case = make.open_case(team)
        make.deliver(case, team.brand_reviewer)
        with pytest.raises(services.TooFast) as refusal:
            _decide(case, team.brand_reviewer, make.NOW + timedelta(seconds=9))
        assert (refusal.value.facts["seen_s"], refusal.value.facts["min_view_s"]) == (9, 10)
        assert _decide(case, team.brand_reviewer, make.NOW + timedelta(seconds=10)).seen_s == 10

    def test_to_come_says_that_the_clock_went_back(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.deliver(case, team.brand_reviewer, make.NOW + timedelta(minutes=3))
        with pytest.raises(services.ClockWentBack):
            _decide(case, team.brand_reviewer)


class TestPassword:
    @pytest.mark.parametrize("age_s", [None, 901, -1])
    def test_is_asked_for_again_after_a_while(self, team: make.Team, age_s: int | None) -> None:
        case = make.open_case(team)
        at = None if age_s is None else make.NOW - timedelta(seconds=age_s)
        with pytest.raises(ReauthenticationNeeded) as refusal:
            make.decide(case, replace(team.brand_reviewer, authenticated_at=at))
        assert refusal.value.status == 403
        assert not Decision.objects.filter(case_id=case.id).exists()

    def test_holds_until_then(self, team: make.Team, settings: Any) -> None:
        settings.REAUTHENTICATE_AFTER_S = 60
        case = make.open_case(team)
        at = make.NOW - timedelta(seconds=60)
        assert make.decide(case, replace(team.brand_reviewer, authenticated_at=at)).id
