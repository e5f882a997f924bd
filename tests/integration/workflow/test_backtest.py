"""A backtest counts what a policy would have changed, from recorded scores; it stays on file."""

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from imprimatur.workflow import backtest, past, tallies

from generation.jobs import services as jobs
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import selectors as reviews
from governance.review import services as review
from governance.review.models import Exhibit
from templates.brands import services as brands
from templates.brands.records import ScoringPolicyRecord
from tests.factories import jobs as make
from tests.factories import review as people
from tests.factories.review import NOW

pytestmark = pytest.mark.django_db
STRICT = {"sharpness": {"threshold": 0.5, "severity": "refuse"}}


@pytest.fixture(autouse=True)
def _own_stores(settings: Any, tmp_path: Path) -> None:
    make.use_blobs(settings, tmp_path / "blobs")


@pytest.fixture
def shop() -> make.Shop:
    return make.shop(images=40)


def made(shop: make.Shop, *values: float | None, **changes: Any) -> list[UUID]:
    """Make one image for each value of its sharpness, under the policy in force (0.1, flags)."""
    found = []
    for item, value in zip(shop.order(len(values)).items, values, strict=True):
        claim = make.claimed(item)
        verdict = "hold" if value is None else "pass" if value >= 0.1 else "flag"
        score = make.score(claim, value=value, verdict=verdict, **changes)
        rendered = make.rendered(claim, verdict, scores=[score])
        parts = {shop.studio.team.manager.id: "template_author"}
        found.append(jobs.finish(claim=claim, rendered=rendered, contributors=parts, now=NOW))
    return found


def decided(shop: make.Shop, asset_id: UUID, verdict: str) -> None:
    """Let the brand's reviewer decide, and compliance too where it goes on."""
    case = reviews.find_case_for_subject(asset_id)
    assert case is not None
    people.decide(case, shop.team.brand_reviewer, verdict)
    after = people.current(case)
    if after.state == "open":
        people.decide(after, shop.team.compliance_reviewer, verdict)


def proposed(shop: make.Shop, thresholds: Any = None, **changes: Any) -> ScoringPolicyRecord:
    """Propose the next scoring policy, without a backtest."""
    return brands.propose_scoring_policy(
        actor=shop.team.manager,
        brand_id=shop.brand_id,
        advisory=changes.get("advisory", False),
        thresholds=thresholds or STRICT,
        now=NOW,
    )


def report(shop: make.Shop, policy: ScoringPolicyRecord, count: int = 1000) -> dict[str, Any]:
    """Run a backtest and return its document."""
    filed = backtest.run(actor=shop.team.manager, policy_id=policy.id, count=count, now=NOW)
    return dict(filed.document)


def facts_of(entry: Entry) -> dict[str, Any]:
    return dict(json.loads(bytes(entry.body))["facts"])


def approve(shop: make.Shop, policy: ScoringPolicyRecord) -> ScoringPolicyRecord:
    return brands.approve_scoring_policy(
        actor=shop.team.other_manager, policy_id=policy.id, sha256=policy.sha256, now=NOW
    )


