"""One item's work: whatever goes wrong ends in the item, with a refund, and the worker goes on."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import torch
from django.db import OperationalError

from generation.assets.models import Asset, Score
from generation.jobs import judging, leases, rendering, services, tasks, worker
from generation.jobs.models import JobItem
from generation.jobs.records import ItemRecord
from generation.packs.manifest import Pack
from generation.scoring.suite import ScoringSuite
from governance.kernel.roles import Role
from governance.ledger import services as ledger
from governance.quota import selectors as quota
from tests.factories import jobs as make
from tests.factories import review, templates
from tests.fakes.engines import InlineSuite, ScriptedEngine, ScriptedScorer
from tests.packs import copy_of, shared_pack

pytestmark = pytest.mark.django_db(transaction=True)

Use = Callable[..., ScriptedEngine]
# A rule for a formula, so that real scorers judge what random weights draw.
CONTRAST = {"contrast": {"threshold": 0.0, "severity": "flag"}}


@pytest.fixture
def pack(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    pack = shared_pack(tmp_path_factory)
    settings.MODELS_FOLDER = pack.folder.parent
    return pack


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Let the worker use a scripted engine and scorers."""

    def use(*scorers: ScriptedScorer, at_step: Any = lambda _step: None) -> ScriptedEngine:
        engine = ScriptedEngine(at_step)
        monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: engine)
        suite = InlineSuite(ScoringSuite(scorers or (ScriptedScorer(0.7),)))
        monkeypatch.setattr(judging, "open_suite", lambda *_: suite)
        return engine

    return use


def order(shop: make.Shop, **facts: Any) -> ItemRecord:
    return shop.order(**facts).items[0]


def work(shop: make.Shop, item: ItemRecord) -> ItemRecord:
    make.work_on(item.id)
    return shop.item(item.id)


def assert_refunded(shop: make.Shop) -> None:
    assert set(shop.balances().values()) == {(0, 0)}
    assert quota.check_books() == []
    assert Asset.objects.count() == 0


class TestWorkOn:
    def test_renders_scores_and_submits_with_the_packs_own_models(self, pack: Pack) -> None:
        shop = make.shop(pack=pack, with_scorers=True, thresholds=CONTRAST)
        item = work(shop, order(shop))
        assert (item.state, item.failure, item.attempts) == ("in_review", "", 1)
        assert item.render_s > 0
        asset = Asset.objects.get()
        assert (asset.width_px, asset.height_px, asset.media_type) == (128, 128, "image/png")
        scores = Score.objects.filter(asset=asset)
        assert scores.count() > len(pack.scorers)
        assert all(score.policy_id == shop.policy.id for score in scores)
        assert {s.weights_sha256 for s in scores} >= {e.snapshot_sha256 for e in pack.scorers}

    def test_makes_the_same_bytes_of_the_same_recipe(self, pack: Pack) -> None:
        shop = make.shop(pack=pack, thresholds=CONTRAST)
        for _ in range(2):
            assert work(shop, order(shop)).state == "in_review"
        assert len(set(Asset.objects.values_list("sha256", flat=True))) == 1
        assert Asset.objects.count() == 2

    def test_does_nothing_for_an_item_that_is_over(self, shop: make.Shop, use: Use) -> None:
        engine = use()
        item = order(shop)
        assert make.work_on(item.id) is not None
        before = make.count_rows()
        tasks.render(item_id=str(item.id), of_a_later_release=True)
        assert make.count_rows() == before
        assert len(engine.rendered) == 1

    def test_writes_a_recipe_with_everything_but_the_prompt(
        self, shop: make.Shop, use: Use
    ) -> None:
        use()
        work(shop, order(shop))
        asset = Asset.objects.get()
        text = bytes(asset.recipe).decode()
        assert "harbor" not in text
        recipe = json.loads(text)
        row = JobItem.objects.get()
        assert recipe["prompt_sealed"] == bytes(row.prompt).hex()
        assert recipe["seed"] == "11"
        assert recipe["snapshot_sha256"] == shop.profile.snapshot_sha256
        assert recipe["template_version"]["sha256"] == shop.version.sha256
        assert recipe["fingerprint"] == row.fingerprint
        assert recipe["facts"] == {
            "engine": "scripted/1",
            "endpoint": "in_process",
            "endpoint.kind": "in_process",
            "endpoint.version": "1",
            "replayable": "yes",
        }

    def test_fails_what_its_template_was_retired_under(self, shop: make.Shop, use: Use) -> None:
        engine = use()
        ordered = order(shop)
        templates.retire(shop.studio, shop.version)
        item = work(shop, ordered)
        assert item.state == "failed"
        assert "retired" in item.failure
        assert engine.rendered == []
        assert_refunded(shop)

    def test_keeps_what_stands_behind_a_score(self, shop: make.Shop, use: Use) -> None:
        use(ScriptedScorer(0.7))
        work(shop, order(shop))
        score = Score.objects.get()
        assert score.evidence == {"width_px": 128, "ratio": "nan"}
        assert (score.title, score.licence, score.version) == ("What it is told", "CC0-1.0", "1")
        assert (score.higher_is, score.low, score.high) == ("better", 0.0, 1.0)
        assert (score.threshold, score.inputs) == (0.1, "image")
        assert score.took_ms >= 0


