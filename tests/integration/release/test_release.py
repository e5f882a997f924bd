"""`release.record_release` and `release.withdraw`: what may go, and what is taken back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from governance.kernel.actors import SYSTEM
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.policy.freshness import ReauthenticationNeeded
from governance.policy.permits import NotPermitted
from governance.release import selectors, services
from governance.release.models import Passport, Release
from governance.review import services as review
from tests.factories import review as make


@pytest.fixture
def approval_id(team: make.Team) -> Any:
    return make.approve(team, make.open_case(team))


def _record(approval_id: Any, **changes: Any) -> Any:
    facts: dict[str, Any] = {
        "actor": SYSTEM,
        "release_id": uuid7(),
        "approval_id": approval_id,
        "marked_sha256": sha256_hex(b"marked"),
        "media_type": "image/png",
        "marking_profile": "xmp+c2pa/1",
        "passport": b'{"v":1}',
        "now": make.NOW,
    }
    return services.record_release(**{**facts, **changes})


class TestRecordRelease:
    def test_binds_marked_bytes_to_the_reviewed_ones(self, team: make.Team, tmp_path: Path) -> None:
        case = make.open_case(team)
        approval_id = make.approve(team, case)
        make.checkpoint(tmp_path / "relay")
        release = _record(approval_id)
        assert release.reviewed_sha256 == case.subject.sha256
        assert release.marked_sha256 == sha256_hex(b"marked")
        assert release == selectors.get_release(team.requester, release.id)
        assert release == selectors.find_release(subject_id=case.subject.id)
        assert selectors.get_passport(team.requester, release.id) == b'{"v":1}'
        assert Entry.objects.order_by("-id").first().event == "release.release.created"

    def test_waits_for_the_checkpoint(self, approval_id: Any, tmp_path: Path) -> None:
        with pytest.raises(services.NotProven):
            _record(approval_id)
        make.checkpoint(tmp_path / "relay")
        assert _record(approval_id).approval_id == approval_id

    def test_records_the_same_bytes_once(self, approval_id: Any, tmp_path: Path) -> None:
        make.checkpoint(tmp_path / "relay")
        first = _record(approval_id)
        assert _record(approval_id, passport=b"later") == first
        assert (Release.objects.count(), Passport.objects.count()) == (1, 1)
        assert selectors.get_passport(SYSTEM, first.id) == b'{"v":1}'
        with pytest.raises(services.ReleaseDiffers):
            _record(approval_id, marked_sha256=sha256_hex(b"other"))

    def test_refuses_a_voided_case(self, team: make.Team, tmp_path: Path) -> None:
        case = make.open_case(team)
        approval_id = make.approve(team, case)
        make.checkpoint(tmp_path / "relay")
        review.void_case(actor=team.manager, case_id=case.id, reason="Recalled.", now=make.NOW)
        with pytest.raises(IllegalTransition):
            _record(approval_id)

    def test_refuses_what_is_no_asset(self, team: make.Team, tmp_path: Path) -> None:
        make.approved_policy(team, kind="template_version")
        approval_id = make.approve(team, make.open_case(team, kind="template_version"))
        make.checkpoint(tmp_path / "relay")
        with pytest.raises(InvalidInput):
            _record(approval_id)

    def test_refuses_bytes_without_marks(self, team: make.Team, tmp_path: Path) -> None:
        case = make.open_case(team)
        approval_id = make.approve(team, case)
        make.checkpoint(tmp_path / "relay")
        with pytest.raises(InvalidInput) as refusal:
            _record(approval_id, marked_sha256=case.subject.sha256)
        assert refusal.value.facts["rule"] == "marked"

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"marked_sha256": "x"}, "/marked_sha256"),
            ({"media_type": ""}, "/media_type"),
            ({"marking_profile": " "}, "/marking_profile"),
            ({"passport": b""}, "/passport"),
        ],
    )
    def test_refuses_what_is_incomplete(
        self, approval_id: Any, tmp_path: Path, change: dict[str, Any], pointer: str
    ) -> None:
        make.checkpoint(tmp_path / "relay")
        with pytest.raises(InvalidInput) as refusal:
            _record(approval_id, **change)
        assert refusal.value.pointer == pointer
        assert not Release.objects.exists()

    def test_is_the_systems_act_alone(
        self, team: make.Team, approval_id: Any, tmp_path: Path
    ) -> None:
        make.checkpoint(tmp_path / "relay")
        admin = make.person(team.brand_id, is_platform_admin=True)
        for actor in (team.manager, team.compliance_reviewer, admin):
            with pytest.raises(NotPermitted):
                _record(approval_id, actor=actor)

    def test_refuses_an_unknown_approval(self, db: None) -> None:
        with pytest.raises(NotFound):
            _record(uuid7())


class TestDue:
    def test_queues_an_approved_asset_until_its_release(
        self, team: make.Team, tmp_path: Path
    ) -> None:
        case = make.open_case(team)
        make.released(team, case, tmp_path / "relay")
        assert not selectors.has_due()
        waiting = make.open_case(team)
        make.approve(team, waiting)
        assert selectors.has_due()
        again_after = timedelta(seconds=15)
        hint: dict[str, Any] = {"again_after": again_after, "limit": 10}
        assert services.hint_due(now=make.NOW, **hint) == []
        make.checkpoint(tmp_path / "relay")
        assert services.hint_due(now=make.NOW, **hint) == [waiting.id]
        assert services.hint_due(now=make.NOW, **hint) == []
        later = make.NOW + again_after + timedelta(seconds=1)
        assert services.hint_due(now=later, **hint) == [waiting.id]

    def test_hints_again_a_few_at_a_time(self, team: make.Team, tmp_path: Path) -> None:
        cases = [make.open_case(team) for _ in range(services.HINTED_AGAIN_A_ROUND + 2)]
        for case in cases:
            make.approve(team, case)
        make.checkpoint(tmp_path / "relay")
        again_after = timedelta(seconds=15)
        hint: dict[str, Any] = {"again_after": again_after, "limit": 100}
        assert len(services.hint_due(now=make.NOW, **hint)) == len(cases)
        later = make.NOW + again_after + timedelta(seconds=1)
        first = services.hint_due(now=later, **hint)
        second = services.hint_due(now=later, **hint)
        assert [len(first), len(second)] == [services.HINTED_AGAIN_A_ROUND, 2]
        assert {*first, *second} == {case.id for case in cases}

    def test_leaves_out_templates_and_voided_cases(self, team: make.Team) -> None:
        make.approved_policy(team, kind="template_version")
        make.approve(team, make.open_case(team, kind="template_version"))
        assert not selectors.has_due()
        case = make.open_case(team)
        make.approve(team, case)
        review.void_case(actor=team.manager, case_id=case.id, reason="Recalled.", now=make.NOW)
        due = services.hint_due(now=make.NOW, again_after=timedelta(seconds=15), limit=10)
        assert (due, selectors.has_due()) == ([], False)


class TestWithdraw:
    def test_stops_a_release_and_seals_the_reason(self, team: make.Team, tmp_path: Path) -> None:
        release = make.released(team, make.open_case(team), tmp_path / "relay")
        assert not selectors.is_withdrawn(release.id)
        withdrawn = services.withdraw(
            actor=team.compliance_reviewer, release_id=release.id, reason="Anna left.", now=make.NOW
        )
        assert withdrawn.withdrawn_at == make.NOW
        assert selectors.is_withdrawn(release.id)
        assert selectors.get_withdrawal(team.auditor, release.id).reason == "Anna left."
        entry = Entry.objects.order_by("-id").first()
        assert entry.event == "release.release.withdrawn"
        assert b"Anna" not in bytes(entry.body)

    def test_happens_once(self, team: make.Team, tmp_path: Path) -> None:
        release = make.released(team, make.open_case(team), tmp_path / "relay")
        act: dict[str, Any] = {"release_id": release.id, "reason": "Expired.", "now": make.NOW}
        services.withdraw(actor=team.manager, **act)
        with pytest.raises(services.AlreadyWithdrawn):
            services.withdraw(actor=team.compliance_reviewer, **act)

    @pytest.mark.parametrize("age", [None, timedelta(days=1), -timedelta(seconds=1)])
    def test_needs_a_recent_proof(
        self, team: make.Team, tmp_path: Path, age: timedelta | None
    ) -> None:
        release = make.released(team, make.open_case(team), tmp_path / "relay")
        act: dict[str, Any] = {"release_id": release.id, "reason": "Expired.", "now": make.NOW}
        tired = replace(team.manager, authenticated_at=None if age is None else make.NOW - age)
        with pytest.raises(ReauthenticationNeeded):
            services.withdraw(actor=tired, **act)
        assert not selectors.is_withdrawn(release.id)
        assert not Entry.objects.filter(event="release.release.withdrawn").exists()

    def test_needs_a_manager_or_compliance(self, team: make.Team, tmp_path: Path) -> None:
        release = make.released(team, make.open_case(team), tmp_path / "relay")
        act: dict[str, Any] = {"release_id": release.id, "reason": "Expired.", "now": make.NOW}
        for actor in (team.requester, team.brand_reviewer, team.auditor):
            with pytest.raises(NotPermitted):
                services.withdraw(actor=actor, **act)
        with pytest.raises(NotFound):
            services.withdraw(actor=make.Team().manager, **act)
        with pytest.raises(InvalidInput):
            services.withdraw(actor=team.manager, **{**act, "reason": " "})


class TestListReleases:
    def test_is_walled_by_brand(self, team: make.Team, tmp_path: Path) -> None:
        other = make.Team()
        make.approved_policy(other)
        mine = make.released(team, make.open_case(team), tmp_path / "relay")
        theirs = make.released(other, make.open_case(other), tmp_path / "relay")
        assert selectors.list_releases(team.auditor) == (mine,)
        assert selectors.list_releases(other.auditor) == (theirs,)
        assert selectors.list_releases(SYSTEM) == (theirs, mine)
        assert selectors.list_releases(SYSTEM, after=theirs.id) == (mine,)
        with pytest.raises(NotFound):
            selectors.get_passport(team.auditor, theirs.id)
