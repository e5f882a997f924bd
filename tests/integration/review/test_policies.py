"""Proposing and approving review policies."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, transaction

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.models import Policy, Stage, Subject
from governance.review.records import ItemSpec, StageSpec
from tests.factories import review as make

OFFICE = {"timezone": "Europe/Berlin", "week": {"mon": [["09:00", "17:30"]]}}
BRAND = StageSpec("Brand", Role.BRAND_REVIEWER)


def _propose(team: make.Team, **changes: Any) -> Any:
    make.found(team.brand_id)
    facts: dict[str, Any] = {
        "actor": team.manager,
        "brand_id": team.brand_id,
        "subject_kind": "asset",
        "name": "Standard",
        "stages": make.TWO_STAGES,
        "now": make.NOW,
    }
    return services.propose_policy(**{**facts, **changes})


def _approve(actor: Actor, policy: Any) -> Any:
    return services.approve_policy(
        actor=actor, policy_id=policy.id, sha256=policy.sha256, now=make.NOW
    )


def _refusal(team: make.Team, **changes: Any) -> tuple[str | None, Any]:
    """Return where and by which rule a proposal is refused."""
    with pytest.raises(InvalidInput) as refusal:
        _propose(team, **changes)
    return refusal.value.pointer, refusal.value.facts["rule"]


def _roster(**people: frozenset[UUID]) -> dict[Role, frozenset[UUID]]:
    return {Role(role): ids for role, ids in people.items()}


@pytest.fixture
def team(db: None) -> make.Team:
    return make.Team()


@pytest.fixture
def group(team: make.Team) -> UUID:
    """A group of the brand with two people in it."""
    made = services.create_group(
        actor=team.manager, brand_id=team.brand_id, name="Legal", now=make.NOW
    )
    for person in (team.compliance_reviewer, team.auditor):
        services.add_member(actor=team.manager, group_id=made.id, person_id=person.id, now=make.NOW)
    return made.id


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

    def test_keeps_everything_that_it_says(self, team: make.Team, group: UUID) -> None:
        people = (team.brand_reviewer.id, team.other_brand_reviewer.id)
        policy = _propose(
            team,
            stages=[
                StageSpec(
                    "Brand",
                    people=people,
                    quorum=2,
                    due_min=480,
                    remind_min=240,
                    escalate_to="managers",
                ),
                StageSpec("Legal", group_id=group, position=1),
                StageSpec("Managers", Role.BRAND_MANAGER),
            ],
            checklist=[
                ItemSpec("Is the logo whole?", stage_key="brand"),
                ItemSpec("Any claims?", key="claims", guidance="Superlatives too."),
            ],
            calendar=OFFICE,
            min_view_s=5,
        )
        assert policy == selectors.get_policy(team.manager, policy.id)
        assert [(s.key, s.position, s.asks) for s in policy.stages] == [
            ("brand", 1, "people"),
            ("legal", 1, "group"),
            ("managers", 2, "role"),
        ]
        assert policy.stages[0].people == people
        assert (policy.stages[0].due_min, policy.stages[0].escalate_to) == (480, "managers")
        assert [(i.key, i.stage_key) for i in policy.checklist] == [
            ("is-the-logo-whole", "brand"),
            ("claims", ""),
        ]
        assert (policy.calendar, policy.min_view_s) == (OFFICE, 5)

    def test_is_named_by_the_digest_of_all_that_it_says(self, team: make.Team) -> None:
        policy = _propose(team)
        document = selectors.policy_document(policy)
        assert policy.sha256 == sha256_hex(canonical_json(document))
        others = [
            _propose(team, calendar=OFFICE),
            _propose(team, min_view_s=1),
            _propose(team, checklist=[ItemSpec("Why?")]),
            _propose(team, stages=[BRAND]),
        ]
        assert len({policy.sha256, *(other.sha256 for other in others)}) == 5

    def test_opens_its_review_as_what_comes_after_the_one_in_force(self, team: make.Team) -> None:
        before = make.approved_policy(team)
        _propose(team)
        policy = _propose(team)
        assert Subject.objects.get(id=policy.id).parent_id == before.id
        case = selectors.find_case_for_subject(policy.id)
        assert case is not None
        assert (case.subject.kind, case.subject.sha256) == ("review_policy", policy.sha256)
        assert case.requested_by == team.manager.id
        assert selectors.contributors(policy.id) == {team.manager.id}

    def test_does_not_count_before_it_is_approved(self, team: make.Team) -> None:
        _propose(team)
        with pytest.raises(selectors.NoPolicy):
            selectors.current_policy(team.brand_id, "asset")

    @pytest.mark.parametrize(
        ("change", "pointer", "rule"),
        [
            ({"stages": []}, "/stages", "length"),
            ({"stages": [make.BRAND_STAGE] * 10}, "/stages", "length"),
            ({"stages": [StageSpec("", Role.BRAND_REVIEWER)]}, "/stages/0/name", "length"),
            ({"stages": [BRAND, StageSpec("Own", Role.MARKETER)]}, "/stages/1/role", "enum"),
            ({"stages": [StageSpec("Admin", Role.PLATFORM_ADMIN)]}, "/stages/0/role", "enum"),
            ({"stages": [replace(BRAND, quorum=0)]}, "/stages/0/quorum", "range"),
            ({"stages": [StageSpec("Nobody")]}, "/stages/0", "one_of"),
            ({"stages": [replace(BRAND, people=(uuid7(),))]}, "/stages/0", "one_of"),
            (
                {"stages": [StageSpec("X", people=(team_id := uuid7(), team_id))]},
                "/stages/0/people",
                "unique",
            ),
            (
                {"stages": [StageSpec("X", people=(uuid7(),), quorum=2)]},
                "/stages/0/quorum",
                "quorum_above_people",
            ),
            ({"stages": [StageSpec("X", group_id=uuid7())]}, "/stages/0/group_id", "group_unknown"),
            (
                {"stages": [replace(BRAND, key="a"), replace(BRAND, key="a")]},
                "/stages/0/key",
                "unique",
            ),
            ({"stages": [replace(BRAND, key="A b")]}, "/stages/0/key", "pattern"),
            ({"stages": [replace(BRAND, position=2)]}, "/stages/0/position", "position_gap"),
            ({"stages": [BRAND, replace(BRAND, position=3)]}, "/stages/1/position", "position_gap"),
            ({"stages": [BRAND, replace(BRAND, position=0)]}, "/stages/1/position", "position_gap"),
            ({"stages": [replace(BRAND, due_min=0)]}, "/stages/0/due_min", "range"),
            (
                {"stages": [replace(BRAND, remind_min=5)]},
                "/stages/0/remind_min",
                "remind_before_due",
            ),
            (
                {"stages": [replace(BRAND, due_min=5, remind_min=5)]},
                "/stages/0/remind_min",
                "remind_before_due",
            ),
            (
                {"stages": [replace(BRAND, escalate_to="brand")]},
                "/stages/0/due_min",
                "escalation_needs_due",
            ),
            (
                {"stages": [replace(BRAND, due_min=5, escalate_to="boss")]},
                "/stages/0/escalate_to",
                "escalation_unknown",
            ),
            (
                {"stages": [replace(BRAND, due_min=5, escalate_to="brand")]},
                "/stages/0/escalate_to",
                "escalation_cycle",
            ),
            (
                {
                    "stages": [
                        StageSpec("A", Role.BRAND_REVIEWER, due_min=5, escalate_to="b"),
                        StageSpec("B", Role.BRAND_MANAGER, due_min=5, escalate_to="c"),
                        StageSpec("C", Role.BRAND_MANAGER, due_min=5, escalate_to="b"),
                    ]
                },
                "/stages/0/escalate_to",
                "escalation_cycle",
            ),
            ({"checklist": [ItemSpec(" ")]}, "/checklist/0/question", "length"),
            (
                {"checklist": [ItemSpec("Why?", stage_key="x")]},
                "/checklist/0/stage_key",
                "stage_unknown",
            ),
            (
                {"checklist": [ItemSpec("Why?", key="a"), ItemSpec("How?", key="a")]},
                "/checklist/0/key",
                "unique",
            ),
            (
                {"calendar": {"timezone": "Berlin", "week": OFFICE["week"]}},
                "/calendar/timezone",
                "enum",
            ),
            ({"min_view_s": -1}, "/min_view_s", "range"),
            ({"name": " "}, "/name", "length"),
            ({"subject_kind": "poem"}, "/subject_kind", "enum"),
        ],
    )
    def test_refuses_what_decides_nothing(
        self, team: make.Team, change: dict[str, Any], pointer: str, rule: str
    ) -> None:
        make.found(team.brand_id)
        before = Policy.objects.count(), Entry.objects.count()
        assert _refusal(team, **change) == (pointer, rule)
        assert (Policy.objects.count(), Entry.objects.count()) == before

    def test_refuses_a_group_of_another_brand_or_without_people(
        self, team: make.Team, group: UUID
    ) -> None:
        asks_group = [StageSpec("Legal", group_id=group)]
        assert _refusal(make.Team(), stages=asks_group) == ("/stages/0/group_id", "group_unknown")
        assert _refusal(team, stages=[replace(asks_group[0], quorum=3)]) == (
            "/stages/0/quorum",
            "quorum_above_people",
        )
        for person in (team.compliance_reviewer, team.auditor):
            services.remove_member(
                actor=team.manager, group_id=group, person_id=person.id, now=make.NOW
            )
        assert _refusal(team, stages=asks_group) == ("/stages/0/group_id", "group_empty")

    def test_is_the_managers_act(self, team: make.Team) -> None:
        for actor in (team.requester, team.brand_reviewer, team.auditor):
            with pytest.raises(NotPermitted):
                _propose(team, actor=actor)
        with pytest.raises(NotFound):
            _propose(team, actor=make.Team().manager)


class TestSatisfiability:
    def test_refuses_a_policy_that_nobody_could_satisfy(self, team: make.Team) -> None:
        anna = team.brand_reviewer.id
        roster = _roster(
            brand_reviewer=frozenset({anna}),
            compliance_reviewer=frozenset({anna}),
            marketer=frozenset({team.requester.id}),
        )
        with pytest.raises(services.PolicyUnsatisfiable) as refusal:
            _propose(team, roster=roster)
        assert refusal.value.facts["stages"] == ["Compliance"]
        assert not Policy.objects.filter(subject_kind="asset").exists()

    def test_refuses_one_under_which_no_marketer_could_order(self, team: make.Team) -> None:
        anna = team.brand_reviewer.id
        roster = _roster(brand_reviewer=frozenset({anna}), marketer=frozenset({anna}))
        with pytest.raises(services.PolicyUnsatisfiable):
            _propose(team, stages=[BRAND], roster=roster)

    def test_warns_of_those_who_are_needed_for_their_own_orders(self, team: make.Team) -> None:
        anna, other = team.brand_reviewer.id, team.requester.id
        roster = _roster(brand_reviewer=frozenset({anna}), marketer=frozenset({anna, other}))
        policy = _propose(team, stages=[BRAND], roster=roster)
        assert [(w.code, w.people) for w in policy.warnings] == [("requester_is_needed", (anna,))]

    def test_takes_managers_for_the_requesters_of_what_governs(self, team: make.Team) -> None:
        alone = _roster(brand_manager=frozenset({team.manager.id}))
        stages = [StageSpec("Managers", Role.BRAND_MANAGER)]
        with pytest.raises(services.PolicyUnsatisfiable):
            _propose(team, subject_kind="rule_set", stages=stages, roster=alone)
        both = _roster(brand_manager=frozenset({team.manager.id, team.other_manager.id}))
        assert _propose(team, subject_kind="rule_set", stages=stages, roster=both).warnings == ()

    def test_counts_named_people_and_groups_as_far_as_they_are_members(
        self, team: make.Team, group: UUID
    ) -> None:
        roster = _roster(
            compliance_reviewer=frozenset({team.compliance_reviewer.id}),
            marketer=frozenset({team.requester.id}),
        )
        stranger = [StageSpec("X", people=(uuid7(),))]
        assert _refusal(team, stages=stranger, roster=roster) == (
            "/stages/0/people/0",
            "not_member",
        )
        # The auditor is in the group, and left the brand.
        with pytest.raises(services.PolicyUnsatisfiable):
            _propose(team, stages=[StageSpec("X", group_id=group, quorum=2)], roster=roster)
        assert _propose(team, stages=[StageSpec("X", group_id=group)], roster=roster).number == 1


class TestCheckPolicy:
    def test_answers_and_records_nothing(self, team: make.Team) -> None:
        make.found(team.brand_id)
        anna = team.brand_reviewer.id
        before = Policy.objects.count(), Entry.objects.count()
        warnings = services.check_policy(
            actor=team.manager,
            brand_id=team.brand_id,
            content=services.content_of(subject_kind="asset", name="Standard", stages=[BRAND]),
            roster=_roster(
                brand_reviewer=frozenset({anna}), marketer=frozenset({anna, team.requester.id})
            ),
        )
        assert [warning.people for warning in warnings] == [(anna,)]
        assert (Policy.objects.count(), Entry.objects.count()) == before


class TestApprovePolicy:
    def test_counts_from_then_on(self, team: make.Team) -> None:
        approved = make.approved_policy(team)
        assert approved.approved_by == team.other_manager.id
        assert selectors.current_policy(team.brand_id, "asset") == approved
        later = make.approved_policy(team, stages=[make.BRAND_STAGE])
        assert selectors.current_policy(team.brand_id, "asset") == later

    def test_is_a_decision_in_its_case(self, team: make.Team) -> None:
        policy = make.approved_policy(team)
        case = selectors.find_case_for_subject(policy.id)
        assert case is not None
        assert case.state == "approved"
        assert [d.reviewer_id for d in case.stages[0].decisions] == [team.other_manager.id]
        events = Entry.objects.filter(subject_id=policy.id).values_list("event", flat=True)
        assert {"review.policy.proposed", "review.case.opened", "review.case.approved"} <= set(
            events
        )

    def test_needs_everybody_whom_the_brands_own_policy_asks(self, team: make.Team) -> None:
        make.approved_policy(
            team,
            kind="review_policy",
            stages=[StageSpec("Managers", Role.BRAND_MANAGER), make.COMPLIANCE_STAGE],
        )
        proposed = _propose(team)
        assert _approve(team.other_manager, proposed).approved_by is None
        approved = _approve(team.compliance_reviewer, proposed)
        assert approved.approved_by == team.compliance_reviewer.id

    def test_refuses_its_proposer(self, team: make.Team) -> None:
        with pytest.raises(NotPermitted):
            _approve(team.manager, _propose(team))

    def test_refuses_other_content_than_was_shown(self, team: make.Team) -> None:
        shown, proposed = _propose(team), _propose(team, stages=[BRAND])
        with pytest.raises(services.BytesChanged):
            services.approve_policy(
                actor=team.other_manager, policy_id=proposed.id, sha256=shown.sha256, now=make.NOW
            )
        assert selectors.get_policy(team.manager, proposed.id).approved_by is None

    def test_happens_once(self, team: make.Team) -> None:
        approved = make.approved_policy(team)
        with pytest.raises(IllegalTransition):
            _approve(team.other_manager, approved)

    def test_refuses_a_version_that_was_overtaken(self, team: make.Team) -> None:
        older = _propose(team)
        make.approved_policy(team)
        with pytest.raises(IllegalTransition):
            _approve(team.other_manager, older)

    def test_can_be_declined_like_anything_else(self, team: make.Team) -> None:
        proposed = _propose(team)
        case = selectors.find_case_for_subject(proposed.id)
        assert case is not None
        make.decide(case, team.other_manager, "reject", "Too lax.")
        assert selectors.get_policy(team.manager, proposed.id).approved_by is None
        with pytest.raises(IllegalTransition):
            _approve(team.other_manager, proposed)

    def test_hides_other_brands(self, team: make.Team) -> None:
        policy = _propose(team)
        stranger = make.Team().manager
        for policy_id in (policy.id, uuid7()):
            with pytest.raises(NotFound):
                services.approve_policy(
                    actor=stranger, policy_id=policy_id, sha256=policy.sha256, now=make.NOW
                )
        with pytest.raises(NotFound):
            selectors.get_policy(stranger, policy.id)
        assert selectors.list_policies(stranger, team.brand_id) == ()
        assert selectors.list_policies(team.auditor, team.brand_id, "asset") == (policy,)


class TestInstallPolicies:
    def test_gives_a_brand_what_its_own_first_policies_need(self, team: make.Team) -> None:
        creator = Actor(uuid7(), is_platform_admin=True)
        made = services.install_policies(actor=creator, brand_id=team.brand_id, now=make.NOW)
        assert {policy.subject_kind for policy in made} == {
            "review_policy",
            "rule_set",
            "scoring_policy",
        }
        for policy in made:
            assert policy == selectors.current_policy(team.brand_id, policy.subject_kind)
            assert (policy.proposed_by, policy.approved_by) == (creator.id, SYSTEM.id)
            assert [(s.role, s.quorum) for s in policy.stages] == [(Role.BRAND_MANAGER, 1)]
        events = Entry.objects.filter(brand_id=team.brand_id).values_list("event", flat=True)
        assert list(events) == ["review.policy.installed"] * 3

    def test_is_the_platform_admins_act(self, team: make.Team) -> None:
        with pytest.raises(NotPermitted):
            services.install_policies(actor=team.manager, brand_id=team.brand_id, now=make.NOW)

    def test_happens_once(self, team: make.Team) -> None:
        make.found(team.brand_id)
        creator = Actor(uuid7(), is_platform_admin=True)
        with pytest.raises(DatabaseError), transaction.atomic():
            services.install_policies(actor=creator, brand_id=team.brand_id, now=make.NOW)

    def test_lets_a_brand_replace_them(self, team: make.Team) -> None:
        stages = [StageSpec("Compliance too", Role.COMPLIANCE_REVIEWER)]
        own = make.approved_policy(team, kind="review_policy", stages=stages)
        assert own.number == 2
        next_one = _propose(team)
        with pytest.raises(NotPermitted):
            _approve(team.other_manager, next_one)
        assert _approve(team.compliance_reviewer, next_one).approved_by is not None


class TestReads:
    def test_list_policies_in_three_queries(
        self, team: make.Team, django_assert_num_queries: Any
    ) -> None:
        for _ in range(3):
            _propose(team, checklist=[ItemSpec("Why?")])
        with django_assert_num_queries(3):
            assert len(selectors.list_policies(team.manager, team.brand_id, "asset")) == 3
        assert Stage.objects.count() == 9
