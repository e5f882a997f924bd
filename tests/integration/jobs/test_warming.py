"""A worker warms up what it is told to, in the sizes that people ask for, and nothing stops it."""

from typing import Any

import pytest

from generation.engines.errors import ModelUnavailable
from generation.jobs import rendering, warming
from generation.jobs.models import JobItem
from tests.factories import jobs as make
from tests.fakes.engines import ScriptedEngine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    engine = ScriptedEngine()
    monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: engine)
    return engine


class TestWarmUp:
    def test_makes_a_picture_in_each_size_that_was_lately_made(
        self, shop: make.Shop, engine: ScriptedEngine, settings: Any
    ) -> None:
        for side_px in (128, 256):
            make.finish(make.claimed(shop.order(side_px=side_px).items[0]))
        before = make.count_rows()
        settings.WORKER_WARM_UP = [shop.profile.slug]
        warming.warm_up()
        assert {(spec.width, spec.height) for spec in engine.rendered} == {(128, 128), (256, 256)}
        assert make.count_rows() == before

    def test_takes_a_size_of_its_own_where_nobody_ordered_yet(
        self, shop: make.Shop, engine: ScriptedEngine, settings: Any
    ) -> None:
        settings.WORKER_WARM_UP = [shop.profile.slug]
        warming.warm_up()
        assert [(spec.width, spec.height) for spec in engine.rendered] == [warming.UNKNOWN_SIZE]
        assert JobItem.objects.count() == 0

    def test_goes_on_after_a_model_that_cannot_be_had(
        self, shop: make.Shop, engine: ScriptedEngine, settings: Any
    ) -> None:
        def missing(_step: int) -> None:
            engine.at_step = lambda _step: None
            raise ModelUnavailable("The folder is missing.")

        engine.at_step = missing
        settings.WORKER_WARM_UP = ["unknown", shop.profile.slug, shop.profile.slug]
        warming.warm_up()
        assert len(engine.rendered) == 2

    def test_does_nothing_unless_it_is_told_to(
        self, shop: make.Shop, engine: ScriptedEngine
    ) -> None:
        warming.warm_up()
        assert engine.rendered == []
