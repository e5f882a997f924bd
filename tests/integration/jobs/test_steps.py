"""A template's steps are done after the render, each output is kept, and a replay re-makes them."""

import json
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from generation.assets import blobs
from generation.assets import selectors as assets
from generation.assets import services as asset_services
from generation.assets.models import Asset, Blob, Step
from generation.assets.records import StepRecord
from generation.engines.protocol import OnStep
from generation.engines.spec import BoxMask, RunResult, RunSpec
from generation.jobs import judging, rendering, replaying, selectors
from generation.jobs.records import ReplayRecord
from generation.packs.manifest import Pack
from generation.scoring.suite import ScoringSuite
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidInput, NotFound
from governance.review.models import Case
from tests.factories import jobs as make
from tests.factories import replays as again
from tests.fakes.engines import InlineSuite, ScriptedEngine, ScriptedScorer
from tests.packs import shared_pack

pytestmark = pytest.mark.django_db(transaction=True)

TWICE = {"name": "upscale.lanczos/1", "factor": 2}
REFINE = {"name": "refine/1", "strength": 0.5, "steps": 2}
BOX = {"left": 0.0, "top": 0.0, "right": 0.5, "bottom": 1.0}
INPAINT = {"name": "inpaint/1", "strength": 0.5, "steps": 2, "box": BOX}
CROP = {"name": "crop/1", "aspect": "4:5"}


class TintingEngine(ScriptedEngine):
    """Draws as the scripted engine does; what starts from a picture gets another blue."""

    tint: int = 9

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        made = super().render(spec, on_step)
        if spec.source is not None:
            made.pixels[:, :, 2] = self.tint
        return made


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> TintingEngine:
    engine = TintingEngine()
    monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: engine)
    suite = InlineSuite(ScoringSuite((ScriptedScorer(0.7),)))
    monkeypatch.setattr(judging, "open_suite", lambda *_: suite)
    return engine


def with_steps(shop: make.Shop, *steps: dict[str, Any]) -> make.Shop:
    """Return the same shop with a released template that has these steps."""
    drafted = shop.studio.draft(slug="stepped", steps=list(steps))
    approved = shop.studio.approve(shop.studio.submit(drafted))
    return make.replace(shop, version=shop.studio.release(approved))


def replayed(shop: make.Shop, asset_id: UUID) -> ReplayRecord:
    asked = again.asked(asset_id, shop.team.auditor)
    replaying.work_on(asked.id)
    return selectors.get_replay(shop.team.auditor, asked.id)


