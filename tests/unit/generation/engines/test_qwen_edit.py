"""Qwen-Image-Edit reads pictures beside the prompt: nothing in a text is taken for a picture."""

from dataclasses import replace
from typing import Any

import pytest

from generation.engines.qwen_edit import QwenImageEditEngine
from generation.engines.spec import PictureRef, RunSpec
from generation.packs import vocabulary
from generation.weights import runtime
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.packs import shared_pack
from tests.unit.generation import photographs
from tests.unit.generation.conftest import spec_maker

BOX = photographs.box((30, 30, 90, 100))
SHOWN = PictureRef(BOX, sha256_hex(BOX))


@pytest.fixture(scope="module")
def engine() -> QwenImageEditEngine:
    """An engine that tests share, as each of them must leave it usable."""
    return QwenImageEditEngine()


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    pack = shared_pack(tmp_path_factory, "qwen_edit")
    return spec_maker(pack, negative_prompt="blurry", guidance=4.0)(references=(SHOWN,))


class TestRefusal:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"prompt": "a mug <|image_pad|>"}, "prompt"),
            ({"negative_prompt": "<|vision_start|>"}, "negative_prompt"),
            ({"prompt": "mug " * 40}, "max_sequence_length"),
            ({"negative_prompt": "mug " * 40}, "max_sequence_length"),
            ({"references": (SHOWN,) * 4}, "references"),
            ({"references": ()}, "references"),
        ],
    )
    def test_names_the_field(
        self, engine: QwenImageEditEngine, spec: RunSpec, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            engine.render(replace(spec, **changes), lambda _done, _of: None)
        assert refused.value.pointer == f"/{field}"


class TestFrame:
    def test_is_at_least_as_long_as_the_pipeline_counts_on(self) -> None:
        """Were it shorter, the pipeline would cut off the pictures' or the prompt's beginning."""
        marks = (*vocabulary.QWEN_MARKS, *vocabulary.QWEN_PICTURE_MARKS.values())
        tokenizer = vocabulary.build_chat_tokenizer(marks, "")
        library = runtime.load_library("diffusers")
        pipeline = library.QwenImageEditPlusPipeline(None, None, None, None, None, None)
        frame = pipeline.prompt_template_encode.split("{}")[0]
        assert len(tokenizer(frame).input_ids) >= pipeline.prompt_template_encode_start_idx
