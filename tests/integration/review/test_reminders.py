"""Reminders and escalation: each step once, up the chain that the policy names, then the end."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.clock import now as clock_now
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.notices.models import Notice
from governance.review import selectors, services
from governance.review.models import Seat, Stage, Turn
from governance.review.records import StageSpec
from governance.review.services import _remind
from tests.factories import review as make

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
CHAIN = (
    StageSpec(
        "Brand",
        Role.BRAND_REVIEWER,
        key="brand",
        due_min=60,
        remind_min=30,
        escalate_to="legal",
    ),
    StageSpec("Legal", Role.COMPLIANCE_REVIEWER, key="legal", due_min=60, escalate_to="manager"),
    StageSpec("Manager", Role.BRAND_MANAGER, key="manager"),
)


@pytest.fixture
def team(db: None) -> make.Team:
    team = make.Team()
    make.approved_policy(team, stages=CHAIN)
    return team


def _round(team: make.Team) -> int:
    roster = {
        Role.BRAND_REVIEWER: frozenset({team.brand_reviewer.id, team.other_brand_reviewer.id}),
        Role.COMPLIANCE_REVIEWER: frozenset({team.compliance_reviewer.id}),
        Role.BRAND_MANAGER: frozenset({team.manager.id}),
    }
    return services.remind(now=clock_now(), roster_of=lambda _brand: roster)


def _told(kind: str) -> set[UUID]:
    return set(Notice.objects.filter(kind=kind).values_list("person_id", flat=True))


def _open(team: make.Team, *, ago: timedelta) -> Any:
    """Open a case so long ago by the clock that the database has."""
    subject = make.subject(team)
    return services.open_case(
        actor=make.SYSTEM,
        subject_id=subject.id,
        title="Spring",
        pins={},
        requested_by=team.requester.id,
        now=clock_now() - ago,
    )


def test_nothing_happens_before_it_is_time(team: make.Team) -> None:
    _open(team, ago=timedelta(minutes=29))
    assert _round(team) == 0
    assert not Notice.objects.filter(kind__startswith="review.due").exists()


def test_whoever_is_asked_is_reminded_once(team: make.Team) -> None:
    case = _open(team, ago=timedelta(minutes=31))
    assert (_round(team), _round(team)) == (1, 0)
    assert _told("review.due_soon") == {team.brand_reviewer.id, team.other_brand_reviewer.id}
    assert Notice.objects.filter(kind="review.due_soon").count() == 2
    turn = Turn.objects.get(case_id=case.id)
    assert (turn.next_at, turn.escalations) == (turn.due_at, 0)


def test_what_is_overdue_goes_up_the_chain_one_step_at_a_time(team: make.Team) -> None:
    case = _open(team, ago=timedelta(minutes=61))
    asked = [f"role:{role}" for role in ("brand_reviewer", "compliance_reviewer", "brand_manager")]
    for step in (1, 2):
        assert (_round(team), _round(team)) == (1, 0)
        assert list(make.current(case).stages[0].asked) == asked[: step + 1]
        Turn.objects.filter(case_id=case.id).update(next_at=LONG_AGO)
    assert _told("review.escalated") == {team.compliance_reviewer.id, team.manager.id}
    assert Entry.objects.filter(event="review.turn.escalated").count() == 2
    assert make.decide(case, team.compliance_reviewer).stage_key == "brand"


def test_the_end_of_the_chain_tells_the_managers_and_stops(team: make.Team) -> None:
    case = _open(team, ago=timedelta(minutes=61))
    Turn.objects.filter(case_id=case.id).update(escalations=2)
    assert _round(team) == 1
    assert _told("review.escalated") == {team.manager.id}
    assert Turn.objects.get(case_id=case.id).next_at is None
    assert _round(team) == 0


def test_a_decided_or_closed_stage_is_left_alone(team: make.Team) -> None:
    case = _open(team, ago=timedelta(hours=9))
    make.decide(case, team.brand_reviewer, "reject")
    assert _round(team) == 0


def test_whoever_had_a_part_is_told_nothing(team: make.Team) -> None:
    case = _open(team, ago=timedelta(minutes=31))
    services.add_contribution(
        subject_id=case.subject.id, actor_id=team.brand_reviewer.id, part="editor", now=make.NOW
    )
    _round(team)
    assert _told("review.due_soon") == {team.other_brand_reviewer.id}


def test_a_chain_that_comes_back_ends(team: make.Team) -> None:
    case = _open(team, ago=timedelta(minutes=1))
    turn = Turn.objects.select_related("stage", "case").get(case_id=case.id)
    stages = {stage.key: stage for stage in Stage.objects.filter(policy_id=case.policy_id)}
    turn.stage = stages["legal"]
    for escalations, key in ((0, "manager"), (1, None), (50, None)):
        turn.escalations = escalations
        found = _remind.escalation(turn.case, turn)
        assert (found and found.key) == key


def test_the_seats_of_an_escalation_keep_their_place_in_the_queue(team: make.Team) -> None:
    case = _open(team, ago=timedelta(minutes=61))
    _round(team)
    assert len(set(Seat.objects.filter(turn__case_id=case.id).values_list("risk", "due_at"))) == 1
    listed = selectors.list_cases(team.compliance_reviewer, decidable=True)
    assert [one.id for one in listed] == [case.id]
