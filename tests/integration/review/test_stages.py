"""Stages side by side, the four verdicts and the checklist: what each does to the case."""

from dataclasses import replace
from uuid import UUID

import pytest

from governance.kernel.errors import InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.notices.models import Notice
from governance.policy.permits import NotPermitted
from governance.review import outcomes, selectors, services
from governance.review.models import Answer, Decision, Seat, Turn
from governance.review.records import AnswerSpec, ItemSpec, StageSpec
from governance.review.states import Verdict
from tests.factories import review as make

SIDE_BY_SIDE = (
    StageSpec("Brand", Role.BRAND_REVIEWER, key="brand", position=1),
    StageSpec("Legal", Role.COMPLIANCE_REVIEWER, key="legal", position=1),
    StageSpec("Manager", Role.BRAND_MANAGER, key="manager", position=2),
)
CHECKLIST = (
    ItemSpec("Is the logo whole?", key="logo"),
    ItemSpec("Is the claim proven?", key="claim", stage_key="legal"),
)


@pytest.fixture
def beside(db: None) -> make.Team:
    """A team with two stages side by side, then one more."""
    team = make.Team()
    make.approved_policy(team, stages=SIDE_BY_SIDE)
    return team


@pytest.fixture
def checked(db: None) -> make.Team:
    """A team with two stages side by side and a checklist."""
    team = make.Team()
    make.approved_policy(team, stages=SIDE_BY_SIDE[:2], checklist=CHECKLIST)
    return team


class TestSideBySide:
    def test_asks_both_at_once_and_the_next_when_both_are_done(self, beside: make.Team) -> None:
        case = make.open_case(beside)
        assert [stage.key for stage in case.open_stages] == ["brand", "legal"]
        make.decide(case, beside.compliance_reviewer)
        assert [stage.key for stage in make.current(case).open_stages] == ["brand"]
        with pytest.raises(NotPermitted):
            make.decide(case, beside.manager)
        make.decide(case, beside.brand_reviewer)
        assert [stage.key for stage in make.current(case).open_stages] == ["manager"]
        assert make.decide(case, beside.manager).case_state == "approved"

    def test_closes_every_turn_and_seat_with_the_case(self, beside: make.Team) -> None:
        case = make.open_case(beside)
        make.decide(case, beside.brand_reviewer)
        make.decide(case, beside.compliance_reviewer, "reject")
        assert not Turn.objects.filter(case_id=case.id, closed_at=None).exists()
        assert not Seat.objects.filter(turn__case_id=case.id, closed_at=None).exists()

    def test_lets_one_rejection_end_it_whatever_others_said(self, beside: make.Team) -> None:
        case = make.open_case(beside)
        make.decide(case, beside.brand_reviewer)
        assert make.decide(case, beside.compliance_reviewer, "reject").case_state == "rejected"
        with pytest.raises(IllegalTransition):
            make.decide(case, beside.other_brand_reviewer)

    def test_asks_for_which_stage_where_one_person_is_asked_in_both(
        self, beside: make.Team
    ) -> None:
        case = make.open_case(beside)
        both = make.person(beside.brand_id, Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER)
        with pytest.raises(InvalidInput) as refusal:
            make.decide(case, both)
        assert refusal.value.pointer == "/stage"
        assert make.decide(case, both, stage="legal").stage_key == "legal"
        with pytest.raises(services.AlreadyDecided):
            make.decide(case, both, stage="brand")

    def test_takes_no_second_decision_in_a_stage_that_has_its_quorum(
        self, beside: make.Team
    ) -> None:
        case = make.open_case(beside)
        make.decide(case, beside.brand_reviewer)
        with pytest.raises(NotPermitted) as refusal:
            make.decide(case, beside.other_brand_reviewer)
        assert refusal.value.facts["failed"] == ["is_asked"]


class TestWhoIsAsked:
    def test_named_people_decide_whatever_their_role(self, db: None) -> None:
        team = make.Team()
        named = make.person(team.brand_id, Role.MARKETER)
        make.approved_policy(team, stages=[StageSpec("Owner", people=[named.id])])
        case = make.open_case(team)
        assert Notice.objects.filter(person_id=named.id, kind="review.assigned").count() == 1
        assert selectors.get_case(named, case.id).id == case.id
        assert [c.id for c in selectors.list_cases(named, decidable=True)] == [case.id]
        with pytest.raises(NotPermitted):
            make.decide(case, team.brand_reviewer)
        assert make.decide(case, named).case_state == "approved"
        assert selectors.get_case(named, case.id).state == "approved"

    def test_members_of_a_group_decide_while_they_are_in_it(self, db: None) -> None:
        team = make.Team()
        make.found(team.brand_id)
        group = services.create_group(
            actor=team.manager, brand_id=team.brand_id, name="Legal", now=make.NOW
        )
        member, former = (make.person(team.brand_id, Role.MARKETER) for _ in range(2))
        for one in (member, former):
            services.add_member(
                actor=team.manager,
                group_id=group.id,
                person_id=one.id,
                roster={Role.MARKETER: frozenset({member.id, former.id})},
                now=make.NOW,
            )
        make.approved_policy(team, stages=[StageSpec("Legal", group_id=group.id)])
        case = make.open_case(team)
        services.remove_member(
            actor=team.manager, group_id=group.id, person_id=former.id, now=make.NOW
        )
        assert selectors.list_cases(former, decidable=True) == ()
        assert [c.id for c in selectors.list_cases(member, decidable=True)] == [case.id]
        assert make.decide(case, member).case_state == "approved"


