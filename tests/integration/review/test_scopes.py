"""The rows that a list gives are the rows that the table permits one by one, for every seat."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.roles import Role
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors, services
from governance.review.models import Case
from tests.factories import review as make


def _actors(team: make.Team, other: make.Team) -> Iterator[Actor]:
    yield from (SYSTEM, Actor(team.requester.id), team.requester, other.requester)
    for role in Role:
        one = make.person(team.brand_id, role)
        yield one
        yield replace(team.requester, roles=one.roles)
        yield replace(one, roles={**one.roles, other.brand_id: frozenset({Role.BRAND_REVIEWER})})
        yield replace(one, scopes=frozenset({"review:case:read"}))
        yield replace(one, kind=ActorKind.INTEGRATION, scopes=frozenset(list(Permission)))
    yield make.person(team.brand_id, is_platform_admin=True)
    yield team.brand_reviewer


@pytest.fixture
def teams(team: make.Team) -> tuple[make.Team, make.Team]:
    """Two brands with cases of every state and stage, some of them edited by reviewers."""
    other = make.Team()
    make.approved_policy(other)
    for one in (team, other):
        make.open_case(one)
        make.decide(make.open_case(one), one.brand_reviewer)
        make.decide(make.open_case(one), one.brand_reviewer, "reject")
        make.approve(one, make.open_case(one))
        edited = make.open_case(one)
        services.add_contribution(
            subject_id=edited.subject.id,
            actor_id=one.brand_reviewer.id,
            part="editor",
            now=make.NOW,
        )
    return team, other


def test_lists_what_may_be_read(teams: tuple[make.Team, make.Team]) -> None:
    cases = list(Case.objects.all())
    for actor in _actors(*teams):
        listed = {case.id for case in selectors.list_cases(actor)}
        assert listed == {case.id for case in cases if selectors.may_see(actor, case)}


def test_offers_what_may_be_decided(teams: tuple[make.Team, make.Team]) -> None:
    def may_decide(actor: Actor, case: Case) -> bool:
        if case.state != "open" or case.decisions.filter(reviewer_id=actor.id).exists():
            return False
        stage = case.policy.stages.get(position=case.stage_position)
        context = Context(
            brand_id=case.brand_id,
            contributors=selectors.contributors(case.subject_id),
            asked_roles=frozenset({Role(stage.role)}),
        )
        return selectors.may_see(actor, case) and permits.may(
            actor, Permission.REVIEW_CASE_DECIDE, context
        )

    cases = list(Case.objects.all())
    offered: set[UUID] = set()
    for actor in _actors(*teams):
        listed = {case.id for case in selectors.list_cases(actor, decidable=True)}
        assert listed == {case.id for case in cases if may_decide(actor, case)}
        offered |= listed
    assert offered
