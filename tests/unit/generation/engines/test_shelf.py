"""Models stay loaded within a budget; what does not fit goes first, and is never in use."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from generation.engines import registry, sd3
from generation.engines.errors import DeviceExhausted, ModelTooLarge, ModelUnavailable
from generation.engines.memory import Budget
from generation.engines.placement import place
from generation.engines.resident import ResidentEngine
from generation.engines.shelf import Key, Loaded, Shelf
from generation.engines.spec import RunSpec
from generation.packs.manifest import Pack
from tests.unit.generation.conftest import MakeSpec, spec_maker

PLACEMENT = place("cpu", "float32")
Obtain = Callable[[str], Loaded]


@pytest.fixture
def shelf() -> Shelf:
    """A shelf for two models of 400 bytes, and some of a third."""
    return Shelf(Budget(host_bytes=1000))


@pytest.fixture
def loads(shelf: Shelf) -> list[tuple[str, ...]]:
    """Collect what was held whenever something was loaded."""
    return []


@pytest.fixture
def obtain(shelf: Shelf, loads: list[tuple[str, ...]], tmp_path: Path) -> Obtain:
    """Obtain a model of 10 by 10 numbers by its name."""

    def obtain(name: str, side: int = 10) -> Loaded:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        save_file({"weight": torch.zeros(side, side)}, folder / "model.safetensors")
        key = Key(folder, "0" * 64, "Pipeline", PLACEMENT)

        def load() -> Loaded:
            loads.append(names(shelf))
            model = torch.nn.Linear(side, side, bias=False)
            return Loaded(key, SimpleNamespace(components={"transformer": model}))

        return shelf.obtain(key, load)

    return obtain


@pytest.fixture(scope="module")
def specs(make_spec: MakeSpec, flux_pack: Pack) -> tuple[RunSpec, RunSpec]:
    """Name one image of each of two families."""
    flux = spec_maker(flux_pack, negative_prompt="", guidance=3.5)
    return make_spec(steps=1), flux(steps=1)


def names(shelf: Shelf) -> tuple[str, ...]:
    return tuple(each.key.folder.name for each in shelf.held)


class TestObtain:
    def test_switching_between_two_that_fit_loads_each_once(
        self, obtain: Obtain, loads: list[tuple[str, ...]]
    ) -> None:
        one, other = obtain("one"), obtain("other")
        assert (obtain("one"), obtain("other")) == (one, other)
        assert len(loads) == 2

    def test_takes_the_longest_unused_away_before_it_loads(
        self, obtain: Obtain, shelf: Shelf, loads: list[tuple[str, ...]]
    ) -> None:
        obtain("one")
        obtain("other")
        obtain("one")
        obtain("third")
        assert loads[-1] == ("one",), "room is made before anything is allocated"
        assert names(shelf) == ("one", "third")

    def test_without_a_budget_nothing_is_taken_away(self, obtain: Obtain, shelf: Shelf) -> None:
        shelf.budget = Budget()
        for name in ("one", "other", "third"):
            obtain(name)
        assert names(shelf) == ("one", "other", "third")

    def test_refuses_what_does_not_fit_alone_and_keeps_the_others(
        self, obtain: Obtain, shelf: Shelf, tmp_path: Path
    ) -> None:
        obtain("one")
        shelf.budget = Budget(host_bytes=500)
        big = tmp_path / "big"
        big.mkdir()
        save_file({"weight": torch.zeros(20, 20)}, big / "model.safetensors")
        with pytest.raises(ModelTooLarge, match="Raise WORKER_HOST_MODELS_GIB") as refused:
            shelf.obtain(Key(big, "0" * 64, "P", PLACEMENT), lambda: pytest.fail("loaded"))
        assert refused.value.facts["needed_bytes"] == 1600
        assert names(shelf) == ("one",)

    def test_weighs_what_was_loaded_and_not_what_was_expected(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
        key = Key(tmp_path, "0" * 64, "P", PLACEMENT)
        model = SimpleNamespace(components={"a": torch.nn.Linear(10, 10, bias=False)})
        shelf.obtain(key, lambda: Loaded(key, model))
        assert shelf.held[0].footprint.host_bytes == 400

    def test_loads_a_torn_one_again(self, obtain: Obtain, loads: list[tuple[str, ...]]) -> None:
        torn = obtain("one")
        torn.wardrobe.is_torn = True
        assert obtain("one") is not torn
        assert loads == [(), ()]

    def test_a_load_that_fails_leaves_nothing_behind(
        self, obtain: Obtain, shelf: Shelf, tmp_path: Path
    ) -> None:
        obtain("one")

        def fail() -> Loaded:
            raise MemoryError

        with pytest.raises(MemoryError):
            shelf.obtain(Key(tmp_path / "other", "0" * 64, "P", PLACEMENT), fail)
        assert names(shelf) == ("one",)

    def test_says_that_a_file_cannot_be_read(self, shelf: Shelf, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(b"short")
        with pytest.raises(ModelUnavailable) as refused:
            shelf.obtain(Key(tmp_path, "0" * 64, "P", PLACEMENT), lambda: pytest.fail("loaded"))
        assert refused.value.facts["reason"] == "weights_unreadable"


class TestSettle:
    def test_makes_room_for_what_was_hung_on_a_model(self, obtain: Obtain, shelf: Shelf) -> None:
        obtain("one")
        grown = obtain("other")
        grown.siblings["control"] = SimpleNamespace(
            components={"more": torch.nn.Linear(15, 15, bias=False)}
        )
        shelf.settle(grown)
        assert names(shelf) == ("other",)
        assert shelf.held[0].footprint.host_bytes == 1300


class TestHeld:
    def test_moves_the_last_used_to_the_end(self, obtain: Obtain, shelf: Shelf) -> None:
        obtain("one")
        obtain("other")
        first, _ = shelf.held
        obtain("one")
        _, last = shelf.held
        assert last.key == first.key
        assert last.used_at >= first.used_at

    def test_answers_while_somebody_renders(self, shelf: Shelf) -> None:
        answers = []
        with shelf.taken():
            asking = threading.Thread(target=lambda: answers.append(shelf.held))
            asking.start()
            asking.join(timeout=10)
        assert answers == [()]


class TestEngines:
    """Two real engines on one shelf."""

    def render_both_twice(self, shelf: Shelf, specs: tuple[RunSpec, RunSpec]) -> list[str]:
        made = []
        for spec in (*specs, *specs):
            engine = registry.discover()[spec.pipeline].engine()
            engine.keep_on(shelf)
            made.append(engine.render(spec, lambda _done, _of: None).pixels_sha256)
        return made

    def test_switching_back_renders_the_same_with_or_without_loading_again(
        self, specs: tuple[RunSpec, RunSpec], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from generation.engines import loading

        loaded, plain = [], loading.load_pipeline
        monkeypatch.setattr(
            loading, "load_pipeline", lambda *asked: loaded.append(asked[2]) or plain(*asked)
        )
        roomy, tight = Shelf(), Shelf()
        images = self.render_both_twice(roomy, specs)
        assert (images[:2], len(loaded)) == (images[2:], 2)
        larger = max(each.footprint.host_bytes for each in roomy.held)
        tight.budget = Budget(host_bytes=int(larger * 1.05))
        loaded.clear()
        assert self.render_both_twice(tight, specs) == images
        assert len(loaded) == 4

    def test_the_registry_shares_one_shelf(self, specs: tuple[RunSpec, RunSpec]) -> None:
        found = {registry.find(spec.pipeline)._shelf for spec in specs}  # type: ignore[attr-defined]
        assert found == {registry.SHELF}
        assert registry.held() == registry.SHELF.held

    def test_a_limit_that_is_not_stated_is_a_share_of_what_is_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry.SHELF, "budget", Budget())
        registry.limit_memory("cpu", device_bytes=None, host_bytes=None)
        assert registry.SHELF.budget.host_bytes
        registry.limit_memory("cpu", device_bytes=7, host_bytes=8)
        assert registry.SHELF.budget == Budget(7, 8)


class TestExhaustion:
    """Memory that runs out in the middle of an image."""

    @pytest.fixture
    def shelf(self, specs: tuple[RunSpec, RunSpec]) -> Shelf:
        """A shelf that holds both models and what they were asked last."""
        shelf = Shelf()
        for spec in reversed(specs):
            self.engine(spec, shelf).render(spec, lambda _done, _of: None)
        return shelf

    def engine(self, spec: RunSpec, shelf: Shelf) -> ResidentEngine:
        engine: ResidentEngine = registry.discover()[spec.pipeline].engine()
        engine.keep_on(shelf)
        return engine

    def test_drops_everything_else_and_tries_once_more(
        self, specs: tuple[RunSpec, RunSpec], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec, decode, seen = specs[0], sd3.decode, []

        def need_room(*asked: object) -> object:
            seen.append((len(shelf.held), shelf.prompts.size_bytes > 0))
            if len(shelf.held) > 1:
                message = "CUDA out of memory. Tried to allocate 20 GiB"
                raise torch.OutOfMemoryError(message)
            return decode(*asked)

        before = self.engine(spec, Shelf()).render(spec, lambda _done, _of: None)
        monkeypatch.setattr(sd3, "decode", need_room)
        made = self.engine(spec, shelf).render(spec, lambda _done, _of: None)
        assert made.pixels_sha256 == before.pixels_sha256
        # The second try encoded anew: the kept embeddings were gone before it began.
        assert seen == [(2, True), (1, True)]
        assert shelf.prompts.misses == 3
        assert [each.key.pipeline for each in shelf.held] == [spec.pipeline]

    def test_gives_up_after_the_second_time_and_holds_nothing(
        self, specs: tuple[RunSpec, RunSpec], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []

        def exhaust(*_: object) -> None:
            tried.append(len(shelf.held))
            raise MemoryError

        monkeypatch.setattr(sd3, "decode", exhaust)
        with pytest.raises(DeviceExhausted, match="ran out of memory"):
            self.engine(specs[0], shelf).render(specs[0], lambda _done, _of: None)
        assert tried == [2, 1]
        assert shelf.held == ()

    def test_does_not_try_again_where_there_is_nothing_to_drop(
        self, specs: tuple[RunSpec, RunSpec], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []

        def exhaust(*_: object) -> None:
            tried.append(1)
            raise MemoryError

        shelf = Shelf()
        shelf.prompts.most_bytes = 0
        monkeypatch.setattr(sd3, "decode", exhaust)
        with pytest.raises(DeviceExhausted):
            self.engine(specs[0], shelf).render(specs[0], lambda _done, _of: None)
        assert tried == [1]

    def test_what_the_caller_raises_is_not_tried_again(
        self, specs: tuple[RunSpec, RunSpec], shelf: Shelf
    ) -> None:
        def stop(_done: int, _of: int) -> None:
            raise MemoryError

        with pytest.raises(MemoryError):
            self.engine(specs[0], shelf).render(specs[0], stop)
        assert len(shelf.held) == 2