class TestVerdicts:
    def test_are_all_in_the_decision_table(self) -> None:
        assert sorted(outcomes.OUTCOMES) == sorted(Verdict.values)

    @pytest.mark.parametrize(
        ("verdict", "counts", "needs_reason", "state"),
        [
            ("approve", True, False, "approved"),
            ("approve_with_changes", True, True, "approved"),
            ("reject", False, True, "rejected"),
            ("request_changes", False, True, "changes_requested"),
        ],
    )
    def test_do_what_the_table_says(
        self, db: None, verdict: str, counts: bool, needs_reason: bool, state: str
    ) -> None:
        team = make.Team()
        make.approved_policy(team, stages=[make.BRAND_STAGE])
        row = outcomes.OUTCOMES[verdict]
        assert (row.counts, row.needs_reason) == (counts, needs_reason)
        case = make.open_case(team)
        if needs_reason:
            with pytest.raises(services.ReasonRequired):
                make.decide(case, team.brand_reviewer, verdict, " ")
        assert make.decide(case, team.brand_reviewer, verdict).case_state == state


class TestChecklist:
    def test_is_answered_whole_to_approve(self, checked: make.Team) -> None:
        case = make.open_case(checked)
        with pytest.raises(services.ChecklistIncomplete) as refusal:
            make.decide(case, checked.compliance_reviewer, checklist={"logo": "yes"})
        assert refusal.value.pointer == "/checklist/claim"
        assert refusal.value.facts["missing"] == ["claim"]
        make.decide(
            case,
            checked.compliance_reviewer,
            checklist={"logo": "yes", "claim": AnswerSpec("not_applicable", "No claim is made.")},
        )
        given = make.current(case).stages[1].decisions[0]
        assert [(one.key, one.answer, one.note) for one in given.answers] == [
            ("logo", "yes", None),
            ("claim", "not_applicable", "No claim is made."),
        ]
        notes = Answer.objects.exclude(note=None).values_list("note", flat=True)
        assert all(b"claim is made" not in bytes(note) for note in notes)

    def test_asks_a_stage_only_its_own_items(self, checked: make.Team) -> None:
        case = make.open_case(checked)
        with pytest.raises(InvalidInput) as refusal:
            make.decide(case, checked.brand_reviewer, checklist={"logo": "yes", "claim": "yes"})
        assert (refusal.value.pointer, refusal.value.facts["rule"]) == (
            "/checklist/claim",
            "unknown",
        )
        assert make.decide(case, checked.brand_reviewer, checklist={"logo": "yes"}).id

    @pytest.mark.parametrize("verdict", ["approve", "approve_with_changes"])
    def test_with_a_no_approves_nothing(self, checked: make.Team, verdict: str) -> None:
        case = make.open_case(checked)
        with pytest.raises(services.ChecklistNotMet):
            make.decide(case, checked.brand_reviewer, verdict, "x", checklist={"logo": "no"})
        assert (
            make.decide(case, checked.brand_reviewer, "reject", checklist={"logo": "no"}).case_state
            == "rejected"
        )

    def test_may_stay_open_to_turn_down(self, checked: make.Team) -> None:
        case = make.open_case(checked)
        assert make.decide(case, checked.brand_reviewer, "reject").case_state == "rejected"

    def test_refuses_an_answer_that_is_none(self, checked: make.Team) -> None:
        case = make.open_case(checked)
        with pytest.raises(InvalidInput) as refusal:
            make.decide(case, checked.brand_reviewer, checklist={"logo": "perhaps"})
        assert refusal.value.pointer == "/checklist/logo"
        assert not Decision.objects.filter(case_id=case.id).exists()


class TestParents:
    def test_come_before_what_was_made_after_changes(self, team: make.Team) -> None:
        first = make.open_case(team)
        make.decide(first, team.brand_reviewer, "request_changes")
        again = replace(make.subject(team), id=UUID(int=first.id.int ^ 1))
        made = services.register_subject(
            subject_id=again.id,
            kind="asset",
            sha256="1" * 64,
            brand_id=team.brand_id,
            contributors={team.requester.id: "requester"},
            parent_id=first.subject.id,
            now=make.NOW,
        )
        assert make.open_case(team, made).state == "open"

    def test_are_of_the_same_brand_and_kind(self, team: make.Team) -> None:
        other = make.subject(make.Team())
        for parent_id in (other.id, make.subject(team, kind="template_version").id):
            with pytest.raises(InvalidInput) as refusal:
                services.register_subject(
                    subject_id=UUID(int=7),
                    kind="asset",
                    sha256="1" * 64,
                    brand_id=team.brand_id,
                    contributors={team.requester.id: "requester"},
                    parent_id=parent_id,
                    now=make.NOW,
                )
            assert refusal.value.pointer == "/parent_id"
