"""What rests on a version that was taken out of use is voided; what is released stays."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.actors import SYSTEM
from governance.kernel.ids import uuid7
from governance.policy.permits import NotPermitted
from governance.release import services
from governance.review import services as review
from governance.review.records import CaseRecord
from tests.factories import review as make

pytestmark = pytest.mark.django_db


def _case(team: make.Team, pinned: UUID) -> CaseRecord:
    return review.open_case(
        actor=SYSTEM,
        subject_id=make.subject(team).id,
        title="Spring",
        pins={"profile_id": str(pinned), "template_version_id": str(uuid7())},
        requested_by=team.requester.id,
        now=make.NOW,
    )


def _void(pinned: UUID, **changes: Any) -> int:
    facts: dict[str, Any] = {"actor": SYSTEM, "name": "profile_id", "reason": "It was retired."}
    return services.void_pinning(value=str(pinned), now=make.NOW, **(facts | changes))


@pytest.fixture
def team() -> make.Team:
    team = make.Team()
    make.approved_policy(team)
    return team


class TestVoidPinning:
    def test_voids_what_is_open_and_what_is_approved_but_not_out(
        self, team: make.Team, tmp_path: Path
    ) -> None:
        pinned = uuid7()
        open_one, approved, released, rejected = (_case(team, pinned) for _ in range(4))
        other = _case(team, uuid7())
        make.approve(team, approved)
        make.released(team, released, tmp_path)
        make.decide(rejected, team.brand_reviewer, "reject")
        assert _void(pinned) == 2
        states = [make.current(c).state for c in (open_one, approved, released, rejected, other)]
        assert states == ["voided", "voided", "approved", "rejected", "open"]
        assert make.current(open_one).void_reason == "It was retired."

    def test_reaches_every_brand(self, team: make.Team) -> None:
        other = make.Team()
        make.approved_policy(other)
        pinned = uuid7()
        _case(team, pinned)
        _case(other, pinned)
        assert _void(pinned) == 2

    def test_goes_by_the_name_of_the_pin(self, team: make.Team) -> None:
        pinned = uuid7()
        _case(team, pinned)
        assert _void(pinned, name="scoring_policy_id") == 0

    def test_voids_nothing_for_whoever_may_not(self, team: make.Team) -> None:
        pinned = uuid7()
        case = _case(team, pinned)
        with pytest.raises(NotPermitted):
            _void(pinned, actor=team.brand_reviewer)
        assert make.current(case).state == "open"
