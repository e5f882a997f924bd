"""Two people at a review in the same second: one clear outcome each, never a deadlock or a crash.

Real threads with a connection each, so PostgreSQL only: SQLite has a single writer.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.release import services as releases
from governance.review import selectors, services
from governance.review.models import Approval, Claim, Decision
from governance.review.records import CaseRecord
from templates.prompts import services as prompts
from tests.factories import break_glass as emergency
from tests.factories import jobs as shops
from tests.factories import review as make
from tests.factories import templates
from tests.promises import races

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

ROUNDS = range(6)


@pytest.fixture(autouse=True)
def _stores(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)
    shops.use_blobs(settings, tmp_path / "blobs")


@pytest.fixture
def team() -> make.Team:
    team = make.Team()
    make.approved_policy(team, stages=[make.BRAND_STAGE])
    return team


def seen(case: CaseRecord, *people: Actor) -> CaseRecord:
    """Send the bytes to these people's screens."""
    for person in people:
        make.deliver(case, person)
    return case


def decides(case: CaseRecord, actor: Actor, verdict: str = "approve") -> Any:
    """Return the act of deciding on what was seen before."""
    return lambda: services.decide(
        actor=actor,
        case_id=case.id,
        verdict=verdict,
        sha256=str(case.subject.sha256),
        reason="Because.",
        now=make.NOW,
    )


def decisions(case: CaseRecord) -> int:
    """Count what was decided on a case."""
    return Decision.objects.filter(case=case.id).count()


def approvals(case: CaseRecord) -> int:
    """Count a case's approvals."""
    return Approval.objects.filter(case=case.id).count()


class TestTwoReviewers:
    @pytest.mark.parametrize("turn", ROUNDS)
    def test_at_the_last_place_of_the_last_stage(self, team: make.Team, turn: int) -> None:
        case = seen(make.open_case(team), team.brand_reviewer, team.other_brand_reviewer)
        acts = [decides(case, team.brand_reviewer), decides(case, team.other_brand_reviewer)]
        outcome = races.together(*(acts if turn % 2 else reversed(acts)))
        assert sorted(outcome) == ["done", "illegal_transition"]
        assert (decisions(case), approvals(case)) == (1, 1)
        assert make.current(case).state == "approved"

    @pytest.mark.parametrize("turn", ROUNDS)
    def test_at_the_last_place_of_a_stage_before_another(self, team: make.Team, turn: int) -> None:
        make.approved_policy(team)
        case = seen(make.open_case(team), team.brand_reviewer, team.other_brand_reviewer)
        acts = [decides(case, team.brand_reviewer), decides(case, team.other_brand_reviewer)]
        outcome = races.together(*(acts if turn % 2 else reversed(acts)))
        assert sorted(outcome) == ["done", "not_permitted"]
        assert (decisions(case), approvals(case)) == (1, 0)
        stage = make.current(case).stage
        assert stage is not None
        assert stage.name == "Compliance"

    @pytest.mark.parametrize("turn", ROUNDS)
    def test_side_by_side_in_two_stages_open_the_next_once(
        self, team: make.Team, turn: int
    ) -> None:
        stages = [
            replace(make.BRAND_STAGE, position=1),
            replace(make.COMPLIANCE_STAGE, position=1),
        ]
        make.approved_policy(team, stages=stages)
        case = seen(make.open_case(team), team.brand_reviewer, team.compliance_reviewer)
        acts = [decides(case, team.brand_reviewer), decides(case, team.compliance_reviewer)]
        assert races.together(*(acts if turn % 2 else reversed(acts))) == ["done", "done"]
        assert (decisions(case), approvals(case)) == (2, 1)

    @pytest.mark.parametrize("turn", ROUNDS)
    def test_who_disagree_leave_one_verdict(self, team: make.Team, turn: int) -> None:
        case = seen(make.open_case(team), team.brand_reviewer, team.other_brand_reviewer)
        acts = [
            decides(case, team.brand_reviewer),
            decides(case, team.other_brand_reviewer, "reject"),
        ]
        outcome = races.together(*(acts if turn % 2 else reversed(acts)))
        assert sorted(outcome) == ["done", "illegal_transition"]
        assert decisions(case) == 1
        is_approved = make.current(case).state == "approved"
        assert approvals(case) == int(is_approved)
        assert is_approved or make.current(case).state == "rejected"

    @pytest.mark.parametrize("turn", ROUNDS)
    def test_who_claim_one_place(self, team: make.Team, turn: int) -> None:
        case = make.open_case(team)
        acts = [
            lambda who=who: services.claim(actor=who, case_id=case.id, now=make.NOW)
            for who in (team.brand_reviewer, team.other_brand_reviewer)
        ]
        outcome = races.together(*(acts if turn % 2 else reversed(acts)))
        assert sorted(outcome) == ["claimed_by_other", "done"]
        assert Claim.objects.filter(turn__case=case.id, until__gt=Now()).count() == 1

    @pytest.mark.parametrize("turn", ROUNDS)
    def test_who_ask_for_the_next_get_two_cases(self, team: make.Team, turn: int) -> None:
        cases = {make.open_case(team).id for _ in range(2)}
        found: list[CaseRecord | None] = []
        acts = [
            lambda who=who: found.append(services.claim_next(actor=who, now=make.NOW))
            for who in (team.brand_reviewer, team.other_brand_reviewer)
        ]
        assert races.together(*(acts if turn % 2 else reversed(acts))) == ["done", "done"]
        assert {case.id for case in found if case is not None} == cases


