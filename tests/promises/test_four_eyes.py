"""Promise 3, four eyes: nobody decides on what they had a part in; SQL, races, any order."""

from collections.abc import Callable
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.licences import services as licence_services
from governance.policy.permits import NotPermitted
from governance.review import services
from governance.review.models import Approval, Case, Contribution, Decision
from governance.review.records import CaseRecord
from governance.review.services import _turns
from governance.tables import guards
from tests import databases
from tests.factories import review as make
from tests.promises import (
    attacks,
    races,
    test_gate,
    test_licences,
    test_quota_requests,
)
from tests.promises.attacks import Attack, change, copied, count, delete, insert, replace


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)


class Scene:
    """A case that waits for its first decision, and one that a reviewer has decided."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.team = make.Team()
        make.approved_policy(self.team)
        self.case = make.open_case(self.team)
        self.decided = make.open_case(self.team)
        make.decide(self.decided, self.team.brand_reviewer)
        self.contribution: UUID = Contribution.objects.get(subject_id=self.case.subject.id).id

    def decision(self, reviewer: Actor) -> dict[str, Any]:
        return {
            "id": self.id,
            "created_at": make.NOW,
            "case_id": self.case.id,
            "subject_id": self.case.subject.id,
            "sha256": self.case.subject.sha256,
            "stage_id": self.case.stages[0].id,
            "reviewer_id": reviewer.id,
            "verdict": "approve",
            "reason": None,
            "policy_id": self.case.policy_id,
            "delivery_id": test_gate.delivered(self.case, reviewer.id),
            "authenticated_at": make.NOW,
            "seen_s": 0,
        }

    def joins(self, case: CaseRecord, person: Actor) -> dict[str, Any]:
        return {
            "id": self.id,
            "created_at": make.NOW,
            "subject_id": case.subject.id,
            "actor_id": person.id,
            "part": "editor",
        }


CONTRIBUTIONS: tuple[Attack[Scene], ...] = (
    Attack(
        "review one's own work",
        ["review_decision_by_contributor"],
        lambda s: insert("review_decision", **s.decision(s.team.requester)),
        lambda s: count("review_decision", id=s.id) == 1,
    ),
    Attack(
        "forge the author, then review",
        ["review_contribution_append_only"],
        lambda s: (
            change("review_contribution", s.contribution, actor_id=s.team.auditor.id),
            insert("review_decision", **s.decision(s.team.requester)),
        ),
        lambda s: count("review_decision", id=s.id) == 1,
    ),
    Attack(
        "erase one's part, then review",
        ["review_contribution_append_only"],
        lambda s: (
            delete("review_contribution", s.contribution),
            insert("review_decision", **s.decision(s.team.requester)),
        ),
        lambda s: count("review_decision", id=s.id) == 1,
    ),
    Attack(
        "replace one's part by its id, then review",
        ["review_contribution_append_only"],
        lambda s: (
            replace(
                "review_contribution",
                key="id",
                **{
                    **copied("review_contribution", s.contribution),
                    "actor_id": s.team.auditor.id.hex,
                },
            ),
            insert("review_decision", **s.decision(s.team.requester)),
        ),
        lambda s: count("review_decision", id=s.id) == 1,
    ),
    Attack(
        "replace one's part by its key",
        ["review_contribution_once"],
        lambda s: replace(
            "review_contribution",
            key="id",
            **{**copied("review_contribution", s.contribution), "id": s.id.hex},
        ),
        lambda s: count("review_contribution", id=s.id) == 1,
        vendor="sqlite",
    ),
    Attack(
        "join in after deciding",
        ["review_contribution_after_deciding"],
        lambda s: insert("review_contribution", **s.joins(s.decided, s.team.brand_reviewer)),
        lambda s: count("review_contribution", id=s.id) == 1,
    ),
)


@pytest.mark.django_db(transaction=True)
def test_nobody_decides_on_their_own_work(subtests: pytest.Subtests) -> None:
    attacks.play(CONTRIBUTIONS, Scene(), subtests)


@pytest.mark.django_db
class TestNoRoleStandsAbove:
    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.PLATFORM_ADMIN])
    def test_no_role_lets_a_contributor_decide(self, role: Role) -> None:
        team = make.Team()
        make.approved_policy(team)
        case = make.open_case(team)
        everything = replaced(
            team.requester,
            roles={team.brand_id: frozenset(Role)},
            is_platform_admin=True,
        )
        only = replaced(team.requester, roles={team.brand_id: frozenset({role})})
        for actor in (everything, only):
            with pytest.raises(NotPermitted):
                make.decide(case, actor)
        assert not Decision.objects.filter(case_id=case.id).exists()

    def test_nobody_approves_their_own_policy(self) -> None:
        team = make.Team()
        make.found(team.brand_id)
        make.found(team.brand_id)
        everything = replaced(
            team.manager, roles={team.brand_id: frozenset(Role)}, is_platform_admin=True
        )
        proposed = services.propose_policy(
            actor=everything,
            brand_id=team.brand_id,
            subject_kind="asset",
            name="Mine",
            stages=make.TWO_STAGES,
            now=make.NOW,
        )
        with pytest.raises(NotPermitted):
            services.approve_policy(
                actor=everything,
                policy_id=proposed.id,
                sha256=proposed.sha256,
                now=make.NOW,
            )


# Races: two connections, both orders. SQLite has one writer, so only PostgreSQL can show them.


@pytest.fixture
def race() -> Callable[[Callable[[], None], Callable[[], None]], list[str]]:
    """Run two acts at once, and say which of them committed."""
    return races.run


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
class TestRaces:
    def test_a_contribution_and_a_decision_cannot_pass_each_other(self, race: Any) -> None:
        scene = Scene()
        reviewer = scene.team.brand_reviewer

        def decides() -> None:
            insert("review_decision", **scene.decision(reviewer))

        def joins() -> None:
            insert("review_contribution", **scene.joins(scene.case, reviewer))

        assert race(decides, joins) == ["first committed", "second refused"]
        other = Scene()
        scene = other
        reviewer = other.team.brand_reviewer
        assert race(joins, decides) == ["first committed", "second refused"]

    def test_without_the_guard_both_get_through(self, race: Any) -> None:
        """The negative control: the harness can see the bug that the guard prevents."""
        scene = Scene()
        reviewer = scene.team.brand_reviewer
        # Both take the lock that lets one of the two wait.
        named = {"review_contribution_after_deciding", "review_contribution_after_break_glass"}
        chosen = [guard for guard in guards.manifest() if guard.name in named]
        with databases.as_owner():
            guards.drop(connection, iter(chosen))
        try:
            outcome: list[str] = []

            def decides() -> None:
                insert("review_decision", **scene.decision(reviewer))

            def joins() -> None:
                insert("review_contribution", **scene.joins(scene.case, reviewer))

            with pytest.raises(AssertionError, match="did not wait"):
                outcome = race(decides, joins)
            assert outcome == []
            assert count("review_decision", id=scene.id) == 1
            assert count("review_contribution", id=scene.id) == 1
        finally:
            with databases.as_owner():
                guards.install(connection)

    @pytest.mark.parametrize("rejection_first", [True, False])
    def test_two_deciders_never_leave_an_approval_against_a_rejection(
        self, race: Any, *, rejection_first: bool
    ) -> None:
        team = make.Team()
        make.approved_policy(team, stages=[make.BRAND_STAGE])
        case = make.open_case(team)

        def approves() -> None:
            make.decide(case, team.brand_reviewer)

        def rejects() -> None:
            make.decide(case, team.other_brand_reviewer, "reject")

        order = (rejects, approves) if rejection_first else (approves, rejects)
        assert race(*order) == ["first committed", "second refused"]
        state = make.current(case).state
        assert state == ("rejected" if rejection_first else "approved")
        assert Approval.objects.filter(case=case.id).count() == (0 if rejection_first else 1)

    @pytest.mark.parametrize("void_first", [True, False])
    def test_a_void_and_a_release_cannot_pass_each_other(
        self, race: Any, tmp_path: Path, *, void_first: bool
    ) -> None:
        team = make.Team()
        make.approved_policy(team)
        case = make.open_case(team)
        approval_id = make.approve(team, case)
        make.checkpoint(tmp_path / "relay")

        def voids() -> None:
            change("review_case", case.id, state="voided")

        def releases() -> None:
            insert(
                "release_release",
                id=uuid7(),
                created_at=make.NOW,
                approval_id=approval_id,
                subject_id=case.subject.id,
                brand_id=case.brand_id,
                reviewed_sha256=case.subject.sha256,
                marked_sha256="f" * 64,
                media_type="image/png",
                marking_profile="xmp+c2pa/1",
            )

        order = (voids, releases) if void_first else (releases, voids)
        assert race(*order) == ["first committed", "second refused"]

    def test_two_deciders_of_one_quorum_make_one_approval(self, race: Any) -> None:
        team = make.Team()
        make.approved_policy(team, stages=[replaced(make.BRAND_STAGE, quorum=2)])
        case = make.open_case(team)
        outcome = race(
            lambda: make.decide(case, team.brand_reviewer),
            lambda: make.decide(case, team.other_brand_reviewer),
        )
        assert outcome == ["first committed", "second committed"]
        assert make.current(case).state == "approved"
        assert Approval.objects.filter(case=case.id).count() == 1


# What one person puts on record and another must agree to, outside review.


@pytest.mark.django_db(transaction=True)
class TestLicencesAndQuotas:
    def test_nobody_agrees_to_the_licence_that_they_proposed(
        self, subtests: pytest.Subtests
    ) -> None:
        scene = test_licences.Scene()
        with pytest.raises(NotPermitted):
            licence_services.agree_licence(
                actor=scene.proposer, licence_id=scene.waiting.id, now=make.NOW
            )
        own = [row for row in test_licences.ATTACKS if row.name == "agree to one's own proposal"]
        assert own
        attacks.play(own, scene, subtests)

    def test_nobody_decides_about_more_for_themselves(self, subtests: pytest.Subtests) -> None:
        scene = test_quota_requests.Scene()
        everybody = replaced(scene.office.marketer, is_platform_admin=True)
        for decide in (scene.office.grant, scene.office.decline):
            with pytest.raises(NotPermitted):
                decide(scene.open, everybody)
        rows = (*test_quota_requests.GRANTS, *test_quota_requests.DECISIONS)
        own = [row for row in rows if "one's own request" in row.name]
        assert len(own) == 2
        attacks.play(own, scene, subtests)


# Any order: whatever is called, an approval has its quorum of other people behind it.

SEATS = (
    "requester",
    "brand_reviewer",
    "other_brand_reviewer",
    "compliance_reviewer",
    "manager",
    "other_manager",
    "auditor",
    "everybody",
)


REVIEWERS = ("brand_reviewer", "other_brand_reviewer", "compliance_reviewer", "everybody")


class ReviewMachine(RuleBasedStateMachine):
    """Calls the services in any order, as anybody; errors are normal, a hollow approval is not."""

    approvals_seen = 0

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    @initialize(quorum=st.integers(1, 2))
    def start(self, quorum: int) -> None:
        self.team = make.Team()
        self.everybody = make.person(
            self.team.brand_id, *(role for role in Role if role is not Role.PLATFORM_ADMIN)
        )
        self.policy = make.approved_policy(
            self.team,
            stages=[replaced(make.BRAND_STAGE, quorum=quorum), make.COMPLIANCE_STAGE],
        )
        self.about = make.subject(self.team)
        self.case = make.open_case(self.team, self.about)

    def _actor(self, seat: str) -> Actor:
        actor: Actor = self.everybody if seat == "everybody" else getattr(self.team, seat)
        return actor

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            with transaction.atomic():
                act()
        except DomainError:
            pass

    @rule(seat=st.sampled_from(REVIEWERS))
    def approve(self, seat: str) -> None:
        self._try(lambda: make.decide(self.case, self._actor(seat)))

    @rule(is_other=st.booleans())
    def approve_in_turn(self, *, is_other: bool) -> None:
        stage = make.current(self.case).stage
        if stage is not None and stage.role is Role.COMPLIANCE_REVIEWER:
            self.approve("compliance_reviewer")
        else:
            self.approve("other_brand_reviewer" if is_other else "brand_reviewer")

    @rule(
        seat=st.sampled_from(SEATS),
        verdict=st.sampled_from(["approve", "reject", "request_changes"]),
        same_bytes=st.booleans(),
    )
    def decide(self, seat: str, verdict: str, *, same_bytes: bool) -> None:
        sha256 = str(self.about.sha256) if same_bytes else "0" * 64
        make.deliver(self.case, self._actor(seat))
        self._try(
            lambda: services.decide(
                actor=self._actor(seat),
                case_id=self.case.id,
                verdict=verdict,
                sha256=sha256,
                reason="Because.",
                now=make.NOW,
            )
        )

    @rule(seat=st.sampled_from(SEATS))
    def contribute(self, seat: str) -> None:
        self._try(
            lambda: services.add_contribution(
                subject_id=self.about.id,
                actor_id=self._actor(seat).id,
                part="editor",
                now=make.NOW,
            )
        )

    @rule(seat=st.sampled_from(SEATS))
    def void(self, seat: str) -> None:
        self._try(
            lambda: services.void_case(
                actor=self._actor(seat), case_id=self.case.id, reason="Old.", now=make.NOW
            )
        )

    @rule()
    def open_again(self) -> None:
        def act() -> None:
            self.case = make.open_case(self.team, self.about)

        self._try(act)

    @rule()
    def change_the_policy(self) -> None:
        self._try(lambda: make.approved_policy(self.team, stages=[make.BRAND_STAGE]))

    @invariant()
    def an_approval_is_never_hollow(self) -> None:
        if not hasattr(self, "case"):
            return
        authors = set(
            Contribution.objects.filter(subject_id=self.about.id).values_list("actor_id", flat=True)
        )
        for approval in Approval.objects.filter(subject_id=self.about.id):
            ReviewMachine.approvals_seen += 1
            case = Case.objects.get(id=approval.case_id)
            assert case.state in {"approved", "voided"}
            decisions = list(Decision.objects.filter(case=case))
            assert {decision.verdict for decision in decisions} == {"approve"}
            assert {decision.sha256 for decision in decisions} == {self.about.sha256}
            assert not authors & {decision.reviewer_id for decision in decisions}
            for stage in case.policy.stages.all():
                voices = {d.reviewer_id for d in decisions if d.stage_id == stage.id}
                assert len(voices) >= stage.quorum

    @invariant()
    def an_approved_case_has_its_approval(self) -> None:
        for case in Case.objects.filter(state="approved"):
            assert Approval.objects.filter(case=case).count() == 1

    @invariant()
    def a_subject_has_one_case_that_is_not_void(self) -> None:
        if hasattr(self, "about"):
            living = Case.objects.filter(subject_id=self.about.id).exclude(state="voided")
            assert living.count() <= 1


MACHINE = settings(
    max_examples=30,
    stateful_step_count=16,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.django_db
def test_no_sequence_of_calls_makes_a_hollow_approval() -> None:
    ReviewMachine.approvals_seen = 0
    run_state_machine_as_test(ReviewMachine, settings=MACHINE)
    assert ReviewMachine.approvals_seen > 0, "no sequence reached an approval: nothing was shown"


@pytest.mark.django_db(transaction=True)
def test_the_machine_finds_a_hollow_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a service that forgets to count, on a database that lets it."""
    monkeypatch.setattr(_turns, "lacking", lambda _turn: 0)
    with databases.as_owner(), transaction.atomic():
        attacks.without(
            [
                "review_approval_quorum",
                "review_case_stage_by_stage",
                "review_turn_closes_when_done",
            ]
        )
        with pytest.raises(AssertionError):
            run_state_machine_as_test(
                ReviewMachine, settings=settings(MACHINE, phases=[Phase.generate])
            )
        transaction.set_rollback(True)
