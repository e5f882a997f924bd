"""`review.decide`: who may, on which bytes, and what follows."""

import json
from dataclasses import replace

import pytest

from governance.kernel.actors import SYSTEM, ActorKind
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.outbox.models import Outbox
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.models import Approval, Decision
from governance.review.records import CaseRecord
from governance.sealing import services as sealing
from tests.factories import review as make


def _events() -> list[str]:
    return list(Entry.objects.order_by("id").values_list("event", flat=True))


def _decisions(case: CaseRecord) -> int:
    return Decision.objects.filter(case_id=case.id).count()


class TestDecide:
    def test_approves_after_every_stage(self, team: make.Team) -> None:
        case = make.open_case(team)
        first = make.decide(case, team.brand_reviewer)
        assert (first.case_state, first.approval_id) == ("open", None)
        assert make.current(case).stage.name == "Compliance"
        last = make.decide(case, team.compliance_reviewer)
        assert last.case_state == "approved"
        closed = make.current(case)
        assert (closed.state, closed.stage, closed.closed_at) == ("approved", None, make.NOW)
        approval = selectors.get_approval(case_id=case.id)
        assert approval.id == last.approval_id == closed.approval_id
        assert (approval.subject_id, approval.sha256) == (case.subject.id, case.subject.sha256)

    def test_records_each_act_in_the_ledger(self, team: make.Team) -> None:
        before = len(_events())
        approval_id = make.approve(team, make.open_case(team))
        assert _events()[before:] == [
            "review.case.opened",
            "review.case.decided",
            "review.case.decided",
            "review.case.approved",
        ]
        approval = selectors.get_approval(approval_id=approval_id)
        content = json.loads(bytes(Entry.objects.get(id=approval.entry_id).body))
        assert content["subject"] == {
            "kind": "asset",
            "id": str(approval.subject_id),
            "sha256": approval.sha256,
        }
        assert content["facts"]["approval_id"] == str(approval_id)
        assert content["facts"]["contributors"] == [str(team.requester.id)]
        assert [stage["reviewers"] for stage in content["facts"]["stages"]] == [
            [str(team.brand_reviewer.id)],
            [str(team.compliance_reviewer.id)],
        ]

    def test_wakes_the_publisher_for_an_asset_only(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.approve(team, case)
        hint = Outbox.objects.get(task="publishing.release")
        assert (hint.queue, hint.kwargs) == ("publisher", {"case_id": str(case.id)})
        make.approved_policy(team, kind="template_version")
        make.approve(team, make.open_case(team, kind="template_version"))
        assert Outbox.objects.filter(task="publishing.release").count() == 1

    @pytest.mark.parametrize(
        ("verdict", "state", "event"),
        [
            ("reject", "rejected", "review.case.rejected"),
            ("request_changes", "changes_requested", "review.case.changes_requested"),
        ],
    )
    def test_ends_the_case_when_turned_down(
        self, team: make.Team, verdict: str, state: str, event: str
    ) -> None:
        case = make.open_case(team)
        decision = make.decide(case, team.brand_reviewer, verdict)
        assert (decision.case_state, decision.approval_id) == (state, None)
        assert _events()[-2:] == ["review.case.decided", event]
        assert not Approval.objects.filter(case_id=case.id).exists()
        with pytest.raises(IllegalTransition):
            make.decide(case, team.compliance_reviewer)

    def test_waits_for_the_whole_quorum_of_a_stage(self, db: None) -> None:
        team = make.Team()
        make.approved_policy(team, stages=[replace(make.BRAND_STAGE, quorum=2)])
        case = make.open_case(team)
        assert make.decide(case, team.brand_reviewer).case_state == "open"
        assert make.decide(case, team.other_brand_reviewer).case_state == "approved"

    def test_refuses_bytes_that_changed(self, team: make.Team) -> None:
        case = make.open_case(team)
        seen = replace(case, subject=replace(case.subject, sha256="0" * 64))
        with pytest.raises(services.BytesChanged):
            make.decide(seen, team.brand_reviewer)
        assert _decisions(case) == 0

    def test_refuses_a_second_decision_of_the_same_person(self, team: make.Team) -> None:
        case = make.open_case(team)
        both = make.person(team.brand_id, Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER)
        make.decide(case, both)
        with pytest.raises(services.AlreadyDecided):
            make.decide(case, both)

    @pytest.mark.parametrize("verdict", ["reject", "request_changes"])
    @pytest.mark.parametrize("reason", ["", "  \n"])
    def test_asks_for_a_reason_to_turn_down(
        self, team: make.Team, verdict: str, reason: str
    ) -> None:
        case = make.open_case(team)
        with pytest.raises(services.ReasonRequired) as refusal:
            make.decide(case, team.brand_reviewer, verdict, reason)
        assert (refusal.value.status, refusal.value.pointer) == (422, "/reason")

    def test_seals_the_reason(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.decide(case, team.brand_reviewer, "reject", "Anna's face is visible.")
        stored = Decision.objects.get(case_id=case.id).reason
        assert b"Anna" not in stored
        assert all(
            b"Anna" not in bytes(body) for body in Entry.objects.values_list("body", flat=True)
        )
        assert make.current(case).stages[0].decisions[0].reason == "Anna's face is visible."

    def test_keeps_the_verdict_when_the_reason_is_erased(self, team: make.Team) -> None:
        case = make.open_case(team)
        make.decide(case, team.brand_reviewer, "reject", "Anna's face is visible.")
        sealing.destroy_key(actor=SYSTEM, person_id=team.brand_reviewer.id, now=make.NOW)
        given = make.current(case).stages[0].decisions[0]
        assert (given.verdict, given.reason) == ("reject", None)

    @pytest.mark.parametrize("verdict", ["", "maybe", "void", "APPROVE"])
    def test_refuses_what_is_no_verdict(self, team: make.Team, verdict: str) -> None:
        case = make.open_case(team)
        with pytest.raises(InvalidInput) as refusal:
            make.decide(case, team.brand_reviewer, verdict)
        assert refusal.value.pointer == "/verdict"

    def test_refuses_a_reason_without_end(self, team: make.Team) -> None:
        case = make.open_case(team)
        with pytest.raises(InvalidInput):
            make.decide(case, team.brand_reviewer, "reject", "x" * 4001)
        assert _decisions(case) == 0


class TestWhoDecides:
    def test_refuses_whoever_had_a_part(self, team: make.Team) -> None:
        case = make.open_case(team)
        author = make.person(team.brand_id, Role.BRAND_REVIEWER)
        services.add_contribution(
            subject_id=case.subject.id, actor_id=author.id, part="editor", now=make.NOW
        )
        with pytest.raises(NotPermitted):
            make.decide(case, author)

    def test_refuses_the_other_stages_role(self, team: make.Team) -> None:
        with pytest.raises(NotPermitted):
            make.decide(make.open_case(team), team.compliance_reviewer)

    def test_refuses_the_same_role_of_another_brand(self, team: make.Team) -> None:
        stranger = make.Team()
        with pytest.raises(NotFound):
            make.decide(make.open_case(team), stranger.brand_reviewer)

    def test_refuses_those_who_only_read(self, team: make.Team) -> None:
        with pytest.raises(NotPermitted):
            make.decide(make.open_case(team), team.auditor)

    def test_refuses_the_requester(self, team: make.Team) -> None:
        case = make.open_case(team)
        promoted = replace(team.requester, roles={team.brand_id: frozenset({Role.BRAND_REVIEWER})})
        with pytest.raises(NotPermitted):
            make.decide(case, promoted)

    def test_gives_the_platform_admin_no_way_around(self, team: make.Team) -> None:
        case = make.open_case(team)
        admin = make.person(team.brand_id, is_platform_admin=True)
        with pytest.raises(NotFound):
            make.decide(case, admin)
        member = make.person(team.brand_id, Role.MARKETER, Role.AUDITOR, is_platform_admin=True)
        with pytest.raises(NotPermitted):
            make.decide(case, member)

    def test_refuses_a_key_and_the_system(self, team: make.Team) -> None:
        case = make.open_case(team)
        key = replace(
            team.brand_reviewer,
            kind=ActorKind.INTEGRATION,
            scopes=frozenset({"review:case:read", "review:case:decide"}),
        )
        for actor in (key, SYSTEM):
            with pytest.raises(NotPermitted):
                make.decide(case, actor)
        assert _decisions(case) == 0
