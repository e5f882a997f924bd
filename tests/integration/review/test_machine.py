"""The life of a case with stages side by side, driven at random: what never happens."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from governance.kernel.errors import DomainError
from governance.kernel.roles import Role
from governance.review import outcomes, services
from governance.review.models import Approval, Case, Decision, Turn
from governance.review.records import StageSpec
from tests.factories import review as make

STAGES = (
    StageSpec("Brand", Role.BRAND_REVIEWER, quorum=2, key="brand", position=1),
    StageSpec("Legal", Role.COMPLIANCE_REVIEWER, key="legal", position=1),
    StageSpec("Manager", Role.BRAND_MANAGER, key="manager", position=2),
)
SEATS = (
    "requester",
    "brand_reviewer",
    "other_brand_reviewer",
    "both",
    "compliance_reviewer",
    "manager",
    "auditor",
)
verdicts = st.sampled_from(["approve", "approve_with_changes", "reject"])


class CaseMachine(RuleBasedStateMachine):
    """People decide, look, take part and give cases back, in any order."""

    reached: set[str] = set()

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()

    def teardown(self) -> None:
        CaseMachine.reached.add(Case.objects.get(id=self.case.id).state)
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    @initialize()
    def start(self) -> None:
        self.team = make.Team()
        make.approved_policy(self.team, stages=STAGES)
        self.both: Any = make.person(
            self.team.brand_id, Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER
        )
        self.case = make.open_case(self.team)
        self.position = 1

    def _actor(self, seat: str) -> Any:
        return self.both if seat == "both" else getattr(self.team, seat)

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            with transaction.atomic():
                act()
        except DomainError:
            pass

    @rule(seat=st.sampled_from(SEATS), verdict=verdicts, stage=st.sampled_from(["", "legal"]))
    def decide(self, seat: str, verdict: str, stage: str) -> None:
        actor = self._actor(seat)
        self._try(lambda: make.decide(self.case, actor, verdict, "Because.", stage=stage))

    @rule(verdict=st.sampled_from(outcomes.APPROVING))
    def approve_in_turn(self, verdict: str) -> None:
        for seat in ("brand_reviewer", "other_brand_reviewer", "compliance_reviewer", "manager"):
            person = self._actor(seat).id
            if not Decision.objects.filter(case_id=self.case.id, reviewer_id=person).exists():
                self.decide(seat, verdict, "")
                return

    @rule(verdict=st.sampled_from(["reject", "request_changes"]))
    def turn_down(self, verdict: str) -> None:
        self.decide("compliance_reviewer", verdict, "")

    @rule(seat=st.sampled_from(SEATS))
    def claim(self, seat: str) -> None:
        actor = self._actor(seat)
        self._try(lambda: services.claim(actor=actor, case_id=self.case.id, now=make.NOW))

    @rule(seat=st.sampled_from(SEATS))
    def give_back(self, seat: str) -> None:
        actor = self._actor(seat)
        self._try(lambda: services.release_claim(actor=actor, case_id=self.case.id))

    @rule(seat=st.sampled_from(SEATS))
    def take_part(self, seat: str) -> None:
        self._try(
            lambda: services.add_contribution(
                subject_id=self.case.subject.id,
                actor_id=self._actor(seat).id,
                part="editor",
                now=make.NOW,
            )
        )

    @invariant()
    def an_approval_has_every_quorum(self) -> None:
        if Approval.objects.filter(case_id=self.case.id).exists():
            for stage in self.case.stages:
                assert self._voices(stage.id) >= stage.quorum

    @invariant()
    def nobody_decides_twice(self) -> None:
        people = list(
            Decision.objects.filter(case_id=self.case.id).values_list("reviewer_id", flat=True)
        )
        assert len(people) == len(set(people))
        assert self.team.requester.id not in people

    @invariant()
    def the_next_position_waits_for_every_stage(self) -> None:
        case = Case.objects.get(id=self.case.id)
        if case.stage_position > 1:
            for stage in self.case.stages[:2]:
                assert self._voices(stage.id) >= stage.quorum
        assert case.stage_position >= self.position
        self.position = case.stage_position

    @invariant()
    def one_voice_against_ends_it(self) -> None:
        case = Case.objects.get(id=self.case.id)
        against = Decision.objects.filter(case_id=case.id).exclude(verdict__in=outcomes.APPROVING)
        assert against.exists() == (case.state in {"rejected", "changes_requested"})
        is_open = Turn.objects.filter(case_id=case.id, closed_at=None).exists()
        assert is_open == (case.state == "open")

    def _voices(self, stage_id: Any) -> int:
        approvals = Decision.objects.filter(
            case_id=self.case.id, stage_id=stage_id, verdict__in=outcomes.APPROVING
        )
        return approvals.values("reviewer_id").distinct().count()


@pytest.mark.django_db
def test_no_order_of_acts_breaks_the_rules() -> None:
    CaseMachine.reached.clear()
    run_state_machine_as_test(
        CaseMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=14,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert {"approved", "rejected"} <= CaseMachine.reached
