"""Claims, the next case and giving a case to somebody: who looks at what."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from governance.kernel.errors import InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.notices.models import Notice
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.models import Assignment, Claim
from governance.review.records import StageSpec
from tests.factories import review as make


def _claim(case: Any, actor: Any, **options: Any) -> Any:
    return services.claim(actor=actor, case_id=case.id, now=make.NOW, **options)


def _roster(team: make.Team) -> dict[Role, frozenset[Any]]:
    people = (
        team.requester,
        team.brand_reviewer,
        team.other_brand_reviewer,
        team.compliance_reviewer,
        team.manager,
        team.other_manager,
        team.auditor,
    )
    held: dict[Role, frozenset[Any]] = {}
    for person in people:
        for role in person.roles[team.brand_id]:
            held[role] = held.get(role, frozenset()) | {person.id}
    return held


class TestClaim:
    def test_keeps_others_from_deciding_until_it_ends(self, team: make.Team) -> None:
        case = make.open_case(team)
        held = _claim(case, team.brand_reviewer)
        with pytest.raises(services.ClaimedByOther) as refusal:
            make.decide(case, team.other_brand_reviewer)
        assert refusal.value.facts["person_id"] == str(team.brand_reviewer.id)
        with pytest.raises(services.ClaimedByOther):
            _claim(case, team.other_brand_reviewer)
        assert make.current(case).stages[0].claims[0].until == held.until
        Claim.objects.update(until=Now())
        assert make.current(case).stages[0].claims == ()
        assert make.decide(case, team.other_brand_reviewer).id

    def test_is_renewed_by_looking_again(self, team: make.Team) -> None:
        case = make.open_case(team)
        first = _claim(case, team.brand_reviewer, minutes=1)
        again = _claim(case, team.brand_reviewer, minutes=30)
        assert again.until - first.until > timedelta(minutes=28)
        assert Claim.objects.count() == 1

    def test_ends_with_the_decision(self, team: make.Team) -> None:
        case = make.open_case(team)
        _claim(case, team.brand_reviewer)
        make.decide(case, team.brand_reviewer)
        assert not Claim.objects.filter(until__gt=Now()).exists()

    def test_can_be_given_back(self, team: make.Team) -> None:
        case = make.open_case(team)
        _claim(case, team.brand_reviewer)
        services.release_claim(actor=team.brand_reviewer, case_id=case.id)
        assert _claim(case, team.other_brand_reviewer)

    def test_leaves_as_many_places_as_decisions_lack(self, db: None) -> None:
        team = make.Team()
        third = make.person(team.brand_id, Role.BRAND_REVIEWER)
        make.approved_policy(team, stages=[StageSpec("Brand", Role.BRAND_REVIEWER, quorum=2)])
        case = make.open_case(team)
        _claim(case, team.brand_reviewer)
        _claim(case, team.other_brand_reviewer)
        with pytest.raises(services.ClaimedByOther):
            _claim(case, third)
        make.decide(case, team.brand_reviewer)
        with pytest.raises(services.ClaimedByOther):
            make.decide(case, third)
        assert make.decide(case, team.other_brand_reviewer).case_state == "approved"

    def test_is_for_those_who_may_decide(self, team: make.Team) -> None:
        case = make.open_case(team)
        for actor in (team.compliance_reviewer, team.requester, team.auditor):
            with pytest.raises(NotPermitted):
                _claim(case, actor)
        make.decide(case, team.brand_reviewer)
        with pytest.raises(services.AlreadyDecided):
            _claim(case, team.brand_reviewer)
        make.decide(case, team.compliance_reviewer)
        with pytest.raises(IllegalTransition):
            _claim(case, team.other_brand_reviewer)

    @pytest.mark.parametrize("minutes", [0, 481])
    def test_lasts_no_time_and_no_day(self, team: make.Team, minutes: int) -> None:
        with pytest.raises(InvalidInput):
            _claim(make.open_case(team), team.brand_reviewer, minutes=minutes)


class TestNextCase:
    def test_is_the_riskiest_then_what_is_due_first(self, db: None) -> None:
        team = make.Team()
        make.approved_policy(team, stages=[StageSpec("Brand", Role.BRAND_REVIEWER, due_min=60)])
        calm, risky, later = (make.open_case(team, risk=risk) for risk in (0, 80, 80))
        listed = selectors.list_cases(team.brand_reviewer, decidable=True)
        assert [case.id for case in listed] == [risky.id, later.id, calm.id]

        def claimed(actor: Any) -> Any:
            found = services.claim_next(actor=actor, now=make.NOW)
            return found and found.id

        assert claimed(team.brand_reviewer) == risky.id
        assert claimed(team.brand_reviewer) == risky.id
        assert claimed(team.other_brand_reviewer) == later.id
        make.decide(risky, team.brand_reviewer)
        assert claimed(team.brand_reviewer) == calm.id
        third = make.person(team.brand_id, Role.BRAND_REVIEWER)
        assert claimed(third) is None

    def test_is_of_the_brand_and_market_that_were_asked_for(self, team: make.Team) -> None:
        make.open_case(team, risk=90)
        german = make.open_case(team, market="DE")
        actor = team.brand_reviewer
        found = selectors.next_case(actor, market="DE")
        assert found is not None
        assert found.id == german.id
        assert selectors.next_case(actor, market="FR") is None
        assert selectors.next_case(actor, brand_id=make.Team().brand_id) is None

    def test_pages_through_ties_without_gap_or_repeat(self, team: make.Team) -> None:
        both = make.person(team.brand_id, Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER)
        made = [make.open_case(team, risk=risk).id for risk in (5, 5, 9, 0, 5, 0, 9)]
        seen: list[Any] = []
        after = None
        while page := selectors.list_cases(both, decidable=True, after=after, limit=2):
            seen += [case.id for case in page]
            after = page[-1].id
        assert seen == [made[i] for i in (2, 6, 0, 1, 4, 3, 5)]


class TestAssign:
    def _assign(self, team: make.Team, case: Any, actor: Any, person: Any, **changes: Any) -> Any:
        wanted = {"stage_key": case.stages[0].key, "reason": "She knows the client."} | changes
        return services.assign(
            actor=actor,
            case_id=case.id,
            person_id=person.id,
            roster=_roster(team),
            now=make.NOW,
            **wanted,
        )

    def test_asks_one_person_in_place_of_the_role(self, team: make.Team) -> None:
        case = make.open_case(team)
        given = self._assign(team, case, team.manager, team.other_brand_reviewer)
        assert given.stages[0].assigned_to == team.other_brand_reviewer.id
        assert given.stages[0].asked == (f"person:{team.other_brand_reviewer.id}",)
        with pytest.raises(NotPermitted):
            make.decide(case, team.brand_reviewer)
        assert selectors.list_cases(team.brand_reviewer, decidable=True) == ()
        assert make.decide(case, team.other_brand_reviewer).id
        notice = Notice.objects.get(person_id=team.other_brand_reviewer.id, case_id=case.id)
        assert notice.kind == "review.assigned"
        assert Entry.objects.filter(event="review.turn.assigned").count() == 1
        assert b"client" not in bytes(Assignment.objects.get().reason)

    def test_again_asks_the_other_person(self, team: make.Team) -> None:
        case = make.open_case(team)
        self._assign(team, case, team.manager, team.other_brand_reviewer)
        given = self._assign(team, case, team.compliance_reviewer, team.brand_reviewer)
        assert given.stages[0].asked == (f"person:{team.brand_reviewer.id}",)

    def test_gives_one_of_two_places(self, db: None) -> None:
        team = make.Team()
        make.approved_policy(team, stages=[StageSpec("Brand", Role.BRAND_REVIEWER, quorum=2)])
        case = make.open_case(team)
        given = self._assign(team, case, team.manager, team.compliance_reviewer)
        assert len(given.stages[0].asked) == 2
        given = self._assign(team, case, team.manager, team.brand_reviewer)
        assert set(given.stages[0].asked) == {
            f"person:{team.compliance_reviewer.id}",
            f"person:{team.brand_reviewer.id}",
        }

    def test_reaches_nobody_who_could_not_decide(self, team: make.Team) -> None:
        case = make.open_case(team)
        stranger = make.Team().brand_reviewer
        for person in (team.requester, team.auditor, stranger, team.manager):
            with pytest.raises(services.CannotDecide):
                self._assign(team, case, team.manager, person)

    def test_is_the_managers_and_compliance_and_not_the_requesters(self, team: make.Team) -> None:
        case = make.open_case(team)
        for actor in (team.brand_reviewer, team.requester, team.auditor):
            with pytest.raises(NotPermitted):
                self._assign(team, case, actor, team.other_brand_reviewer)
        services.add_contribution(
            subject_id=case.subject.id, actor_id=team.manager.id, part="author", now=make.NOW
        )
        with pytest.raises(NotPermitted):
            self._assign(team, case, team.manager, team.other_brand_reviewer)

    def test_needs_a_reason_and_an_open_stage(self, team: make.Team) -> None:
        case = make.open_case(team)
        for changes, pointer in (
            ({"reason": " "}, "/reason"),
            ({"stage_key": case.stages[1].key}, "/stage"),
        ):
            with pytest.raises(InvalidInput) as refusal:
                self._assign(team, case, team.manager, team.other_brand_reviewer, **changes)
            assert refusal.value.pointer == pointer