class TestAgainstWhoTakesBack:
    @pytest.mark.parametrize("turn", ROUNDS)
    def test_a_decision_and_a_void(self, team: make.Team, turn: int) -> None:
        case = seen(make.open_case(team), team.brand_reviewer)
        acts = {
            "decides": decides(case, team.brand_reviewer),
            "voids": lambda: services.void_case(
                actor=team.manager, case_id=case.id, reason="Old.", now=make.NOW
            ),
        }
        names = sorted(acts, reverse=bool(turn % 2))
        outcome = dict(zip(names, races.together(*(acts[name] for name in names)), strict=True))
        # Whoever came first, the void holds: an approved case is voided as well.
        assert outcome["voids"] == "done"
        assert outcome["decides"] in {"done", "illegal_transition"}
        assert decisions(case) == approvals(case) == int(outcome["decides"] == "done")
        assert make.current(case).state == "voided"
        assert selectors.find_approval(case.subject.id) is None

    @pytest.mark.parametrize("turn", ROUNDS)
    @pytest.mark.parametrize("verdict", ["approve", "reject"])
    def test_a_decision_and_the_end_of_what_the_case_rests_on(
        self, turn: int, verdict: str
    ) -> None:
        shop = shops.shop()
        make.approved_policy(shop.team, stages=[make.BRAND_STAGE])
        asset_id = shops.finish(shops.claimed(shop.order().items[0]))
        case = selectors.find_case_for_subject(asset_id)
        assert case is not None
        seen(case, shop.team.brand_reviewer)
        acts = {
            "decides": decides(case, shop.team.brand_reviewer, verdict),
            "retires": lambda: templates.retire(shop.studio, shop.version),
        }
        names = sorted(acts, reverse=bool(turn % 2))
        outcome = dict(zip(names, races.together(*(acts[name] for name in names)), strict=True))
        assert outcome["retires"] == "done"
        assert outcome["decides"] in {"done", "illegal_transition"}
        was_rejected = verdict == "reject" and outcome["decides"] == "done"
        assert make.current(case).state == ("rejected" if was_rejected else "voided")
        assert decisions(case) == int(outcome["decides"] == "done")

    @pytest.mark.parametrize("image_first", [True, False])
    def test_an_image_that_comes_and_the_end_of_what_it_was_made_from(
        self, *, image_first: bool
    ) -> None:
        """One waits for the other, so no image of a retired template is left under review."""
        shop = shops.shop()
        claim = shops.claimed(shop.order().items[0])

        def finishes() -> None:
            shops.finish(claim)

        def retires() -> None:
            templates.retire(shop.studio, shop.version)

        order = (finishes, retires) if image_first else (retires, finishes)
        assert races.run(*order) == [
            "first committed",
            "second committed" if image_first else "second refused",
        ]
        found = selectors.cases_pinning(prompts.PIN, str(shop.version.id))
        assert [case for case in found if case.subject_kind == "asset"] == []

    @pytest.mark.parametrize("turn", ROUNDS)
    def test_a_release_and_the_end_of_what_it_rests_on(
        self, team: make.Team, tmp_path: Path, turn: int
    ) -> None:
        case = seen(make.open_case(team), team.brand_reviewer)
        approval_id = decides(case, team.brand_reviewer)().approval_id
        make.checkpoint(tmp_path / "relay")
        acts = {
            "releases": lambda: releases.record_release(
                actor=SYSTEM,
                release_id=uuid7(),
                approval_id=approval_id,
                marked_sha256=sha256_hex(b"marked" + case.id.bytes),
                media_type="image/png",
                marking_profile="xmp+c2pa/1",
                passport=b'{"v":1}',
                now=make.NOW,
            ),
            "voids": lambda: releases.void_pinning(
                actor=SYSTEM, name="template_version", value="v1", reason="Old.", now=make.NOW
            ),
        }
        names = sorted(acts, reverse=bool(turn % 2))
        outcome = dict(zip(names, races.together(*(acts[name] for name in names)), strict=True))
        assert outcome["voids"] == "done"
        assert outcome["releases"] in {"done", "illegal_transition"}
        is_out = outcome["releases"] == "done"
        assert make.current(case).state == ("approved" if is_out else "voided")

    @pytest.mark.parametrize("turn", ROUNDS)
    def test_the_glass_and_an_objection(self, team: make.Team, turn: int) -> None:
        case = make.open_case(team)
        found = emergency.confirmed(team, case)
        emergency.let_countdown_pass(found)
        seen(case, team.brand_reviewer)
        acts = {
            "rejects": decides(case, team.brand_reviewer, "reject"),
            "uses": lambda: emergency.use(found, team.manager),
        }
        names = sorted(acts, reverse=bool(turn % 2))
        outcome = dict(zip(names, races.together(*(acts[name] for name in names)), strict=True))
        assert sorted(outcome.values()) in (
            ["case_closed", "done"],
            ["done", "illegal_transition"],
        )
        was_used = outcome["uses"] == "done"
        assert outcome["rejects"] == ("illegal_transition" if was_used else "done")
        assert make.current(case).state == ("approved" if was_used else "rejected")
        assert approvals(case) == int(was_used)
