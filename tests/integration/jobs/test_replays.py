"""A replay makes an image again from its recipe: the same bytes, a measured drift, or a failure."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, transaction

from generation.assets.models import Asset, Blob
from generation.engines.spec import RunResult, RunSpec
from generation.jobs import judging, rendering, replaying, selectors, services, tasks
from generation.jobs.errors import LeaseLost, TooManyReplays
from generation.jobs.models import JobItem, Replay
from generation.jobs.records import ReplayRecord, Worn
from generation.packs.manifest import Pack
from generation.scoring.suite import ScoringSuite
from governance.kernel import clock
from governance.kernel.errors import NotFound
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.outbox.models import Outbox
from governance.policy.permits import NotPermitted
from governance.quota import selectors as quota
from governance.sealing import services as sealing
from tests.factories import jobs as make
from tests.factories import people, review
from tests.factories import registry as adapters
from tests.factories import replays as again
from tests.factories.quota import platform_admin
from tests.fakes.engines import InlineSuite, ScriptedEngine, ScriptedScorer
from tests.packs import copy_of, shared_pack

pytestmark = pytest.mark.django_db(transaction=True)


class DriftingEngine(ScriptedEngine):
    """Draws as the scripted engine does, with one corner lighter: another machine's arithmetic."""

    facts: dict[str, str]

    def render(self, spec: RunSpec, on_step: Callable[[int, int], None]) -> RunResult:
        made = super().render(spec, on_step)
        made.pixels[:8, :8, 2] += 40
        return RunResult(made.pixels, made.seconds, {**made.facts, **self.facts})


@pytest.fixture
def pack(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    pack = shared_pack(tmp_path_factory)
    settings.MODELS_FOLDER = pack.folder.parent
    return pack


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    """Let the worker use a scripted engine and scorer."""
    engine = ScriptedEngine()
    use(monkeypatch, engine)
    suite = InlineSuite(ScoringSuite((ScriptedScorer(0.7),)))
    monkeypatch.setattr(judging, "open_suite", lambda *_: suite)
    return engine


def use(monkeypatch: pytest.MonkeyPatch, engine: ScriptedEngine) -> None:
    monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: engine)


def drifting(monkeypatch: pytest.MonkeyPatch, **facts: str) -> None:
    engine = DriftingEngine()
    engine.facts = facts
    use(monkeypatch, engine)


def replayed(shop: make.Shop, asset_id: UUID) -> ReplayRecord:
    """Ask for a replay as an auditor, and let a worker do it."""
    replay = again.asked(asset_id, shop.team.auditor)
    tasks.replay(replay_id=str(replay.id), of_a_later_release=True)
    return selectors.get_replay(shop.team.auditor, replay.id)


def events(asset_id: UUID) -> list[str]:
    found = Entry.objects.filter(subject_id=asset_id, event__startswith="generation.replay.")
    return list(found.order_by("id").values_list("event", flat=True))


class TestTheSameBytes:
    def test_come_of_the_recipe_with_the_packs_own_model(self, pack: Pack) -> None:
        shop = make.shop(pack=pack)
        asset_id = again.image(shop)
        before = make.count_rows()
        found = replayed(shop, asset_id)
        assert (found.state, found.outcome, found.failure) == ("done", "same", "")
        assert found.made_sha256 == found.asset_sha256
        assert found.is_own_class
        assert found.report == {"changed": []}
        assert found.worker_facts["device"] == "cpu"
        assert found.worker_facts["torch.threads"]
        assert found.worker_facts["engine"].startswith("sd3/")
        assert events(asset_id) == ["generation.replay.asked", "generation.replay.done"]
        # No asset, no score, no bytes, no booking: a replay leaves its row, two entries, a hint.
        added = {
            name: n - before[name] for name, n in make.count_rows().items() if n != before[name]
        }
        assert added == {
            "jobs_replay": 1,
            "ledger_entry": 2,
            "ledger_pending": 2,
            "outbox_outbox": 1,
        }
        assert set(shop.balances().values()) == {(0, 1)}
        assert quota.check_books() == []

    def test_come_of_a_recipe_with_a_look_and_outlines(self, pack: Pack) -> None:
        shop = make.shop(pack=pack)
        look = adapters.adapter(pack)
        outlines = adapters.adapter(pack, kind="controlnet", slug="outlines")
        plain = again.image(shop)
        worn = again.image(
            shop,
            worn=[Worn(look, 0.8), Worn(outlines, 0.7)],
            pictures=[make.used(plain, "control")],
            parent_asset_id=plain,
        )
        found = replayed(shop, worn)
        assert (found.outcome, found.failure) == ("same", "")
        assert found.is_own_class