class TestAChain:
    def test_is_done_in_order_and_keeps_every_output(
        self, shop: make.Shop, engine: TintingEngine
    ) -> None:
        asset_id = again.image(with_steps(shop, TWICE, INPAINT, CROP))
        asset = Asset.objects.get(pk=asset_id)
        kept = assets.list_steps(asset_id)
        assert [(each.number, each.name) for each in kept] == [
            (0, "generate"),
            (1, "upscale.lanczos/1"),
            (2, "inpaint/1"),
            (3, "crop/1"),
        ]
        assert [(each.width_px, each.height_px) for each in kept] == [
            (128, 128),
            (256, 256),
            (256, 256),
            (205, 256),
        ]
        assert kept[1].parameters == {"factor": 2}
        assert kept[-1].sha256 == asset.sha256
        assert (asset.width_px, asset.height_px) == (205, 256)
        for each in kept:
            assert len(blobs.get(each.sha256)) == each.size_bytes
            assert Blob.objects.get(pk=each.sha256).size_bytes == each.size_bytes

    def test_paints_with_the_orders_own_words_on_the_image_so_far(
        self, shop: make.Shop, engine: TintingEngine
    ) -> None:
        asset_id = again.image(with_steps(shop, TWICE, INPAINT))
        first, painted = engine.rendered
        assert painted.source is not None
        assert painted.source.image_sha256 == assets.list_steps(asset_id)[1].sha256
        assert painted.source.mask == BoxMask(0.0, 0.0, 0.5, 1.0)
        assert (painted.width, painted.steps, painted.source.strength) == (256, 2, 0.5)
        assert (painted.prompt, painted.seed) == (first.prompt, first.seed)

    def test_is_in_the_recipe_with_digests_and_facts(
        self, shop: make.Shop, engine: TintingEngine
    ) -> None:
        asset_id = again.image(with_steps(shop, TWICE))
        recipe = json.loads(bytes(Asset.objects.get(pk=asset_id).recipe))
        generated, enlarged = recipe["chain"]
        assert generated["declared"] == {"name": "generate"}
        assert generated["pixels_sha256"] == recipe["pixels_sha256"]
        assert enlarged["declared"] == TWICE
        assert enlarged["sha256"] == Asset.objects.get(pk=asset_id).sha256
        assert enlarged["facts"].keys() == {"numpy", "pillow"}
        assert recipe["steps"] == "3"

    def test_is_reviewed_as_it_ends(self, shop: make.Shop, engine: TintingEngine) -> None:
        asset_id = again.image(with_steps(shop, TWICE))
        asset = Asset.objects.get(pk=asset_id)
        assert Case.objects.get(subject_id=asset_id).sha256 == asset.sha256
        assert asset.sha256 != assets.list_steps(asset_id)[0].sha256

    def test_leaves_an_image_without_steps_as_it_was(
        self, shop: make.Shop, engine: TintingEngine
    ) -> None:
        asset_id = again.image(shop)
        assert assets.list_steps(asset_id) == ()
        assert "chain" not in json.loads(bytes(Asset.objects.get(pk=asset_id).recipe))

    def test_is_another_recipe_than_none(self, shop: make.Shop, engine: TintingEngine) -> None:
        again.image(shop, prompt_digest="d" * 64)
        again.image(with_steps(shop, TWICE), prompt_digest="d" * 64)
        assert len(engine.rendered) == 2

    def test_is_taken_over_with_an_image_that_was_made_before(
        self, shop: make.Shop, engine: TintingEngine
    ) -> None:
        stepped = with_steps(shop, TWICE)
        first, second = (again.image(stepped, prompt_digest="d" * 64) for _ in range(2))
        assert len(engine.rendered) == 1
        assert assets.list_steps(first) == assets.list_steps(second) != ()
        assert Asset.objects.get(pk=second).width_px == 256

    def test_that_fails_makes_no_image_and_refunds(
        self, shop: make.Shop, engine: TintingEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("generation.transforms.registry.discover", dict)
        stepped = with_steps(shop, TWICE)
        item = stepped.order().items[0]
        assert make.work_on(item.id) is None
        failed = stepped.item(item.id)
        assert (failed.state, Step.objects.count()) == ("failed", 0)
        assert "No transform does the step" in failed.failure
        assert set(shop.balances().values()) == {(0, 0)}


class TestAReplay:
    def test_makes_every_step_again(
        self, settings: Any, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        pack: Pack = shared_pack(tmp_path_factory)
        settings.MODELS_FOLDER = pack.folder.parent
        shop = with_steps(make.shop(pack=pack), REFINE, TWICE, CROP)
        asset_id = again.image(shop, negative_prompt="", steps=2)
        generated, refined = assets.list_steps(asset_id)[:2]
        assert generated.sha256 != refined.sha256
        found = replayed(shop, asset_id)
        assert (found.outcome, found.report) == ("same", {"changed": []})

    def test_says_at_which_step_a_drift_began(self, shop: make.Shop, engine: TintingEngine) -> None:
        asset_id = again.image(with_steps(shop, TWICE, REFINE, CROP))
        engine.tint = 10
        found = replayed(shop, asset_id)
        assert found.outcome == "drifted"
        assert found.report["first_drift"] == {"number": 2, "name": "refine/1"}
        assert found.report["pixels"]["largest_difference"] == 1

    def test_finds_no_drift_where_there_is_none(
        self, shop: make.Shop, engine: TintingEngine
    ) -> None:
        asset_id = again.image(with_steps(shop, TWICE, REFINE, CROP))
        assert replayed(shop, asset_id).outcome == "same"


class TestSteps:
    @pytest.fixture
    def undescribed(self, shop: make.Shop) -> UUID:
        return make.finish(make.claimed(shop.order().items[0]), "hold")

    def record(self, asset_id: UUID, *steps: StepRecord) -> None:
        with transaction.atomic():
            asset_services.record_steps(
                asset_id=asset_id, steps=steps, media_type="image/png", now=make.NOW
            )

    def test_end_with_the_image(self, undescribed: UUID) -> None:
        other = StepRecord(0, "generate", {}, "e" * 64, 1, 128, 128)
        with pytest.raises(InvalidInput, match="The last step makes the image"):
            self.record(undescribed, other)

    def test_are_counted_without_a_gap(self, undescribed: UUID) -> None:
        sha256 = Asset.objects.get(pk=undescribed).sha256
        with pytest.raises(InvalidInput, match="counted from 0"):
            self.record(undescribed, StepRecord(1, "crop/1", {}, sha256, 1, 128, 128))

    def test_are_read_by_whoever_may_see_the_image(
        self, shop: make.Shop, engine: TintingEngine
    ) -> None:
        asset_id = again.image(with_steps(shop, TWICE))
        data, media_type = assets.read_step(shop.marketer, asset_id, 0)
        assert (data[:4], media_type) == (b"\x89PNG", "image/png")
        with pytest.raises(NotFound):
            assets.read_step(SYSTEM, asset_id, 2)
        with pytest.raises(NotFound):
            assets.read_step(make.shop("southwind").marketer, asset_id, 0)
