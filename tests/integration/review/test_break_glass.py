"""Break-glass: two people, a reason, a countdown nobody shortens, and a judgement afterwards."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.notices import selectors as notices
from governance.outbox.models import Outbox
from governance.policy.freshness import ReauthenticationNeeded
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.models import Approval, BreakGlass
from governance.review.records import BreakGlassRecord, CaseRecord
from tests.factories import break_glass as emergency
from tests.factories import review as make

ADMIN = uuid7()
waits_for_the_countdown = pytest.mark.django_db(transaction=True)


@pytest.fixture
def case(team: make.Team) -> CaseRecord:
    return make.open_case(team)


class TestOpen:
    def test_changes_nothing_yet(self, team: make.Team, case: CaseRecord) -> None:
        opened = emergency.open_it(case, team.manager)
        assert (opened.state, opened.opened_by) == ("opened", team.manager.id)
        assert (opened.reason, opened.effective_at) == (emergency.WHY, None)
        assert make.current(case).state == "open"
        assert _events()[-1] == "review.break_glass.opened"

    def test_keeps_its_reason_sealed(self, team: make.Team, case: CaseRecord) -> None:
        emergency.open_it(case, team.manager)
        entry = Entry.objects.order_by("-id").first()
        assert entry is not None
        for stored in (bytes(BreakGlass.objects.get().reason), bytes(entry.body)):
            assert b"campaign" not in stored

    def test_is_for_two_roles(self, team: make.Team, case: CaseRecord) -> None:
        admin = make.person(team.brand_id, is_platform_admin=True)
        for actor in (team.requester, team.brand_reviewer, team.auditor, SYSTEM):
            with pytest.raises(NotPermitted):
                emergency.open_it(case, actor)
        for hidden in (admin, make.Team().compliance_reviewer):
            with pytest.raises(NotFound):
                emergency.open_it(case, hidden)
        assert not BreakGlass.objects.exists()
        assert emergency.open_it(case, team.compliance_reviewer).state == "opened"

    def test_is_not_for_a_contributor(self, team: make.Team, case: CaseRecord) -> None:
        services.add_contribution(
            subject_id=case.subject.id, actor_id=team.manager.id, part="editor", now=make.NOW
        )
        with pytest.raises(NotPermitted):
            emergency.open_it(case, team.manager)

    def test_needs_the_password_again(self, team: make.Team, case: CaseRecord) -> None:
        for at in (None, make.NOW - timedelta(hours=1), make.NOW + timedelta(minutes=1)):
            with pytest.raises(ReauthenticationNeeded):
                emergency.open_it(case, replace(team.manager, authenticated_at=at))

    def test_needs_a_look_at_these_bytes(self, team: make.Team, case: CaseRecord) -> None:
        with pytest.raises(services.BytesChanged):
            emergency.open_it(case, team.manager, sha256=sha256_hex(b"stale"))
        with pytest.raises(services.NotSeen):
            services.open_break_glass(
                actor=team.compliance_reviewer,
                case_id=case.id,
                sha256=str(case.subject.sha256),
                reason=emergency.WHY,
                roster_of=emergency.nobody,
                now=make.NOW,
            )

    def test_at_a_time_before_the_look_is_refused(self, team: make.Team, case: CaseRecord) -> None:
        make.deliver(case, team.manager, make.NOW + timedelta(minutes=5))
        with pytest.raises(services.ClockWentBack):
            emergency.open_it(case, team.manager)

    @pytest.mark.parametrize("reason", ["", " \n", "x" * 4001])
    def test_needs_a_reason(self, team: make.Team, case: CaseRecord, reason: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            emergency.open_it(case, team.manager, reason=reason)
        assert refused.value.pointer == "/reason"

    def test_happens_once_at_a_time(self, team: make.Team, case: CaseRecord) -> None:
        opened = emergency.open_it(case, team.manager)
        with pytest.raises(services.BreakGlassLive):
            emergency.open_it(case, team.compliance_reviewer)
        _stop(opened, team.brand_reviewer)
        assert emergency.open_it(case, team.compliance_reviewer).state == "opened"

    @pytest.mark.parametrize("verdict", ["reject", "request_changes"])
    def test_never_overrides_an_objection(
        self, team: make.Team, case: CaseRecord, verdict: str
    ) -> None:
        make.decide(case, team.brand_reviewer, verdict)
        with pytest.raises((services.CaseClosed, services.NotSeen)):
            emergency.open_it(case, team.manager)
        assert not BreakGlass.objects.exists()

    def test_records_a_refused_attempt(self, team: make.Team, case: CaseRecord) -> None:
        with pytest.raises(services.BytesChanged):
            emergency.open_it(case, team.manager, sha256=sha256_hex(b"stale"))
        entry = Entry.objects.order_by("-id").first()
        assert entry is not None
        assert entry.event == "review.break_glass.refused"
        facts = json.loads(bytes(entry.body))["facts"]
        assert facts["code"] == "bytes_changed"
        assert facts["sha256"] == sha256_hex(b"stale")
        assert make.current(case).state == "open"


class TestConfirm:
    def test_starts_the_countdown_by_the_databases_clock(
        self, team: make.Team, case: CaseRecord, settings: Any
    ) -> None:
        long_ago = make.NOW - timedelta(days=365)
        opened = emergency.open_it(
            case, replace(team.manager, authenticated_at=long_ago), now=long_ago
        )
        actor = replace(team.compliance_reviewer, authenticated_at=long_ago)
        found = emergency.confirm(opened, actor, now=long_ago)
        assert (found.state, found.confirmed_by) == ("confirmed", team.compliance_reviewer.id)
        assert found.confirmed_at == long_ago
        # The clock of the process was a year behind, and the countdown does not care.
        assert found.effective_at is not None
        assert found.effective_at > make.NOW - timedelta(days=1)

    def test_is_for_another_person(self, team: make.Team, case: CaseRecord) -> None:
        opened = emergency.open_it(case, team.manager)
        services.add_contribution(
            subject_id=case.subject.id, actor_id=team.other_manager.id, part="editor", now=make.NOW
        )
        for actor in (team.manager, team.other_manager, team.brand_reviewer, team.auditor):
            with pytest.raises(NotPermitted):
                emergency.confirm(opened, actor)
        with pytest.raises(NotFound):
            emergency.confirm(opened, make.Team().compliance_reviewer)
        assert BreakGlass.objects.get().state == "opened"

    def test_needs_the_same_proofs(self, team: make.Team, case: CaseRecord) -> None:
        opened = emergency.open_it(case, team.manager)
        late = replace(team.compliance_reviewer, authenticated_at=None)
        with pytest.raises(ReauthenticationNeeded):
            emergency.confirm(opened, late)
        with pytest.raises(services.BytesChanged):
            emergency.confirm(opened, team.compliance_reviewer, sha256=sha256_hex(b"stale"))
        with pytest.raises(services.NotSeen):
            services.confirm_break_glass(
                actor=team.other_manager,
                break_glass_id=opened.id,
                sha256=str(case.subject.sha256),
                roster_of=emergency.nobody,
                now=make.NOW,
            )

    def test_happens_once(self, team: make.Team, case: CaseRecord) -> None:
        found = emergency.confirmed(team, case)
        with pytest.raises(IllegalTransition):
            emergency.confirm(found, team.other_manager)

    def test_is_too_late_when_the_case_was_turned_down(
        self, team: make.Team, case: CaseRecord
    ) -> None:
        opened = emergency.open_it(case, team.manager)
        make.deliver(case, team.compliance_reviewer)
        make.decide(case, team.brand_reviewer, "reject")
        with pytest.raises(services.CaseClosed):
            emergency.confirm(opened, team.compliance_reviewer)


class TestStop:
    @pytest.mark.parametrize("is_confirmed", [False, True])
    def test_is_for_every_reviewer_until_it_is_used(
        self, team: make.Team, case: CaseRecord, *, is_confirmed: bool
    ) -> None:
        found = emergency.open_it(case, team.manager)
        if is_confirmed:
            found = emergency.confirm(found, team.compliance_reviewer)
        for actor in (team.requester, team.auditor):
            with pytest.raises(NotPermitted):
                _stop(found, actor)
        stopped = _stop(found, team.brand_reviewer)
        assert (stopped.state, stopped.stopped_by) == ("stopped", team.brand_reviewer.id)
        with pytest.raises(IllegalTransition):
            emergency.use(found, team.manager)


class TestUse:
    def test_waits_for_the_countdown(self, team: make.Team, case: CaseRecord) -> None:
        found = emergency.confirmed(team, case)
        with pytest.raises(services.CountdownRuns):
            emergency.use(found, team.manager, now=make.NOW)
        # A process whose clock runs ahead shortens nothing.
        ahead = make.NOW + timedelta(days=2)
        with pytest.raises(services.CountdownRuns):
            emergency.use(found, replace(team.manager, authenticated_at=ahead), now=ahead)
        assert make.current(case).state == "open"

    def test_needs_the_second_person(self, team: make.Team, case: CaseRecord) -> None:
        opened = emergency.open_it(case, team.manager)
        with pytest.raises(IllegalTransition):
            emergency.use(opened, team.manager)

    @waits_for_the_countdown
    def test_approves_these_bytes(self, team: make.Team, case: CaseRecord) -> None:
        found = emergency.confirmed(team, case)
        emergency.let_countdown_pass(found)
        done = emergency.use(found, team.compliance_reviewer)
        assert (done.state, done.case_state, done.used_at) == ("used", "approved", make.NOW)
        assert done.judge_until is not None
        approval = Approval.objects.get(case_id=case.id)
        assert (approval.sha256, approval.break_glass_id) == (case.subject.sha256, found.id)
        content = json.loads(bytes(Entry.objects.get(id=approval.entry_id).body))
        assert content["facts"]["break_glass_id"] == str(found.id)
        assert Outbox.objects.filter(task="publishing.release").count() == 1
        assert "review.break_glass.used" in _events()
        with pytest.raises(IllegalTransition):
            emergency.use(found, team.manager)

    @waits_for_the_countdown
    def test_is_for_the_two_alone_while_they_hold_their_roles(
        self, team: make.Team, case: CaseRecord
    ) -> None:
        found = emergency.confirmed(team, case)
        emergency.let_countdown_pass(found)
        demoted = make.person(team.brand_id, Role.MARKETER, Role.AUDITOR, id=team.manager.id)
        stale = replace(team.manager, authenticated_at=None)
        for actor, error in (
            (team.other_manager, NotPermitted),
            (team.brand_reviewer, NotPermitted),
            (SYSTEM, NotPermitted),
            (demoted, NotPermitted),
            (stale, ReauthenticationNeeded),
        ):
            with pytest.raises(error):
                emergency.use(found, actor)
        assert not Approval.objects.filter(case_id=case.id).exists()

    @waits_for_the_countdown
    @pytest.mark.parametrize("end", ["reject", "request_changes", "void"])
    def test_never_overrides_an_objection(
        self, team: make.Team, case: CaseRecord, end: str
    ) -> None:
        found = emergency.confirmed(team, case)
        emergency.let_countdown_pass(found)
        if end == "void":
            services.void_case(actor=team.manager, case_id=case.id, reason="Old.", now=make.NOW)
        else:
            make.decide(case, team.brand_reviewer, end)
        with pytest.raises(services.CaseClosed):
            emergency.use(found, team.manager)
        assert not Approval.objects.filter(case_id=case.id).exists()

    @waits_for_the_countdown
    def test_counts_as_a_part_from_then_on(self, team: make.Team, case: CaseRecord) -> None:
        found = emergency.used(team, case)
        for person_id in (found.opened_by, found.confirmed_by):
            with pytest.raises(services.ContributedAfterDeciding):
                services.add_contribution(
                    subject_id=case.subject.id, actor_id=person_id, part="editor", now=make.NOW
                )


@waits_for_the_countdown
class TestJudge:
    def test_is_a_third_persons(self, team: make.Team, case: CaseRecord) -> None:
        found = emergency.used(team, case)
        both = make.person(team.brand_id, Role.COMPLIANCE_REVIEWER, id=team.manager.id)
        made = make.person(team.brand_id, Role.COMPLIANCE_REVIEWER, id=team.requester.id)
        for actor in (team.compliance_reviewer, both, made, team.other_manager, team.auditor):
            with pytest.raises(NotPermitted):
                _judge(found, actor)
        third = make.person(team.brand_id, Role.COMPLIANCE_REVIEWER)
        with pytest.raises(ReauthenticationNeeded):
            _judge(found, replace(third, authenticated_at=None))
        judged = _judge(found, third)
        assert (judged.state, judged.judged_by) == ("upheld", third.id)
        assert judged.judgement_reason == "It was needed."
        with pytest.raises(IllegalTransition):
            _judge(found, third, verdict="fault")

    def test_of_a_fault_takes_back_in_the_same_transaction(
        self, team: make.Team, case: CaseRecord
    ) -> None:
        found = emergency.used(team, case)
        third = make.person(team.brand_id, Role.COMPLIANCE_REVIEWER)

        def fails(_faulted: BreakGlassRecord) -> None:
            raise IllegalTransition("The release cannot be taken back now.")

        with pytest.raises(IllegalTransition):
            _judge(found, third, verdict="fault", on_fault=fails)
        assert BreakGlass.objects.get().state == "used"
        taken: list[BreakGlassRecord] = []
        _judge(found, third, verdict="uphold", on_fault=taken.append)
        assert taken == []

    def test_tells_the_fault(self, team: make.Team, case: CaseRecord) -> None:
        found = emergency.used(team, case)
        third = make.person(team.brand_id, Role.COMPLIANCE_REVIEWER)
        taken: list[BreakGlassRecord] = []
        judged = _judge(found, third, verdict="fault", on_fault=taken.append)
        assert taken == [judged]
        assert judged.state == "faulted"
        assert _events()[-1] == "review.break_glass.faulted"

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [({"verdict": "used"}, "/verdict"), ({"reason": " "}, "/reason")],
    )
    def test_says_which_and_why(
        self, team: make.Team, case: CaseRecord, changes: dict[str, str], pointer: str
    ) -> None:
        found = emergency.used(team, case)
        third = make.person(team.brand_id, Role.COMPLIANCE_REVIEWER)
        with pytest.raises(InvalidInput) as refused:
            _judge(found, third, **changes)
        assert refused.value.pointer == pointer


class TestAlarm:
    @waits_for_the_countdown
    def test_tells_everybody_who_watches_at_each_act(
        self, team: make.Team, case: CaseRecord
    ) -> None:
        with capture_logs() as logs:
            found = emergency.open_it(case, team.manager, roster_of=_roster(team))
            emergency.confirm(found, team.compliance_reviewer, roster_of=_roster(team))
            emergency.let_countdown_pass(found)
            emergency.use(found, team.manager, roster_of=_roster(team))
        loud = [line for line in logs if line["log_level"] == "critical"]
        assert [line["act"] for line in loud] == ["opened", "confirmed", "used"]
        assert all(line["case_id"] == str(case.id) for line in loud)
        assert not any("campaign" in str(line) for line in logs)
        assert _told(team.auditor) == ["review.break_glass"] * 3
        assert _told(Actor(ADMIN)) == ["review.break_glass"] * 3
        # Not of one's own act; of the others'.
        assert _told(team.compliance_reviewer) == ["review.break_glass"] * 2
        assert _told(team.manager) == ["review.break_glass"]
        assert _told(team.requester)[-3:] == ["review.break_glass"] * 3

    @waits_for_the_countdown
    def test_is_raised_once_over_a_judgement_that_does_not_come(
        self, team: make.Team, case: CaseRecord
    ) -> None:
        found = emergency.used(team, case)
        assert services.find_unjudged() == ()
        assert not _alarm(team, found)
        emergency.let_judgement_be_late(found)
        assert [one.id for one in services.find_unjudged()] == [found.id]
        assert _alarm(team, found)
        assert not _alarm(team, found)
        assert services.find_unjudged() == ()
        assert _told(team.auditor) == ["review.break_glass_overdue"]
        assert _events().count("review.break_glass.overdue") == 1
        late = make.person(team.brand_id, Role.COMPLIANCE_REVIEWER)
        assert _judge(found, late).state == "upheld"


class TestSee:
    def test_is_for_requester_reviewers_and_auditors(
        self, team: make.Team, case: CaseRecord
    ) -> None:
        opened = emergency.open_it(case, team.manager)
        for actor in (team.requester, team.brand_reviewer, team.auditor, SYSTEM):
            assert selectors.get_break_glass(actor, opened.id) == opened
            (listed,) = selectors.list_break_glass(actor)
            assert (listed.id, listed.reason) == (opened.id, None)
        stranger = make.person(team.brand_id, Role.MARKETER)
        for actor in (stranger, make.Team().auditor, Actor(uuid7(), is_platform_admin=True)):
            assert selectors.list_break_glass(actor) == ()
            with pytest.raises(NotFound):
                selectors.get_break_glass(actor, opened.id)

    def test_filters_and_pages(self, team: make.Team) -> None:
        found = [emergency.open_it(make.open_case(team), team.manager) for _ in range(3)]
        _stop(found[0], team.manager)
        listed = selectors.list_break_glass(team.auditor, state="opened", limit=1)
        assert [one.id for one in listed] == [found[2].id]
        rest = selectors.list_break_glass(team.auditor, after=listed[-1].id)
        assert [one.id for one in rest] == [found[1].id, found[0].id]
        of_case = selectors.list_break_glass(team.auditor, case_id=found[1].case_id)
        assert [one.id for one in of_case] == [found[1].id]
        assert selectors.list_break_glass(team.auditor, brand_id=uuid7()) == ()
        for wrong in ({"limit": 0}, {"state": "broken"}):
            with pytest.raises(InvalidInput):
                selectors.list_break_glass(team.auditor, **wrong)


def _stop(found: BreakGlassRecord, actor: Actor) -> BreakGlassRecord:
    return services.stop_break_glass(
        actor=actor, break_glass_id=found.id, roster_of=emergency.nobody, now=make.NOW
    )


def _judge(found: BreakGlassRecord, actor: Actor, **changes: Any) -> BreakGlassRecord:
    asked: dict[str, Any] = {
        "verdict": "uphold",
        "reason": "It was needed.",
        "roster_of": emergency.nobody,
        "on_fault": lambda _faulted: None,
        "now": make.NOW,
    }
    return services.judge_break_glass(actor=actor, break_glass_id=found.id, **(asked | changes))


def _alarm(team: make.Team, found: BreakGlassRecord) -> bool:
    return services.alarm_unjudged(break_glass_id=found.id, roster_of=_roster(team), now=make.NOW)


def _roster(team: make.Team) -> Any:
    def roster_of(_brand_id: UUID) -> Mapping[Role, frozenset[UUID]]:
        return {
            Role.COMPLIANCE_REVIEWER: frozenset({team.compliance_reviewer.id}),
            Role.AUDITOR: frozenset({team.auditor.id}),
            Role.PLATFORM_ADMIN: frozenset({ADMIN}),
            Role.MARKETER: frozenset({uuid7()}),
        }

    return roster_of


def _told(person: Actor) -> list[str]:
    return [
        notice.kind
        for notice in notices.list_notices(person)
        if notice.kind.startswith("review.break_glass")
    ]


def _events() -> list[str]:
    return list(Entry.objects.order_by("id").values_list("event", flat=True))
