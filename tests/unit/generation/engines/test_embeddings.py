"""An image made from kept embeddings is bit for bit the image; all they depend on is the key."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from generation import metrics
from generation.engines import registry, trials
from generation.engines.embeddings import PromptCache
from generation.engines.modes import Mode
from generation.engines.placement import place
from generation.engines.resident import ResidentEngine
from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.shelf import Key, Loaded, Shelf
from generation.engines.spec import AdapterRef, PictureRef, RunSpec
from generation.packs.tiny import families
from governance.kernel.digests import sha256_hex
from tests.packs import shared_pack
from tests.unit.generation.conftest import MakeSpec, spec_maker


def made(size: int = 10, value: float = 0.0) -> dict[str, torch.Tensor]:
    return {"prompt_embeds": torch.full((size,), value)}


class TestPromptCache:
    def test_encodes_the_same_once(self) -> None:
        cache, first = PromptCache(), made()
        assert cache.obtain({"prompt": "a mug"}, lambda: first) is first
        assert cache.obtain({"prompt": "a mug"}, lambda: pytest.fail("encoded")) is first
        assert (cache.hits, cache.misses) == (1, 1)

    def test_tells_apart_what_differs_in_anything(self) -> None:
        cache = PromptCache()
        asked = [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "a", "dtype": "x"}, {"dtype": "a"}]
        for one in asked:
            cache.obtain(one, made)
        assert (cache.hits, cache.misses) == (0, 4)

    def test_forgets_the_longest_unused_beyond_its_limit(self) -> None:
        cache = PromptCache(most_bytes=100)
        for text in ("one", "other", "one", "third"):
            cache.obtain({"prompt": text}, made)
        assert (cache.hits, cache.size_bytes) == (1, 80)
        cache.obtain({"prompt": "one"}, lambda: pytest.fail("the longest unused was the other"))
        cache.obtain({"prompt": "other"}, made)
        assert cache.misses == 4

    def test_keeps_nothing_that_is_larger_than_its_limit(self) -> None:
        cache = PromptCache(most_bytes=39)
        cache.obtain({"prompt": "a"}, made)
        assert cache.size_bytes == 0
        assert not cache.clear()

    def test_keeps_no_text(self) -> None:
        cache = PromptCache()
        cache.obtain({"prompt": "a secret launch"}, made)
        assert "secret" not in repr(vars(cache))

    def test_says_whether_there_was_anything_to_forget(self) -> None:
        cache = PromptCache()
        cache.obtain({"prompt": "a"}, made)
        assert (cache.clear(), cache.clear(), cache.size_bytes) == (True, False, 0)

    def test_an_encoding_that_fails_is_not_kept(self) -> None:
        cache = PromptCache()
        with pytest.raises(ZeroDivisionError):
            cache.obtain({"prompt": "a"}, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        assert cache.obtain({"prompt": "a"}, made)


def stages() -> list[float]:
    """Count how often each stage of an image was timed."""
    name = "imprimatur_stage_seconds_count"
    names = ("encode", "denoise", "decode")
    return [metrics.WORKER.get_sample_value(name, {"stage": each}) or 0.0 for each in names]


@pytest.fixture(scope="module", params=sorted(families.discover()))
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    pack = shared_pack(tmp_path_factory, request.param)
    engine = registry.discover()[pack.model.pipeline].engine()
    can = engine.modes_of(pack.model.folder)
    negative = "blurry" if Mode.NEGATIVE_PROMPT in can else ""
    make = spec_maker(pack, negative_prompt=negative, guidance=pack.model.defaults.guidance)
    return trials.complete(make(steps=1), engine.needed)


@pytest.fixture
def engine(spec: RunSpec) -> Iterator[ResidentEngine]:
    made = registry.discover()[spec.pipeline].engine()
    made.keep_on(Shelf())
    yield made
    made.unload()


class TestEveryFamily:
    def test_makes_the_same_image_from_kept_embeddings(
        self, spec: RunSpec, engine: ResidentEngine
    ) -> None:
        cache, timed = engine._shelf.prompts, stages()
        new = engine.render(spec, lambda _done, _of: None)
        (kept,) = cache._kept.values()
        before = {name: each.clone() for name, each in kept.items()}
        assert (cache.hits, cache.misses) == (0, 1)
        again = engine.render(spec, lambda _done, _of: None)
        assert again.pixels_sha256 == new.pixels_sha256
        assert (cache.hits, cache.misses) == (1, 1)
        assert all(torch.equal(each, kept[name]) for name, each in before.items())
        # What was kept was not encoded, so it took no time.
        assert [now - then for now, then in zip(stages(), timed, strict=True)] == [1, 2, 2]


class TestKey:
    """What decides embeddings, and nothing else, names them."""

    @pytest.fixture
    def made_by(self, make_spec: MakeSpec) -> Callable[[RunSpec], int]:
        engine = StableDiffusion3Engine()

        def count(asked: RunSpec) -> int:
            for spec in (make_spec(), asked):
                placement = place(spec.device, spec.dtype, spec.handling)
                key = Key(spec.folder, spec.snapshot_sha256, spec.pipeline, placement)
                engine.embed(Loaded(key, None), spec, made)
            return engine._shelf.prompts.misses

        return count

    @pytest.mark.parametrize(
        "change",
        [
            {"prompt": "a green bottle"},
            {"negative_prompt": "plant"},
            {"guidance": 1.0},
            {"max_sequence_length": 40},
            {"dtype": "bfloat16"},
            {"snapshot_sha256": "1" * 64},
            {"pipeline": "StableDiffusion3Img2ImgPipeline"},
            {"handling": "resident+vae_slicing"},
            {"adapters": (AdapterRef(Path("lora"), "2" * 64, 1.0),)},
            {"references": (PictureRef(b"x", sha256_hex(b"x")),)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_tells_apart(
        self, make_spec: MakeSpec, made_by: Callable[[RunSpec], int], change: dict[str, Any]
    ) -> None:
        assert made_by(make_spec(**change)) == 2

    @pytest.mark.parametrize(
        "change", [{"seed": 5}, {"steps": 9}, {"width": 256}, {"guidance": 7.5}]
    )
    def test_shares(
        self, make_spec: MakeSpec, made_by: Callable[[RunSpec], int], change: dict[str, Any]
    ) -> None:
        assert made_by(make_spec(**change)) == 1
