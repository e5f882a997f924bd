"""The recipe: all that a replay needs, the same bytes for the same facts, no prompt in clear."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generation.engines.spec import RunResult, RunSpec
from generation.jobs import rendering, worker
from generation.jobs.records import Claim
from governance.kernel.ids import uuid7
from tests.unit.generation.jobs.test_fingerprint import PROFILE

PROMPT = "a red mug for Ms. Example"
CLAIM = Claim(
    item_id=uuid7(),
    epoch=1,
    worker="host:1:cpu",
    brand_id=uuid7(),
    requester_id=uuid7(),
    job_id=uuid7(),
    template_version_id=uuid7(),
    template_version_sha256="b" * 64,
    scoring_policy_id=uuid7(),
    prompt_sealed=b"\x01sealed",
    negative_prompt="blurry",
    seed=2**53 - 1,
    width_px=128,
    height_px=64,
    steps=8,
    guidance=4.5,
    fingerprint="f" * 64,
    profile=replace(PROFILE, parameters={"max_sequence_length": 77}),
)
RESULT = RunResult(
    pixels=np.zeros((64, 128, 3), dtype=np.uint8), seconds=0.5, facts={"torch": "2.13.0"}
)


@pytest.fixture
def run(settings: Any) -> RunSpec:
    settings.MODELS_FOLDER = "/srv/private/models"
    return worker._spec(CLAIM, PROMPT)


class TestSpec:
    def test_is_what_was_ordered_on_this_workers_device(self, run: RunSpec) -> None:
        assert run.folder == Path("/srv/private/models/demo/sd3")
        assert (run.width, run.height, run.steps, run.guidance) == (128, 64, 8, 4.5)
        assert (run.seed, run.prompt, run.device) == (2**53 - 1, PROMPT, "cpu")


class TestRecipe:
    def test_holds_every_number_as_text_so_that_nothing_is_rounded(self, run: RunSpec) -> None:
        recipe = json.loads(worker._recipe(CLAIM, run, RESULT))
        assert recipe["seed"] == "9007199254740991"
        assert recipe["guidance"] == "4.5"
        assert (recipe["width"], recipe["height"], recipe["steps"]) == ("128", "64", "8")
        assert recipe["max_sequence_length"] == "77"
        assert recipe["pixels_sha256"] == RESULT.pixels_sha256
        assert recipe["facts"] == {"torch": "2.13.0"}

    def test_names_model_template_and_sealed_prompt(self, run: RunSpec) -> None:
        recipe = json.loads(worker._recipe(CLAIM, run, RESULT))
        assert recipe["snapshot_sha256"] == "a" * 64
        assert recipe["profile"]["folder"] == "demo/sd3"
        assert recipe["template_version"] == {
            "id": str(CLAIM.template_version_id),
            "sha256": "b" * 64,
        }
        assert bytes.fromhex(recipe["prompt_sealed"]) == CLAIM.prompt_sealed

    def test_holds_neither_the_prompt_nor_a_path_of_the_machine(self, run: RunSpec) -> None:
        text = worker._recipe(CLAIM, run, RESULT).decode()
        assert "Example" not in text
        assert "/srv/private" not in text

    def test_is_the_same_bytes_for_the_same_facts(self, run: RunSpec) -> None:
        assert worker._recipe(CLAIM, run, RESULT) == worker._recipe(CLAIM, run, RESULT)


class TestEncode:
    def test_keeps_every_pixel_and_adds_no_metadata(self) -> None:
        from io import BytesIO

        from PIL import Image

        pixels = np.arange(64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 64, 3)
        data = rendering.encode(replace(RESULT, pixels=pixels))
        with Image.open(BytesIO(data)) as image:
            assert image.format == "PNG"
            assert image.info == {}
            assert np.array_equal(np.asarray(image), pixels)
