"""Opening, voiding and listing review cases."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.models import Case, Contribution
from governance.review.records import CaseRecord
from tests.factories import review as make


class TestOpenCase:
    def test_starts_at_the_first_stage_of_the_current_policy(self, team: make.Team) -> None:
        case = make.open_case(team)
        assert case.state == "open"
        assert (case.stage.position, case.stage.name, case.stage.role) == (
            1,
            "Brand",
            Role.BRAND_REVIEWER,
        )
        assert case.pins == {"template_version": "v1"}
        assert case == make.current(case)

    def test_keeps_its_policy_when_a_newer_one_is_approved(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.approved_policy(team, stages=[make.COMPLIANCE_STAGE])
        assert make.current(case).policy_id == case.policy_id
        assert make.open_case(team).policy_number == 2

    def test_makes_the_requester_a_contributor(self, team: make.Team) -> None:
        about = make.subject(team, contributors={uuid7(): "worker"})
        make.open_case(team, about)
        assert team.requester.id in selectors.contributors(about.id)

    @pytest.mark.parametrize("ending", ["open", "approved", "rejected", "changes_requested"])
    def test_gives_no_second_opinion_on_the_same_bytes(self, team: make.Team, ending: str) -> None:
        case = make.open_case(team)
        if ending == "approved":
            make.approve(team, case)
        elif ending != "open":
            verdict = {"rejected": "reject", "changes_requested": "request_changes"}[ending]
            make.decide(case, team.brand_reviewer, verdict)
        with pytest.raises(services.CaseExists):
            make.open_case(team, case.subject)

    def test_opens_another_after_a_voided_one(self, team: make.Team) -> None:
        case = make.open_case(team)
        services.void_case(
            actor=team.manager, case_id=case.id, reason="Wrong season.", now=make.NOW
        )
        again = make.open_case(team, case.subject)
        assert again.id != case.id
        assert selectors.find_case_for_subject(case.subject.id) == again

    def test_refuses_without_an_approved_policy(self, db: None) -> None:
        team = make.Team()
        make.found(team.brand_id)
        services.propose_policy(
            actor=team.manager,
            brand_id=team.brand_id,
            subject_kind="asset",
            name="Draft",
            stages=make.TWO_STAGES,
            now=make.NOW,
        )
        with pytest.raises(selectors.NoPolicy):
            make.open_case(team)

    def test_refuses_an_unknown_subject_and_leaves_nothing(self, team: make.Team) -> None:
        entries = Entry.objects.count()
        about = replace(make.subject(team), id=uuid7())
        with pytest.raises(NotFound):
            make.open_case(team, about)
        assert not Case.objects.filter(subject_id=about.id).exists()
        assert Entry.objects.count() == entries

    @pytest.mark.parametrize("title", ["", "   ", "x" * 201])
    def test_refuses_a_title_that_is_none(self, team: make.Team, title: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            services.open_case(
                actor=SYSTEM,
                subject_id=make.subject(team).id,
                title=title,
                pins={},
                requested_by=team.requester.id,
                now=make.NOW,
            )
        assert refusal.value.pointer == "/title"

    def test_is_not_for_marketers(self, team: make.Team) -> None:
        about = make.subject(team)
        with pytest.raises(NotPermitted):
            services.open_case(
                actor=team.requester,
                subject_id=about.id,
                title="Mine",
                pins={},
                requested_by=team.requester.id,
                now=make.NOW,
            )


class TestVoidCase:
    @pytest.mark.parametrize("ending", ["open", "approved"])
    def test_takes_back_what_is_not_released(self, team: make.Team, ending: str) -> None:
        case = make.open_case(team)
        if ending == "approved":
            make.approve(team, case)
        voided = services.void_case(
            actor=team.compliance_reviewer, case_id=case.id, reason="Recalled.", now=make.NOW
        )
        assert (voided.state, voided.closed_at) == ("voided", make.NOW)
        assert make.current(case).void_reason == "Recalled."
        assert Entry.objects.order_by("-id").first().event == "review.case.voided"
        assert selectors.find_approval(case.subject.id) is None

    def test_refuses_a_rejected_case(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.decide(case, team.brand_reviewer, "reject")
        with pytest.raises(IllegalTransition):
            services.void_case(actor=SYSTEM, case_id=case.id, reason="No.", now=make.NOW)

    def test_asks_for_a_reason(self, team: make.Team) -> None:
        with pytest.raises(InvalidInput):
            services.void_case(
                actor=SYSTEM, case_id=make.open_case(team).id, reason=" ", now=make.NOW
            )

    def test_is_not_for_brand_reviewers_and_requesters(self, team: make.Team) -> None:
        case = make.open_case(team)
        for actor in (team.brand_reviewer, team.requester, team.auditor):
            with pytest.raises(NotPermitted):
                services.void_case(actor=actor, case_id=case.id, reason="No.", now=make.NOW)


class TestSubjects:
    def test_registers_the_same_facts_once(self, team: make.Team) -> None:
        facts: dict[str, Any] = {
            "subject_id": uuid7(),
            "kind": "asset",
            "sha256": "a" * 64,
            "brand_id": team.brand_id,
            "contributors": {team.requester.id: "requester"},
            "now": make.NOW,
        }
        assert services.register_subject(**facts) == services.register_subject(**facts)
        assert Contribution.objects.filter(subject_id=facts["subject_id"]).count() == 1
        for change in ({"sha256": "b" * 64}, {"kind": "template_version"}, {"brand_id": uuid7()}):
            with pytest.raises(services.SubjectDiffers):
                services.register_subject(**{**facts, **change})

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"sha256": "A" * 64}, "/sha256"),
            ({"sha256": "a" * 63}, "/sha256"),
            ({"kind": "poem"}, "/kind"),
            ({"contributors": {}}, "/contributors"),
            ({"contributors": {uuid7(): ""}}, "/part"),
        ],
    )
    def test_refuses_facts_that_mean_nothing(
        self, team: make.Team, change: dict[str, Any], pointer: str
    ) -> None:
        facts: dict[str, Any] = {
            "subject_id": uuid7(),
            "kind": "asset",
            "sha256": "a" * 64,
            "brand_id": team.brand_id,
            "contributors": {team.requester.id: "requester"},
            "now": make.NOW,
        }
        with pytest.raises(InvalidInput) as refusal:
            services.register_subject(**{**facts, **change})
        assert refusal.value.pointer == pointer
        assert selectors.find_subject(facts["subject_id"]) is None

    def test_refuses_a_contribution_after_deciding(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.decide(case, team.brand_reviewer)
        with pytest.raises(services.ContributedAfterDeciding):
            services.add_contribution(
                subject_id=case.subject.id,
                actor_id=team.brand_reviewer.id,
                part="editor",
                now=make.NOW,
            )


def _images(cases: Iterable[CaseRecord]) -> list[UUID]:
    """Leave out the cases of the brand's own policies, which the factory opens first."""
    return [case.id for case in cases if case.subject.kind == "asset"]


