"""The fenced finish writes asset, scores, quota, case, ledger and state together, or nothing."""

import json

import pytest

from generation.assets.models import Asset, Score
from generation.jobs import services
from generation.jobs.errors import LeaseLost
from generation.jobs.models import JobItem
from governance.ledger.models import Entry
from governance.quota import selectors as quota
from governance.refusals import selectors as refusals
from governance.review import selectors as review
from templates.prompts.errors import VersionRetired
from tests.factories import jobs as make
from tests.factories import templates


class TestFinish:
    def test_opens_a_review_and_settles_the_quota(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        asset_id = make.finish(make.claimed(item))
        done = shop.item(item.id)
        assert (done.state, done.asset_id, done.progress_share) == ("in_review", asset_id, 1)
        assert set(shop.balances().values()) == {(0, 1)}
        case = review.find_case_for_subject(asset_id)
        assert case.pins["template_version_id"] == str(shop.version.id)
        assert case.subject.sha256 == Asset.objects.get().sha256
        assert shop.marketer.id in review.contributors(asset_id)
        assert len(review.contributors(asset_id)) == 2
        assert make.events(item.id, asset_id) == [
            "generation.item.rendered",
            "review.case.opened",
        ]

    def test_records_a_refused_image_its_reason_and_what_it_cost(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        claim = make.claimed(item)
        bad = make.score(claim, verdict="refuse", value=0.01)
        services.finish(
            claim=claim,
            rendered=make.rendered(claim, "refuse", scores=[bad]),
            contributors={},
            now=make.NOW,
        )
        done = shop.item(item.id)
        assert (done.state, done.case_id) == ("refused", None)
        refusal = refusals.get_refusal(shop.marketer, done.refusal_id)
        assert (refusal.stage, refusal.scorer, refusal.score) == ("image", "sharpness", 0.01)
        assert set(shop.balances().values()) == {(0, 1)}

    def test_keeps_the_reservation_of_a_held_image(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        make.finish(make.claimed(item), "hold")
        assert shop.item(item.id).state == "held"
        assert set(shop.balances().values()) == {(1, 0)}
        assert shop.item(item.id).case_id is None

    def test_opens_no_review_of_what_a_retired_template_made(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        claim = make.claimed(item)
        templates.retire(shop.studio, shop.version)
        before = make.count_rows()
        with pytest.raises(VersionRetired):
            make.finish(claim)
        assert make.count_rows() == before
        assert shop.item(item.id).state == "leased"

    @pytest.mark.parametrize("verdict", ["pass", "flag", "refuse", "hold"])
    def test_happens_once(self, shop: make.Shop, verdict: str) -> None:
        claim = make.claimed(shop.order().items[0])
        make.finish(claim, verdict)
        before = make.count_rows()
        with pytest.raises(LeaseLost):
            make.finish(claim, verdict)
        assert make.count_rows() == before

    @pytest.mark.parametrize("verdict", ["pass", "flag", "refuse", "hold"])
    def test_writes_to_no_table_when_it_comes_too_late(self, shop: make.Shop, verdict: str) -> None:
        item = shop.order().items[0]
        late = make.claimed(item)
        make.let_expire(item.id)
        make.claimed(item, "worker-two")
        before, row = make.count_rows(), JobItem.objects.values().get()
        with pytest.raises(LeaseLost):
            make.finish(late, verdict)
        assert make.count_rows() == before
        assert JobItem.objects.values().get() == row
        assert set(shop.balances().values()) == {(1, 0)}

    @pytest.mark.django_db(transaction=True)
    def test_writes_to_no_table_when_its_last_part_fails(
        self, shop: make.Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claim = make.claimed(shop.order().items[0])
        before = make.count_rows()

        def fails(**_: object) -> None:
            message = "the power went"
            raise RuntimeError(message)

        with monkeypatch.context() as broken:
            broken.setattr("generation.jobs.services._finish.review.open_case", fails)
            with pytest.raises(RuntimeError):
                make.finish(claim)
        assert make.count_rows() == before
        assert shop.item(claim.item_id).state == "leased"
        make.finish(claim)
        assert Score.objects.count() == 1
        assert quota.check_books() == []


class TestFail:
    def test_ends_the_item_with_its_sentence_and_a_refund(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        assert services.fail(claim=claim, failure="The model folder is gone.", now=make.NOW)
        item = shop.item(claim.item_id)
        assert (item.state, item.failure) == ("failed", "The model folder is gone.")
        assert set(shop.balances().values()) == {(0, 0)}
        assert make.events(item.id) == ["generation.item.failed"]
        assert quota.check_books() == []

    def test_changes_nothing_for_an_outdated_worker(self, shop: make.Shop) -> None:
        item = shop.order().items[0]
        late = make.claimed(item)
        make.let_expire(item.id)
        make.claimed(item, "worker-two")
        before = make.count_rows()
        assert not services.fail(claim=late, failure="too late", now=make.NOW)
        assert make.count_rows() == before
        assert shop.item(item.id).failure == ""

    def test_keeps_a_sentence_of_any_length(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        services.fail(claim=claim, failure="x" * 900, now=make.NOW)
        assert len(shop.item(claim.item_id).failure) == 500


class TestTheLedger:
    def test_names_epoch_worker_policy_and_recipe_of_a_rendering(self, shop: make.Shop) -> None:
        claim = make.claimed(shop.order().items[0])
        make.finish(claim)
        entry = Entry.objects.get(event="generation.item.rendered")
        facts = json.loads(bytes(entry.body))["facts"]
        assert (facts["epoch"], facts["worker"]) == (1, "worker-one")
        assert facts["policy"] == str(shop.policy.id)
        assert facts["scores"] == {"sharpness": {"value": "0.7", "verdict": "pass", "version": "1"}}
        assert facts["recipe"] == Asset.objects.get().recipe_sha256
