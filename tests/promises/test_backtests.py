"""A scoring policy comes into force with a backtest of exactly its content on file, or never."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from imprimatur.workflow import backtest

from governance.kernel.ids import uuid7
from governance.review import selectors as reviews
from governance.review.models import Exhibit
from governance.review.services import _needed
from templates.brands import services as brands
from templates.brands.records import ScoringPolicyRecord
from tests.factories import review as make
from tests.factories import templates
from tests.promises.attacks import Attack, bound, change, copied, count, delete, insert, play

pytestmark = pytest.mark.django_db(transaction=True)
EXHIBIT, POLICY = "review_exhibit", "brands_scoringpolicy"


class Scene:
    """A brand with one policy that has its backtest, one that has none, and one turned down."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.studio = templates.studio()
        self.team = self.studio.team
        self.tested, self.untested, self.rejected = (self._propose(share) for share in (1, 2, 3))
        backtest.run(actor=self.team.manager, policy_id=self.tested.id, now=make.NOW)
        self.exhibit: UUID = Exhibit.objects.get().id
        case = reviews.find_case_for_subject(self.rejected.id)
        assert case is not None
        make.decide(case, self.team.other_manager, "reject")

    def _propose(self, tenths: int) -> ScoringPolicyRecord:
        return brands.propose_scoring_policy(
            actor=self.team.manager,
            brand_id=self.team.brand_id,
            advisory=True,
            thresholds={"sharpness": {"threshold": tenths / 10, "severity": "flag"}},
            now=make.NOW,
        )

    def approve(self, policy: ScoringPolicyRecord) -> None:
        """Approve as a reviewer would, through a service that forgot to ask for the backtest."""
        brands.approve_scoring_policy(
            actor=self.team.other_manager, policy_id=policy.id, sha256=policy.sha256, now=make.NOW
        )

    def filed(self, about: ScoringPolicyRecord, **changes: Any) -> dict[str, Any]:
        """Return the present report's row, as one that is about another policy."""
        row = copied(EXHIBIT, self.exhibit)
        return {**row, "id": self.id, "subject_id": about.id, "sha256": about.sha256, **changes}


ATTACKS: tuple[Attack[Scene], ...] = (
    Attack(
        "approve a policy without its backtest",
        ["review_approval_with_exhibit", f"{POLICY}_with_backtest"],
        lambda s: s.approve(s.untested),
        lambda s: copied(POLICY, s.untested.id)["approved_by"] is not None,
    ),
    Attack(
        "put a policy in force without a review or a backtest",
        [f"{POLICY}_approved_by_review", f"{POLICY}_with_backtest"],
        lambda s: change(
            POLICY,
            s.untested.id,
            approved_by=s.team.other_manager.id,
            approved_at=make.NOW,
        ),
        lambda s: copied(POLICY, s.untested.id)["approved_by"] is not None,
    ),
    Attack(
        "make a report say something else",
        [f"{EXHIBIT}_append_only"],
        lambda s: change(EXHIBIT, s.exhibit, document='{"v":1}'),
        lambda s: count(EXHIBIT, id=s.exhibit) == 1 and len(str(_document(s))) < 20,
    ),
    Attack(
        "lose a report",
        [f"{EXHIBIT}_append_only"],
        lambda s: delete(EXHIBIT, s.exhibit),
        lambda s: count(EXHIBIT, id=s.exhibit) == 0,
    ),
    Attack(
        "put another policy's digest on a report",
        [bound(EXHIBIT, "subject_id", "sha256", "brand_id")],
        lambda s: insert(EXHIBIT, **s.filed(s.untested, sha256=s.tested.sha256)),
        lambda s: count(EXHIBIT, id=s.id) == 1,
    ),
    Attack(
        "file a report with another brand",
        [bound(EXHIBIT, "subject_id", "sha256", "brand_id")],
        lambda s: insert(EXHIBIT, **s.filed(s.untested, brand_id=s.id)),
        lambda s: count(EXHIBIT, id=s.id) == 1,
    ),
    Attack(
        "file a report when the review is over",
        ["review_exhibit_of_open_case"],
        lambda s: insert(EXHIBIT, **s.filed(s.rejected)),
        lambda s: count(EXHIBIT, id=s.id) == 1,
    ),
)


def _document(scene: Scene) -> Any:
    return copied(EXHIBIT, scene.exhibit)["document"]


@pytest.fixture
def scene(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    make.use_sealing_key(settings, tmp_path)
    monkeypatch.setattr(_needed, "require_exhibit", lambda _case: None)
    return Scene()


def test_no_policy_passes_by_its_backtest(scene: Scene, subtests: pytest.Subtests) -> None:
    play(ATTACKS, scene, subtests)


def test_a_policy_with_its_backtest_passes(scene: Scene) -> None:
    scene.approve(scene.tested)
    assert copied(POLICY, scene.tested.id)["approved_by"] is not None
