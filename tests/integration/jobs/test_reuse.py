"""The same recipe again takes no device and no quota, and goes the whole way all the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from generation.assets.models import Asset, Score
from generation.jobs import judging, rendering
from generation.jobs.models import JobItem
from generation.jobs.records import ItemRecord
from generation.scoring.suite import ScoringSuite
from governance.quota import selectors as quota
from governance.review.models import Case
from governance.sealing import services as sealing
from tests.factories import jobs as make
from tests.fakes.engines import InlineSuite, ScriptedEngine, ScriptedScorer

pytestmark = pytest.mark.django_db(transaction=True)

DIGEST = "d" * 64


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    engine = ScriptedEngine()
    monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: engine)
    return engine


@pytest.fixture(autouse=True)
def judge(monkeypatch: pytest.MonkeyPatch) -> ScriptedScorer:
    scorer = ScriptedScorer(0.7)
    suite = InlineSuite(ScoringSuite([scorer]))
    monkeypatch.setattr(judging, "open_suite", lambda *_: suite)
    return scorer


def made(shop: make.Shop, **order: Any) -> ItemRecord:
    item = shop.order(**{"prompt_digest": DIGEST} | order).items[0]
    make.work_on(item.id)
    return shop.item(item.id)


class TestTheSameRecipe:
    def test_is_rendered_once_and_judged_and_reviewed_each_time(
        self, shop: make.Shop, engine: ScriptedEngine
    ) -> None:
        first, second = made(shop), made(shop)
        assert len(engine.rendered) == 1
        assert (second.state, second.render_s) == ("in_review", None)
        assert second.reused_asset_id == first.asset_id
        assert first.reused_asset_id is None
        assert len(set(Asset.objects.values_list("sha256", flat=True))) == 1
        assert Score.objects.filter(asset_id=second.asset_id).exists()
        assert Case.objects.filter(subject_id=second.asset_id, state="open").count() == 1
        assert "generation.item.rendered" in make.events(second.id, second.asset_id)

    def test_says_so_in_its_recipe_under_its_own_prompt(
        self, shop: make.Shop, engine: ScriptedEngine
    ) -> None:
        first, second = made(shop), made(shop)
        recipe = json.loads(bytes(Asset.objects.get(pk=second.asset_id).recipe))
        assert recipe["reused"] == {"asset_id": str(first.asset_id)}
        assert recipe["prompt_sealed"] == bytes(JobItem.objects.get(pk=second.id).prompt).hex()

    @pytest.mark.parametrize(("counts", "spent"), [(False, 1), (True, 2)])
    def test_counts_against_quotas_only_where_that_is_set(
        self, shop: make.Shop, engine: ScriptedEngine, settings: Any, counts: bool, spent: int
    ) -> None:
        settings.REUSED_IMAGES_COUNT = counts
        made(shop)
        made(shop)
        assert set(shop.balances().values()) == {(0, spent)}
        assert quota.check_books() == []

    def test_is_held_to_the_policy_of_today(
        self, shop: make.Shop, engine: ScriptedEngine, judge: ScriptedScorer
    ) -> None:
        made(shop)
        judge.says = float("nan")
        assert made(shop).state == "held"
        assert len(engine.rendered) == 1

    def test_is_found_past_copies_of_itself(self, shop: make.Shop, engine: ScriptedEngine) -> None:
        first, _second, third = made(shop), made(shop), made(shop)
        assert third.reused_asset_id == first.asset_id
        assert len(engine.rendered) == 1


class TestAnotherRecipe:
    @pytest.mark.parametrize(
        "other", [{"steps": 4}, {"prompt_digest": "e" * 64}, {"negative_prompt": ""}]
    )
    def test_is_rendered(
        self, shop: make.Shop, engine: ScriptedEngine, other: dict[str, Any]
    ) -> None:
        made(shop)
        assert made(shop, **other).reused_asset_id is None
        assert len(engine.rendered) == 2


class TestAnImageThatCannotBeUsedAgain:
    def test_because_it_was_held_is_rendered(
        self, shop: make.Shop, engine: ScriptedEngine, judge: ScriptedScorer
    ) -> None:
        judge.says = float("nan")
        made(shop)
        judge.says = 0.7
        assert made(shop).reused_asset_id is None
        assert len(engine.rendered) == 2

    def test_because_its_bytes_are_gone_or_changed_is_rendered(
        self, shop: make.Shop, engine: ScriptedEngine, tmp_path: Path
    ) -> None:
        first = made(shop)
        sha256 = Asset.objects.get(pk=first.asset_id).sha256
        path = tmp_path / "blobs" / sha256[:2] / sha256[2:4] / sha256
        path.unlink()
        path.write_bytes(b"other bytes")
        again = made(shop)
        assert (again.reused_asset_id, len(engine.rendered)) == (None, 2)


def test_a_digest_tells_equal_texts_of_one_person_and_purpose_only(shop: make.Shop) -> None:
    def digest(person: Any = shop.marketer, text: str = "a mug", purpose: str = "p") -> str:
        return sealing.digest(person_id=person.id, text=text, purpose=purpose)

    assert digest() == digest()
    others = {digest(shop.team.manager), digest(text="a cup"), digest(purpose="q")}
    assert len(others | {digest()}) == 4