class TestListCases:
    def test_shows_each_person_what_they_may_read(self, team: make.Team) -> None:
        other = make.Team()
        make.approved_policy(other)
        mine, theirs = make.open_case(team), make.open_case(other)
        for actor in (team.requester, team.brand_reviewer, team.auditor, team.manager):
            assert _images(selectors.list_cases(actor)) == [mine.id]
            assert selectors.get_case(actor, mine.id) == mine
            with pytest.raises(NotFound):
                selectors.get_case(actor, theirs.id)
        assert _images(selectors.list_cases(SYSTEM)) == [theirs.id, mine.id]
        colleague = make.person(team.brand_id, Role.MARKETER)
        assert selectors.list_cases(colleague) == ()

    def test_offers_only_what_the_actor_can_decide(self, team: make.Team) -> None:
        first, second = make.open_case(team), make.open_case(team)
        make.decide(first, team.brand_reviewer)

        def decidable(actor: Any) -> list[Any]:
            return [case.id for case in selectors.list_cases(actor, decidable=True)]

        assert decidable(team.brand_reviewer) == [second.id]
        assert decidable(team.other_brand_reviewer) == [second.id]
        assert decidable(team.compliance_reviewer) == [first.id]
        assert decidable(team.auditor) == decidable(team.requester) == decidable(SYSTEM) == []
        services.add_contribution(
            subject_id=second.subject.id,
            actor_id=team.other_brand_reviewer.id,
            part="editor",
            now=make.NOW,
        )
        assert decidable(team.other_brand_reviewer) == []

    def test_pages_by_key_without_gap_or_repeat(self, team: make.Team) -> None:
        made = [make.open_case(team).id for _ in range(5)]
        for decidable, order in ((False, made[::-1]), (True, made)):
            seen: list[Any] = []
            after = None
            while page := selectors.list_cases(
                team.brand_reviewer, decidable=decidable, after=after, limit=2
            ):
                seen += _images(page)
                after = page[-1].id
            assert seen == order

    def test_filters_by_state_and_brand(self, team: make.Team) -> None:
        case, _open = make.open_case(team), make.open_case(team)
        make.decide(case, team.brand_reviewer, "reject")
        rejected = selectors.list_cases(team.auditor, brand_id=team.brand_id, state="rejected")
        assert [one.id for one in rejected] == [case.id]
        assert selectors.list_cases(team.auditor, brand_id=uuid7()) == ()
        with pytest.raises(InvalidInput):
            selectors.list_cases(team.auditor, state="lost")

    def test_takes_the_same_queries_for_one_as_for_many(self, team: make.Team) -> None:
        def queries() -> int:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                selectors.list_cases(team.auditor)
            return len(captured)

        make.approve(team, make.open_case(team))
        one = queries()
        for _ in range(3):
            make.approve(team, make.open_case(team))
        assert queries() == one <= 4

    @pytest.mark.parametrize("limit", [0, 201])
    def test_refuses_a_page_without_bounds(self, team: make.Team, limit: int) -> None:
        with pytest.raises(InvalidInput):
            selectors.list_cases(team.auditor, limit=limit)