class TestReport:
    def test_counts_each_move_from_what_was_said_to_what_would_be(self, shop: make.Shop) -> None:
        made(shop, 0.9, 0.3, 0.05, None)
        found = report(shop, proposed(shop))
        assert found["moves"] == [
            {"was": "flag", "now": "refuse", "assets": 1},
            {"was": "hold", "now": "hold", "assets": 1},
            {"was": "pass", "now": "pass", "assets": 1},
            {"was": "pass", "now": "refuse", "assets": 1},
        ]
        assert (found["whole"]["assets"], found["whole"]["changed"]) == (4, 2)
        (template,) = found["templates"]
        assert (template["template"], template["changed"]) == (shop.version.slug, 2)
        assert [each["scorer"] for each in found["scorers"]] == ["sharpness"]
        assert len(found["samples"]["stricter"]) == 2

    def test_names_exactly_the_policy_that_it_is_about(self, shop: make.Shop) -> None:
        policy = proposed(shop)
        filed = backtest.run(actor=shop.team.manager, policy_id=policy.id, now=NOW)
        assert filed.document["policy"]["sha256"] == filed.sha256 == policy.sha256
        entry = Entry.objects.get(event="review.exhibit.filed", subject_id=policy.id)
        assert facts_of(entry)["document_sha256"] == filed.document_sha256
        assert facts_of(entry)["policy_sha256"] == policy.sha256

    def test_is_the_same_for_the_same_images(self, shop: make.Shop) -> None:
        made(shop, 0.9, 0.3)
        policy = proposed(shop)
        assert report(shop, policy) == report(shop, policy)

    def test_lists_what_it_cannot_tell(self, shop: make.Shop) -> None:
        made(shop, 0.9)
        made(shop, 0.9, version="2")
        thresholds = {**STRICT, "safety": {"threshold": 0.5, "severity": "refuse"}}
        found = {
            each["scorer"]: each for each in report(shop, proposed(shop, thresholds))["scorers"]
        }
        assert found["sharpness"]["cannot_tell"] == {"other_version": 1}
        assert found["safety"]["cannot_tell"] == {"not_measured": 2}

    def test_tells_a_refusal_even_where_another_scorer_is_open(self, shop: make.Shop) -> None:
        made(shop, 0.3, 0.9)
        thresholds = {**STRICT, "safety": {"threshold": 0.5, "severity": "refuse"}}
        moves = report(shop, proposed(shop, thresholds))["moves"]
        assert {each["now"]: each["assets"] for each in moves} == {"refuse": 1, "cannot_tell": 1}

    def test_names_the_human_decisions_that_it_contradicts(self, shop: make.Shop) -> None:
        blurred, sharp, undecided = made(shop, 0.3, 0.9, 0.3)
        decided(shop, blurred, "approve")
        decided(shop, sharp, "reject")
        found = report(shop, proposed(shop))
        assert found["people"] == {
            "approved": 1,
            "rejected": 1,
            "undecided": 1,
            "approved_now_hold": 0,
            "approved_now_refuse": 1,
            "rejected_now_pass": 1,
        }
        assert found["samples"]["approved_now_refuse"] == [str(blurred)]
        assert found["samples"]["rejected_now_pass"] == [str(sharp)]
        assert str(undecided) in found["samples"]["stricter"]

    def test_goes_over_the_last_images_only(self, shop: make.Shop) -> None:
        made(shop, *[0.3] * 8)
        newest = made(shop, *[0.9] * 3)
        page = [
            image.asset.id for image in past.list_images(shop.team.manager, shop.brand_id, count=3)
        ]
        assert page == newest[::-1]

    def test_of_an_advisory_policy_flags_where_another_refuses(self, shop: make.Shop) -> None:
        made(shop, 0.3)
        (move,) = report(shop, proposed(shop, advisory=True))["moves"]
        assert move["now"] == "flag"

    def test_of_a_brand_without_images_has_none(self, shop: make.Shop) -> None:
        found = report(shop, proposed(shop))
        assert found["whole"] == {"assets": 0, "changed": 0, "was": {}, "now": {}}
        assert (found["from"], found["moves"], found["scorers"]) == ("", [], [])

    def test_never_looks_at_another_brand(self, shop: make.Shop) -> None:
        other = make.shop("elsewhere")
        made(other, 0.3)
        made(shop, 0.9)
        assert report(shop, proposed(shop))["whole"]["assets"] == 1

    @pytest.mark.parametrize("count", [99, 10_001, 0, -1])
    def test_over_too_few_or_too_many_is_refused(self, shop: make.Shop, count: int) -> None:
        policy = proposed(shop)
        with pytest.raises(InvalidInput) as refused:
            report(shop, policy, count)
        assert refused.value.pointer == "/assets"
        assert not Exhibit.objects.filter(subject_id=policy.id).exists()

    def test_asks_as_often_for_many_images_as_for_few(
        self, shop: make.Shop, django_assert_num_queries: Any
    ) -> None:
        policy = proposed(shop)
        made(shop, 0.9)
        with CaptureQueriesContext(connection) as few:
            backtest.report(actor=shop.team.manager, policy=policy, count=100)
        made(shop, 0.9, 0.3, 0.05, 0.9, 0.3)
        with django_assert_num_queries(len(few), connection=connection):
            backtest.report(actor=shop.team.manager, policy=policy, count=100)

    def test_is_for_reviewers_of_the_brand(self, shop: make.Shop) -> None:
        policy = proposed(shop)
        with pytest.raises(NotPermitted):
            backtest.run(actor=shop.marketer, policy_id=policy.id, now=NOW)
        stranger = people.person(uuid7(), Role.BRAND_MANAGER)
        with pytest.raises(NotFound):
            backtest.run(actor=stranger, policy_id=policy.id, now=NOW)


