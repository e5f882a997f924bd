"""Qwen-Image is guided by the negative prompt, and only by it; nothing is warned of or ignored."""

import logging

import pytest

from generation.engines.qwen import QwenImageEngine
from generation.packs import vocabulary
from generation.weights import runtime
from tests.packs import shared_pack
from tests.unit.generation.conftest import MakeSpec, spec_maker


def ignore(_done: int, _of: int) -> None:
    """Take no notice of a step."""


@pytest.fixture(scope="module")
def engine() -> QwenImageEngine:
    """An engine that tests share, as each of them must leave it usable."""
    return QwenImageEngine()


@pytest.fixture(scope="module")
def make_spec(tmp_path_factory: pytest.TempPathFactory) -> MakeSpec:
    pack = shared_pack(tmp_path_factory, "qwen")
    return spec_maker(pack, negative_prompt="blurry", guidance=4.0)


class TestGuidance:
    def test_of_an_empty_negative_prompt_still_guides(
        self, engine: QwenImageEngine, make_spec: MakeSpec
    ) -> None:
        empty = engine.render(make_spec(negative_prompt=""), ignore)
        unguided = engine.render(make_spec(negative_prompt="", guidance=1.0), ignore)
        assert empty.pixels_sha256 != unguided.pixels_sha256

    def test_of_one_or_below_leaves_the_negative_prompt_without_effect(
        self, engine: QwenImageEngine, make_spec: MakeSpec
    ) -> None:
        images = {
            engine.render(make_spec(guidance=guidance, negative_prompt=text), ignore).pixels_sha256
            for guidance in (0.0, 1.0)
            for text in ("blurry", "plant")
        }
        assert len(images) == 1

    @pytest.mark.parametrize("guidance", [0.0, 4.0])
    def test_is_asked_for_as_the_pipeline_wants_it(
        self,
        engine: QwenImageEngine,
        make_spec: MakeSpec,
        guidance: float,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        log = logging.getLogger("diffusers.pipelines.qwenimage.pipeline_qwenimage")
        log.addHandler(caplog.handler)
        level = log.level
        log.setLevel(logging.WARNING)
        try:
            engine.render(make_spec(guidance=guidance), ignore)
        finally:
            log.removeHandler(caplog.handler)
            log.setLevel(level)
        assert caplog.messages == []


class TestFrame:
    def test_is_as_long_as_the_pipeline_counts_on(self) -> None:
        """Were it longer, the pipeline would cut off less than the frame, and the prompt's end."""
        tokenizer = vocabulary.build_chat_tokenizer(vocabulary.QWEN_MARKS, "")
        pipeline = runtime.load_library("diffusers").QwenImagePipeline(None, None, None, None, None)
        frame = pipeline.prompt_template_encode.split("{}")[0]
        assert len(tokenizer(frame).input_ids) == pipeline.prompt_template_encode_start_idx
