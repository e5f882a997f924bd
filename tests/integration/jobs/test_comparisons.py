"""What an image is compared with: its brand's other images, and the words it must show."""

from dataclasses import replace

import pytest

from generation.assets.models import ImageFeatures, Score
from generation.jobs import judging, rendering
from generation.scoring.duplicates import NearDuplicate
from generation.scoring.legibility import Legibility
from generation.scoring.suite import ScoringSuite
from tests.factories import jobs as make
from tests.fakes.engines import InlineSuite, ScriptedEngine

pytestmark = pytest.mark.django_db(transaction=True)
DUPLICATES = {"near_duplicate": {"threshold": 0.9, "severity": "flag"}}


@pytest.fixture(autouse=True)
def suite(monkeypatch: pytest.MonkeyPatch) -> InlineSuite:
    """Let a scripted engine draw nearly the same every time, and the real scorers look at it."""
    engine = ScriptedEngine(lambda _step: None)
    monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: engine)
    suite = InlineSuite(ScoringSuite((NearDuplicate(), Legibility())))
    monkeypatch.setattr(judging, "open_suite", lambda *_: suite)
    return suite


class TestNearDuplicates:
    def test_are_found_within_one_order(self) -> None:
        shop = make.shop(thresholds=DUPLICATES)
        first, second = (make.work_on(item.id) for item in shop.order(2).items)
        scores = {s.asset_id: s for s in Score.objects.filter(scorer="near_duplicate")}
        assert (scores[first].verdict, scores[first].value) == ("pass", 0.0)
        assert (scores[second].verdict, scores[second].value >= 0.9) == ("flag", True)
        assert scores[second].evidence["duplicate"]["asset_id"] == str(first)
        assert ImageFeatures.objects.count() == 2

    def test_are_not_found_in_another_brand(self) -> None:
        for slug in ("northwind", "southwind"):
            shop = make.shop(slug, thresholds=DUPLICATES)
            make.work_on(shop.order().items[0].id)
        assert {s.verdict for s in Score.objects.filter(scorer="near_duplicate")} == {"pass"}


class TestWantedText:
    def test_is_what_the_order_says_of_the_variables_that_must_be_legible(
        self, suite: InlineSuite
    ) -> None:
        shop = make.shop()
        draft = shop.studio.draft("label", legible=["color", "detail"])
        version = shop.studio.release(shop.studio.approve(shop.studio.submit(draft)))
        make.work_on(replace(shop, version=version).order().items[0].id)
        # "detail" was left empty.
        assert suite.pictures[-1].wanted_text == "red"

    def test_is_none_where_the_template_asks_for_no_words(self, suite: InlineSuite) -> None:
        shop = make.shop()
        make.work_on(shop.order().items[0].id)
        assert suite.pictures[-1].wanted_text is None
        assert Score.objects.get(scorer="legibility").value == 1
