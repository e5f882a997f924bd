"""The shipped pack is what its cards say: small, safe to load, and true to the prompt."""

import dataclasses
import random
from collections.abc import Mapping

import pytest
from PIL import Image

from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.spec import RunSpec, SourceRef
from generation.packs import manifest, shipped
from generation.packs.world import captions
from generation.packs.world.scene import ATTRIBUTES, Scene, sample
from generation.weights import runtime
from governance.kernel.digests import sha256_hex
from tests.benchmarks import checker, demo_adapters
from tests.unit.generation import photographs
from tests.unit.generation.conftest import MakeSpec, spec_maker

PROMPTS = 12


@pytest.fixture(scope="module")
def pack() -> manifest.Pack:
    return manifest.read(shipped.FOLDER)


@pytest.fixture(scope="module")
def make(pack: manifest.Pack) -> MakeSpec:
    """Make a spec with the pack's own defaults."""
    defaults = pack.model.defaults
    usual = spec_maker(pack, negative_prompt="", guidance=defaults.guidance)()
    usual = dataclasses.replace(
        usual,
        steps=defaults.steps,
        max_sequence_length=defaults.max_sequence_length,
        width=defaults.sizes[0].width,
        height=defaults.sizes[0].height,
    )
    return lambda **changes: dataclasses.replace(usual, **changes)


def look(engine: StableDiffusion3Engine, spec: RunSpec) -> Mapping[str, object]:
    """Render a spec and name what it shows."""
    made = engine.render(spec, lambda _done, _of: None)
    return checker.load().look([Image.fromarray(made.pixels)])[0]


class TestFiles:
    def test_are_intact_and_called_calibrated(self, pack: manifest.Pack) -> None:
        pack.verify()
        assert pack.calibrated

    def test_are_small_and_hold_nothing_that_runs(self, pack: manifest.Pack) -> None:
        files = [path for path in pack.folder.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 25_000_000
        assert {path.suffix for path in files} <= {".safetensors", ".json", ".md", ".txt"}

    def test_say_nothing_of_where_they_were_made(self, pack: manifest.Pack) -> None:
        for path in pack.folder.rglob("*.json"):
            assert "_name_or_path" not in path.read_text(encoding="utf-8"), path

    def test_have_a_card_with_data_limits_and_licence(self, pack: manifest.Pack) -> None:
        folders = [pack.model.folder, *(scorer.resolve(pack.folder) for scorer in pack.scorers)]
        for folder in [*folders, *(adapter.folder for adapter in pack.adapters)]:
            card = (folder / "README.md").read_text()
            for word in ("license: cc0-1.0", "**Data**", "**Limits**", "**Training**"):
                assert word in card, (folder, word)


class TestPictures:
    def test_show_what_was_asked_for(
        self, make: MakeSpec, warm_engine: StableDiffusion3Engine
    ) -> None:
        rng = random.Random(77)
        scenes = [sample(rng, held_out=True) for _ in range(PROMPTS)]
        right = 0
        for index, scene in enumerate(scenes):
            prompt = captions.caption(scene, rng, ATTRIBUTES[1:])
            seen = look(warm_engine, make(prompt=prompt, seed=index))
            right += all(
                seen[name] == getattr(scene, name)
                for name in ("object", "color", "background", "badge", "count")
            )
        assert right >= PROMPTS - 2

    def test_follow_the_words_and_not_the_seed(
        self, make: MakeSpec, warm_engine: StableDiffusion3Engine
    ) -> None:
        # The control: had the pictures nothing to do with the prompt, these would be alike.
        asked = (Scene("mug", "red", "wood"), Scene("clock", "blue", "white", badge="hazard"))
        for scene in asked:
            words = captions.caption(scene, random.Random(1), ATTRIBUTES[1:])
            seen = look(warm_engine, make(prompt=words, seed=5))
            assert (seen["object"], seen["badge"]) == (scene.object, scene.badge)

    @pytest.mark.parametrize(
        ("strength", "shown"), [(0.3, ("mug", "red")), (1.0, ("clock", "blue"))]
    )
    def test_start_from_another_and_leave_it_as_far_as_they_are_told(
        self,
        make: MakeSpec,
        warm_engine: StableDiffusion3Engine,
        strength: float,
        shown: tuple[str, str],
    ) -> None:
        mug, clock = (
            captions.caption(scene, random.Random(1), ATTRIBUTES[1:])
            for scene in (Scene("mug", "red", "wood"), Scene("clock", "blue", "white"))
        )
        made = warm_engine.render(make(prompt=mug, seed=5), lambda _done, _of: None)
        data = photographs.saved_as(Image.fromarray(made.pixels))
        source = SourceRef(data, sha256_hex(data), strength)
        seen = look(warm_engine, make(prompt=clock, seed=5, source=source))
        assert (seen["object"], seen["color"]) == shown


class TestLog:
    def test_never_quotes_a_prompt_that_is_too_long(
        self,
        make: MakeSpec,
        warm_engine: StableDiffusion3Engine,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def log_of(article: str) -> str:
            # Of other words each time: what was encoded lately is not encoded again.
            words = f"{article} secret " * 40
            warm_engine.render(make(prompt=words, steps=1), lambda _done, _of: None)
            return caplog.text

        assert "secret" not in log_of("a")
        # The control: left to itself the library writes what it cuts off.
        logging = runtime.load_library("diffusers").utils.logging
        logging.set_verbosity_warning()
        try:
            assert "secret" in log_of("the")
        finally:
            logging.set_verbosity_error()


class TestAdapters:
    """What they do is measured by the benchmark; that they do it at all is held here."""

    def test_put_a_picture_into_the_look_s_frame(self, pack: manifest.Pack) -> None:
        (without, _, worn) = demo_adapters.measure_look(pack, adapter_of(pack, "lora"), 4)
        assert float(without[1]) < float(worn[1]) == pytest.approx(1, abs=0.25)

    def test_make_a_picture_follow_outlines_in_another_color(self, pack: manifest.Pack) -> None:
        rows = demo_adapters.measure_outlines(pack, adapter_of(pack, "controlnet"), 6)
        followed, colors = [float(row[1]) for row in rows], [float(row[3]) for row in rows]
        assert followed[-1] > followed[0] + 0.05
        assert min(colors) > 0.8


def adapter_of(pack: manifest.Pack, kind: str) -> manifest.PackAdapter:
    (found,) = [each for each in pack.adapters if each.kind == kind]
    return found