class TestApproval:
    def test_needs_a_backtest(self, shop: make.Shop) -> None:
        policy = proposed(shop)
        with pytest.raises(review.ExhibitMissing):
            approve(shop, policy)
        report(shop, policy)
        assert approve(shop, policy).approved_by == shop.team.other_manager.id

    def test_needs_a_backtest_of_exactly_this_policy(self, shop: make.Shop) -> None:
        other, policy = proposed(shop), proposed(shop, make.SHARPNESS)
        report(shop, other)
        with pytest.raises(review.ExhibitMissing):
            approve(shop, policy)

    def test_leaves_a_refused_attempt_on_record(self, shop: make.Shop) -> None:
        policy = proposed(shop)
        with pytest.raises(review.ExhibitMissing):
            approve(shop, policy)
        entry = Entry.objects.get(event="review.decision.refused", subject_id=policy.id)
        assert facts_of(entry)["code"] == "exhibit_missing"

    def test_can_be_refused_without_one(self, shop: make.Shop) -> None:
        case = reviews.find_case_for_subject(proposed(shop).id)
        assert case is not None
        assert people.decide(case, shop.team.other_manager, "reject").case_state == "rejected"

    def test_comes_before_it_is_too_late_to_file(self, shop: make.Shop) -> None:
        policy = proposed(shop)
        report(shop, policy)
        approve(shop, policy)
        with pytest.raises(review.CaseClosed):
            report(shop, policy)

    def test_of_templates_and_rules_needs_none(self, shop: make.Shop) -> None:
        assert shop.studio.rules.approved_by is not None
        assert Exhibit.objects.count() == 1


class TestWhatPeopleSaid:
    def test_leaves_out_an_emergency(self, shop: make.Shop) -> None:
        (asset_id,) = made(shop, 0.3)
        decided(shop, asset_id, "approve")
        (image,) = past.list_images(shop.team.manager, shop.brand_id, count=1)
        assert image.heard is not None
        shortened = dataclasses.replace(
            image, heard=dataclasses.replace(image.heard, is_emergency=True)
        )
        counted = tallies.tally([image, shortened], backtest.rules_of(proposed(shop)))
        assert (counted["people"]["approved"], counted["people"]["undecided"]) == (1, 1)

    def test_takes_the_first_decision_and_its_time(self, shop: make.Shop) -> None:
        (asset_id,) = made(shop, 0.3)
        case = reviews.find_case_for_subject(asset_id)
        assert case is not None
        later = NOW + timedelta(minutes=1)
        people.decide(case, shop.team.brand_reviewer, "approve")
        people.decide(people.current(case), shop.team.compliance_reviewer, "reject", now=later)
        heard = reviews.heard_about([asset_id])[asset_id]
        assert (heard.state, heard.first_verdict) == ("rejected", "approve")
        assert heard.decided_at == NOW