class TestADrift:
    def test_is_measured_and_its_cause_is_named(
        self, shop: make.Shop, scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asset_id = again.image(shop)
        drifting(monkeypatch, **{"device.name": "another", "library.torch": "9.9"})
        found = replayed(shop, asset_id)
        assert (found.state, found.outcome) == ("done", "drifted")
        assert found.made_sha256 != found.asset_sha256
        assert not found.is_own_class
        assert found.report["changed"] == [
            {"fact": "device.name", "then": "", "now": "another"},
            {"fact": "library.torch", "then": "", "now": "9.9"},
        ]
        assert found.report["are_pixels_same"] is False
        pixels = found.report["pixels"]
        assert pixels["differing_share"] == pytest.approx(64 / 128**2, abs=1e-6)
        assert pixels["largest_difference"] == 40
        assert 0.9 < pixels["ssim"] < 1
        assert 0 < pixels["ciede2000_mean"] < pixels["ciede2000_max"]
        assert Asset.objects.count() == Blob.objects.count() == 1

    def test_on_the_images_own_class_is_counted_as_a_broken_promise(
        self, shop: make.Shop, scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asset_id = again.image(shop)
        assert replayed(shop, asset_id).outcome == "same"
        drifting(monkeypatch)
        found = replayed(shop, asset_id)
        assert (found.outcome, found.is_own_class) == ("drifted", True)
        drifting(monkeypatch, python="2.7")
        replayed(shop, asset_id)
        told = {
            each.sha256: (each.same, each.drifted, each.broken, each.last_outcome)
            for each in selectors.list_worker_classes(shop.team.auditor)
        }
        assert told.pop(found.worker_class) == (1, 1, 1, "drifted")
        assert list(told.values()) == [(0, 1, 0, "drifted")]
        assert selectors.list_worker_classes(make.shop("southwind").team.auditor) == []

    def test_is_told_though_the_images_bytes_are_gone(
        self,
        shop: make.Shop,
        scripted: ScriptedEngine,
        monkeypatch: pytest.MonkeyPatch,
        settings: Any,
        tmp_path: Any,
    ) -> None:
        asset_id = again.image(shop)
        drifting(monkeypatch)
        make.use_blobs(settings, tmp_path / "emptied")
        found = replayed(shop, asset_id)
        assert found.outcome == "drifted"
        assert found.report["unmeasured"] == "The image's bytes are missing from the store."


class TestAFailure:
    def failed(self, shop: make.Shop, asset_id: UUID, sentence: str) -> None:
        found = replayed(shop, asset_id)
        assert (found.state, found.outcome, found.made_sha256) == ("failed", "", "")
        assert sentence in found.failure
        assert events(asset_id)[-1] == "generation.replay.failed"

    def test_says_that_the_texts_were_erased(
        self, shop: make.Shop, scripted: ScriptedEngine
    ) -> None:
        asset_id = again.image(shop)
        steward = review.person(shop.brand_id, Role.DATA_STEWARD)
        with transaction.atomic():
            sealing.destroy_key(actor=steward, person_id=shop.marketer.id, now=make.NOW)
        self.failed(shop, asset_id, "texts were erased")

    def test_says_that_the_weights_are_missing_or_changed(
        self, settings: Any, tmp_path: Any, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        pack = copy_of(shared_pack(tmp_path_factory), tmp_path / "models" / "pack")
        settings.MODELS_FOLDER = pack.folder.parent
        shop = make.shop(pack=pack)
        asset_id = again.image(shop)
        rendering.engines.find("StableDiffusion3Pipeline").unload()
        for path in pack.model.folder.rglob("*.json"):
            path.write_bytes(path.read_bytes() + b" ")
        self.failed(shop, asset_id, "changed")
        settings.MODELS_FOLDER = tmp_path / "nowhere"
        self.failed(shop, asset_id, "folder")

    def test_says_that_no_engine_runs_the_pipeline(
        self, shop: make.Shop, scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asset_id = again.image(shop)
        monkeypatch.undo()
        monkeypatch.setattr("generation.engines.registry.discover", dict)
        rendering.engines.find.cache_clear()
        self.failed(shop, asset_id, "No engine runs the pipeline")

    def test_says_that_the_recipe_cannot_be_read(self, shop: make.Shop) -> None:
        asset_id = make.finish(make.claimed(shop.order().items[0]))
        self.failed(shop, asset_id, "lacks what making the image again needs")

    def test_of_the_unexpected_kind_leaves_the_worker_alive(
        self, shop: make.Shop, scripted: ScriptedEngine
    ) -> None:
        asset_id = again.image(shop)

        def breaks(_step: int) -> None:
            message = "no such thing"
            raise RuntimeError(message)

        scripted.at_step = breaks
        self.failed(shop, asset_id, "unexpected error")

    def test_of_the_database_leaves_it_to_the_sweeper(
        self, shop: make.Shop, scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replay = again.asked(again.image(shop), shop.team.auditor)

        def gone(**_: Any) -> None:
            message = "gone"
            raise OperationalError(message)

        monkeypatch.setattr(services, "finish_replay", gone)
        replaying.work_on(replay.id)
        assert Replay.objects.get().state == "leased"


class TestAsking:
    def test_is_for_who_judges_or_audits_and_may_read_the_image(self, shop: make.Shop) -> None:
        asset_id = make.finish(make.claimed(shop.order().items[0]))
        team = shop.team
        for actor in (team.auditor, team.brand_reviewer, team.compliance_reviewer):
            assert again.asked(asset_id, actor).state == "queued"
        with pytest.raises(NotPermitted):
            again.asked(asset_id, shop.marketer)
        with pytest.raises(NotFound):
            again.asked(asset_id, make.shop("southwind").team.auditor)
        with pytest.raises(NotFound):
            again.asked(asset_id, platform_admin())
        member = review.person(shop.brand_id, Role.DATA_STEWARD, is_platform_admin=True)
        assert again.asked(asset_id, member).state == "queued"
        assert Replay.objects.count() == 4
        assert selectors.get_replay(shop.marketer, Replay.objects.latest("pk").id)

    def test_is_limited_for_each_person(self, shop: make.Shop, settings: Any) -> None:
        settings.REPLAYS_AN_HOUR = 2
        asset_id = make.finish(make.claimed(shop.order().items[0]))
        auditor, reviewer = shop.team.auditor, shop.team.brand_reviewer
        again.asked(asset_id, auditor)
        again.asked(asset_id, auditor, now=make.NOW + timedelta(minutes=20))
        before = make.count_rows()
        with pytest.raises(TooManyReplays) as error:
            again.asked(asset_id, auditor, now=make.NOW + timedelta(minutes=30))
        assert error.value.facts["retry_after_s"] == 30 * 60
        assert make.count_rows() == before
        again.asked(asset_id, reviewer, now=make.NOW + timedelta(minutes=30))
        again.asked(asset_id, auditor, now=make.NOW + timedelta(minutes=61))


class TestTheQueue:
    def test_lets_ordered_images_go_first_for_a_while(
        self, shop: make.Shop, scripted: ScriptedEngine
    ) -> None:
        asset_id = again.image(shop)
        young = again.asked(asset_id, shop.team.auditor, now=clock.now())
        old = again.asked(asset_id, shop.team.auditor, now=clock.now() - timedelta(minutes=11))
        waiting = shop.order().items[0]
        for replay in (young, old):
            replaying.work_on(replay.id)
        states = dict(Replay.objects.values_list("id", "state"))
        assert states == {young.id: "queued", old.id: "done"}
        make.claimed(waiting)
        replaying.work_on(young.id)
        assert selectors.get_replay(shop.team.auditor, young.id).outcome == "same"

    def test_gives_a_replay_to_one_worker_at_a_time(self, shop: make.Shop) -> None:
        asset_id = make.finish(make.claimed(shop.order().items[0]))
        replay = again.asked(asset_id, shop.team.auditor)
        late = again.claimed(replay)
        assert services.claim_replay(replay_id=replay.id, worker="worker-two") is None
        again.let_expire(replay.id)
        current = again.claimed(replay, "worker-two")
        assert not services.keep_replay(claim=late)
        assert services.keep_replay(claim=current)
        with pytest.raises(LeaseLost):
            services.finish_replay(claim=late, remade=again.remade(replay), now=make.NOW)
        assert not services.fail_replay(claim=late, failure="x", now=make.NOW)
        services.finish_replay(claim=current, remade=again.remade(replay), now=make.NOW)
        with pytest.raises(LeaseLost):
            services.finish_replay(claim=current, remade=again.remade(replay), now=make.NOW)
        assert selectors.get_replay(shop.team.auditor, replay.id).attempts == 2


class TestTheSweeper:
    @pytest.fixture
    def replay(self, shop: make.Shop) -> ReplayRecord:
        asset_id = make.finish(make.claimed(shop.order().items[0]))
        return again.asked(asset_id, shop.team.auditor)

    def hints(self, replay: ReplayRecord) -> int:
        return Outbox.objects.filter(kwargs__replay_id=str(replay.id)).count()

    def test_hints_again_what_waits_too_long(self, replay: ReplayRecord, settings: Any) -> None:
        assert services.sweep_replays(now=make.NOW) == 0
        settings.HINT_AGAIN_S = -1
        assert services.sweep_replays(now=make.NOW) == 1
        assert self.hints(replay) == 2

    def test_takes_an_expired_lease_back(self, shop: make.Shop, replay: ReplayRecord) -> None:
        again.claimed(replay)
        assert services.sweep_replays(now=make.NOW) == 0
        again.let_expire(replay.id)
        assert services.sweep_replays(now=make.NOW) == 1
        assert selectors.get_replay(shop.team.auditor, replay.id).state == "queued"
        assert self.hints(replay) == 2

    def test_ends_what_stops_every_worker(
        self, shop: make.Shop, replay: ReplayRecord, settings: Any
    ) -> None:
        settings.ITEM_ATTEMPTS = 1
        again.claimed(replay)
        again.let_expire(replay.id)
        assert services.sweep_replays(now=make.NOW) == 1
        over = selectors.get_replay(shop.team.auditor, replay.id)
        assert over.state == "failed"
        assert over.failure == "The worker stopped 1 times while making this image again."
        assert services.claim_replay(replay_id=replay.id, worker="another") is None


class TestTheCommand:
    @pytest.fixture
    def otto(self, shop: make.Shop) -> str:
        ada, _grace = people.admins()
        people.add(ada, "otto", brand_id=shop.brand_id, roles=[Role.AUDITOR])
        return "otto"

    def test_makes_it_here_and_says_so(
        self, shop: make.Shop, scripted: ScriptedEngine, otto: str, capsys: Any
    ) -> None:
        asset_id = again.image(shop)
        call_command("replay", str(asset_id), "--here", username=otto)
        told = capsys.readouterr().out
        assert Asset.objects.get().sha256 in told
        assert "The same bytes." in told
        assert not Outbox.objects.filter(task="generation.jobs.replay").exists()
        call_command("replay", "--classes", username=otto)
        assert "same 1  drifted 0" in capsys.readouterr().out

    def test_reports_a_drift_and_exits_with_3(
        self,
        shop: make.Shop,
        scripted: ScriptedEngine,
        otto: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: Any,
    ) -> None:
        asset_id = again.image(shop)
        drifting(monkeypatch, **{"device.name": "another"})
        with pytest.raises(CommandError, match="Drifted") as error:
            call_command("replay", str(asset_id), "--here", username=otto)
        assert error.value.returncode == 3
        told = capsys.readouterr().out
        assert "device.name: not recorded -> another" in told
        assert "largest_difference: 40" in told

    def test_fails_with_the_reason(self, shop: make.Shop, otto: str) -> None:
        asset_id = make.finish(make.claimed(shop.order().items[0]))
        with pytest.raises(CommandError, match="lacks what making the image again needs"):
            call_command("replay", str(asset_id), "--here", username=otto)

    def test_waits_for_a_worker_only_so_long(self, shop: make.Shop, otto: str) -> None:
        asset_id = make.finish(make.claimed(shop.order().items[0]))
        with pytest.raises(CommandError, match="still queued after 0 s"):
            call_command("replay", str(asset_id), username=otto, wait_s=0)
        assert Outbox.objects.filter(task="generation.jobs.replay").count() == 1

    def test_refuses_neither_and_both(self, otto: str, shop: make.Shop) -> None:
        for arguments in ([], [str(shop.brand_id), "--classes"]):
            with pytest.raises(CommandError, match="Name an image"):
                call_command("replay", *arguments, username=otto)
        with pytest.raises(CommandError, match="No asset has this id"):
            call_command("replay", str(shop.brand_id), username=otto)


class TestTheRecipe:
    def test_of_a_new_image_names_its_encoder(
        self, shop: make.Shop, scripted: ScriptedEngine
    ) -> None:
        again.image(shop)
        recipe = json.loads(bytes(Asset.objects.get().recipe))
        assert recipe["encoder"] == dict(rendering.encoder_facts())
        assert recipe["encoder"]["encoder.pillow"]

    def test_of_other_bytes_than_were_recorded_makes_nothing(
        self, shop: make.Shop, scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asset_id = again.image(shop)
        rendered = len(scripted.rendered)
        monkeypatch.setattr("generation.jobs.recipes.sha256_hex", lambda _data: "0" * 64)
        found = replayed(shop, asset_id)
        assert "not the one that was recorded" in found.failure
        assert len(scripted.rendered) == rendered


def test_pixels_of_a_drifting_engine_really_differ() -> None:
    """The negative control of the drift tests: the fake draws something else."""
    spec_facts = {"width": 64, "height": 64, "steps": 1, "seed": 3}
    spec = type("Spec", (), spec_facts)()
    engine = DriftingEngine()
    engine.facts = {}
    one = ScriptedEngine().render(spec, lambda *_: None)
    other = engine.render(spec, lambda *_: None)
    assert not np.array_equal(one.pixels, other.pixels)


def test_item_keeps_its_queue_for_its_replays(shop: make.Shop) -> None:
    item = shop.order().items[0]
    replay = again.asked(make.finish(make.claimed(item)), shop.team.auditor)
    assert Replay.objects.get(pk=replay.id).queue == JobItem.objects.get(pk=item.id).queue