class TestAModelFolder:
    def test_that_is_missing_fails_its_item_and_not_the_worker(
        self, pack: Pack, shop: make.Shop
    ) -> None:
        item = work(shop, order(shop))
        assert item.state == "failed"
        assert "nowhere/sd3" in item.failure
        assert item.failure.endswith(".")
        assert_refunded(shop)
        assert_next_works(pack)

    def test_with_a_changed_byte_fails_its_item_and_not_the_worker(
        self, pack: Pack, settings: Any, tmp_path: Path
    ) -> None:
        broken = copy_of(pack, tmp_path / "models" / "broken")
        weights = min(broken.model.folder.rglob("*.safetensors"))
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        settings.MODELS_FOLDER = tmp_path / "models"
        shop = make.shop(pack=broken)
        item = work(shop, order(shop))
        assert item.state == "failed"
        assert str(broken.model.folder) in item.failure
        assert "Traceback" not in item.failure
        assert_refunded(shop)
        settings.MODELS_FOLDER = pack.folder.parent
        assert_next_works(pack)

    def test_of_an_unknown_kind_names_what_there_is(self, pack: Pack) -> None:
        shop = make.shop(pack=pack, pipeline="NoSuchPipeline")
        item = work(shop, order(shop))
        assert item.state == "failed"
        assert "StableDiffusion3Pipeline" in item.failure


def assert_next_works(pack: Pack) -> None:
    """The worker lives: the next item, of a sound model, is made."""
    sound = make.shop("soundwind", pack=pack, thresholds=CONTRAST)
    assert work(sound, order(sound)).state == "in_review"


class TestAnError:
    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            (MemoryError(), "The worker ran out of memory."),
            (
                ValueError("a red mug"),
                "The worker met an unexpected error; its log has the details.",
            ),
        ],
    )
    def test_in_a_render_fails_the_item_and_not_the_worker(
        self, shop: make.Shop, use: Use, error: Exception, sentence: str
    ) -> None:
        use(at_step=raising(error))
        item = work(shop, order(shop))
        assert (item.state, item.failure) == ("failed", sentence)
        assert_refunded(shop)
        use()
        assert work(shop, order(shop)).state == "in_review"

    def test_of_a_full_device_names_size_and_device(
        self, pack: Pack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = make.shop(pack=pack, thresholds=CONTRAST)
        full = torch.cuda.OutOfMemoryError("CUDA out of memory")
        with monkeypatch.context() as broken:
            broken.setattr("generation.engines.sd3.denoise", lambda *_: raising(full)(1))
            item = work(shop, order(shop))
        assert item.state == "failed"
        assert "ran out of memory at 128 x 128 px" in item.failure
        assert_refunded(shop)
        assert work(shop, order(shop)).state == "in_review"

    def test_of_the_review_fails_the_item_instead_of_rendering_it_again(
        self, shop: make.Shop, use: Use, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from governance.review.selectors import NoPolicy

        engine = use()
        no_policy = NoPolicy("This brand has no review policy for images.")
        monkeypatch.setattr(
            "generation.jobs.services._finish.review.open_case", lambda **_: raising(no_policy)(1)
        )
        item = work(shop, order(shop))
        assert (item.state, item.failure) == ("failed", no_policy.detail)
        assert_refunded(shop)
        assert len(engine.rendered) == 1

    def test_of_a_full_store_says_so_and_the_next_image_is_made(
        self, shop: make.Shop, use: Use, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use()
        with monkeypatch.context() as full:
            no_room = OSError(28, "No space left on device")
            full.setattr("generation.assets.blobs.put", lambda _data: raising(no_room)(1))
            item = work(shop, order(shop))
        assert (item.state, item.failure) == ("failed", "The image store has no room left.")
        assert_refunded(shop)
        assert work(shop, order(shop)).state == "in_review"

    def test_of_erased_texts_fails_the_item(self, shop: make.Shop, use: Use) -> None:
        use()
        item = order(shop)
        steward = review.person(shop.brand_id, Role.DATA_STEWARD)
        ledger.erase_person(
            actor=steward, person_id=shop.marketer.id, brand_id=shop.brand_id, now=make.NOW
        )
        item = work(shop, item)
        assert item.state == "failed"
        assert "erased" in item.failure
        assert_refunded(shop)


class TestTheDatabaseAway:
    def test_for_a_moment_stops_no_render(
        self, shop: make.Shop, use: Use, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_wanted, away = services.is_wanted, [OperationalError("the server went away")]
        was_asked_again = threading.Event()

        def flaky(**facts: Any) -> bool:
            if away:
                raise away.pop()
            was_asked_again.set()
            return is_wanted(**facts)

        monkeypatch.setattr(leases, "ASK_EVERY_S", 0.01)
        monkeypatch.setattr(worker.services, "is_wanted", flaky)
        use(at_step=lambda _step: was_asked_again.wait(30))
        assert work(shop, order(shop)).state == "in_review"
        assert was_asked_again.is_set()

    def test_for_a_moment_at_the_finish_loses_no_image(
        self, shop: make.Shop, use: Use, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish, away = services.finish, [OperationalError("a lock was waited for too long")]

        def flaky(**facts: Any) -> UUID:
            if away:
                raise away.pop()
            return finish(**facts)

        monkeypatch.setattr(worker, "FINISH_AGAIN_S", 0)
        monkeypatch.setattr(worker.services, "finish", flaky)
        use()
        assert work(shop, order(shop)).state == "in_review"
        assert (away, JobItem.objects.get().epoch) == ([], 1)

    def test_at_the_finish_for_longer_than_the_lease_leaves_the_item_to_another_try(
        self, shop: make.Shop, use: Use, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        use()
        item = order(shop)
        settings.LEASE_S = 0.5
        with monkeypatch.context() as away:
            gone = OperationalError("the server went away")
            away.setattr(worker, "FINISH_AGAIN_S", 0.05)
            for call in ("finish", "heartbeat"):
                away.setattr(worker.services, call, lambda **_: raising(gone)(1))
            assert work(shop, item).state == "leased"
        assert set(shop.balances().values()) == {(1, 0)}
        make.let_expire(item.id)
        services.sweep(now=make.NOW)
        assert work(shop, item).state == "in_review"
        assert JobItem.objects.get().epoch == 2


class TestCancelling:
    def test_stops_the_worker_soon(
        self, shop: make.Shop, use: Use, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "ASK_EVERY_S", 0.01)
        item, steps = order(shop, steps=100), []

        def at_step(step: int) -> None:
            steps.append(step)
            if step == 5:
                services.cancel_item(actor=shop.marketer, item_id=item.id, now=make.NOW)
            elif step > 5:
                time.sleep(0.05)

        use(at_step=at_step)
        assert work(shop, item).state == "cancelled"
        assert 5 <= len(steps) < 100
        assert_refunded(shop)

    def test_wins_over_a_failure_that_comes_after_it(self, shop: make.Shop, use: Use) -> None:
        item = order(shop)

        def at_step(_step: int) -> None:
            services.cancel_item(actor=shop.marketer, item_id=item.id, now=make.NOW)
            raise ValueError

        use(at_step=at_step)
        assert work(shop, item).state == "cancelled"
        assert_refunded(shop)


class TestAScore:
    @pytest.mark.parametrize(
        "scorer",
        [
            ScriptedScorer(RuntimeError("broken")),
            ScriptedScorer(MemoryError()),
            ScriptedScorer(float("nan")),
            ScriptedScorer(float("inf")),
            ScriptedScorer(2.0),
            ScriptedScorer(0.7, version="2"),
            ScriptedScorer(0.7, id="another"),
        ],
        ids=["raised", "memory", "nan", "inf", "out_of_range", "other_version", "not_there"],
    )
    def test_that_cannot_be_judged_holds_the_image(
        self, shop: make.Shop, use: Use, scorer: ScriptedScorer
    ) -> None:
        use(scorer)
        item = work(shop, order(shop))
        assert (item.state, item.case_id) == ("held", None)
        held = Score.objects.get(scorer="sharpness")
        assert held.verdict == "hold"
        assert held.reason
        assert set(shop.balances().values()) == {(1, 0)}
        use()
        assert work(shop, order(shop)).state == "in_review"

    def test_below_a_strict_threshold_refuses_the_image(self, use: Use) -> None:
        strict = {"sharpness": {"threshold": 0.5, "severity": "refuse"}}
        shop = make.shop(thresholds=strict, is_advisory=False)
        use(ScriptedScorer(0.4))
        item = work(shop, order(shop))
        assert (item.state, item.case_id) == ("refused", None)
        assert item.refusal_id is not None


def raising(error: Exception) -> Callable[[int], None]:
    def raise_it(_step: int) -> None:
        raise error

    return raise_it
