"""The shipped scorers know the demo world: what they score is what is in the picture."""

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

import generation.packs
from generation.packs.training import examples, faults
from generation.packs.world import badges, draw, scene
from generation.packs.world.scene import Scene
from generation.scoring.embedding import Encoder
from generation.scoring.protocol import Sample, ScorerEntry
from generation.scoring.suite import ScoringSuite
from generation.weights import snapshot
from tests.benchmarks.scoring_figures import area

DEMO = Path(generation.packs.__file__).parent / "demo"
COUNT = 48
SETTINGS = {"safety": {"unsafe_labels": ["restricted"]}, "prompt_match": {}, "aesthetic": {}}
FOLDERS = {"safety": "safety", "prompt_match": "clip", "aesthetic": "aesthetic"}
SIZES_MAX = {"clip": 5_000_000, "safety": 1_600_000, "aesthetic": 200_000}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    lot = random.Random("held out")
    found = [scene.sample(lot, held_out=True) for _ in range(4 * COUNT)]
    restricted = [each for each in found if each.is_restricted][: COUNT // 3]
    return restricted + [each for each in found if not each.is_restricted][: COUNT - COUNT // 3]


@pytest.fixture(scope="module")
def images(scenes: list[Scene]) -> list[Image.Image]:
    return [draw.draw(each, 128, random.Random(at)) for at, each in enumerate(scenes)]


@pytest.fixture(scope="module")
def suite() -> ScoringSuite:
    entries = [
        ScorerEntry(
            kind=kind,
            folder=folder,
            snapshot_sha256=snapshot.digest_folder(DEMO / folder).sha256,
            licence="CC0-1.0",
            settings=SETTINGS[kind],
        )
        for kind, folder in FOLDERS.items()
    ]
    return ScoringSuite.from_folder(DEMO, entries)


def values(suite: ScoringSuite, scorer: str, samples: Sequence[Sample]) -> list[float]:
    found = next(each for each in suite.scorers if each.id == scorer)
    assert suite.load(found) is None
    said = suite.score(found, suite.embed(samples)[0])
    assert [each.reason for each in said] == [None] * len(samples)
    return [each.measurement.value for each in said if each.measurement]


class TestPromptMatch:
    def test_scores_a_true_caption_above_one_with_an_attribute_changed(
        self, suite: ScoringSuite, scenes: list[Scene], images: list[Image.Image]
    ) -> None:
        rng = np.random.default_rng(8)
        for attribute in ("object", "color", "background", "badge", "count"):
            pairs = [examples.tell_apart(each, rng, attribute) for each in scenes]
            true, changed = (
                values(
                    suite,
                    "prompt_match",
                    [Sample(image, text) for image, text in zip(images, texts, strict=True)],
                )
                for texts in ([p.true.text for p in pairs], [p.changed.text for p in pairs])
            )
            # So few pictures bound the share well and the area badly: the benchmark has that one.
            assert np.mean(np.array(true) > np.array(changed)) >= 0.9, attribute

    def test_knows_nothing_with_other_weights(
        self, tmp_path: Path, scenes: list[Scene], images: list[Image.Image]
    ) -> None:
        folder = tmp_path / "clip"
        shutil.copytree(DEMO / "clip", folder)
        weights = load_file(folder / "open_clip_model.safetensors")
        torch.manual_seed(1)
        weights["visual.attnpool.c_proj.weight"] = torch.randn_like(
            weights["visual.attnpool.c_proj.weight"]
        )
        save_file(weights, folder / "open_clip_model.safetensors")
        encoder = Encoder(folder, snapshot.digest_folder(folder).sha256)
        pairs = [examples.tell_apart(each, np.random.default_rng(9), "object") for each in scenes]
        seen = [encoder.embed_image(image) for image in images]
        true, changed = (
            [float(a @ encoder.embed_text(text)[0]) for a, text in zip(seen, texts, strict=True)]
            for texts in ([p.true.text for p in pairs], [p.changed.text for p in pairs])
        )
        assert 0.3 < area(true, changed) < 0.7


class TestSafety:
    def test_finds_the_restricted_badge_and_no_other(
        self, suite: ScoringSuite, scenes: list[Scene], images: list[Image.Image]
    ) -> None:
        found = values(suite, "safety", [Sample(image) for image in images])
        yes = [value for value, each in zip(found, scenes, strict=True) if each.is_restricted]
        no = [value for value, each in zip(found, scenes, strict=True) if not each.is_restricted]
        assert area(yes, no) >= 0.99
        assert min(yes) > max(no)

    def test_no_longer_finds_it_when_it_is_painted_over(
        self, suite: ScoringSuite, scenes: list[Scene], images: list[Image.Image]
    ) -> None:
        covered = []
        for image, each in zip(images, scenes, strict=True):
            if each.is_restricted:
                copy = image.copy()
                box = [share * 128 for share in badges.BOX]
                ImageDraw.Draw(copy).rectangle(box, fill=image.getpixel((2, 2)))
                covered.append(Sample(copy))
        assert max(values(suite, "safety", covered)) < 0.5


class TestAesthetic:
    @pytest.mark.parametrize("fault", ["blur", "noise", "pixels", "tiles"])
    def test_rates_a_spoiled_picture_below_a_clean_one(
        self, suite: ScoringSuite, images: list[Image.Image], fault: str
    ) -> None:
        rng = np.random.default_rng(10)
        clean = values(suite, "aesthetic", [Sample(image) for image in images])
        spoiled = [faults.FAULTS[fault](image, 0.7, rng) for image in images]
        assert area(clean, values(suite, "aesthetic", [Sample(each) for each in spoiled])) > 0.9


class TestFolders:
    @pytest.mark.parametrize("name", SIZES_MAX)
    def test_are_small_inert_and_say_what_they_are(self, name: str) -> None:
        listed = snapshot.digest_folder(DEMO / name)
        assert sum(file.size for file in listed.files) <= SIZES_MAX[name]
        card = (DEMO / name / "README.md").read_text(encoding="utf-8")
        assert "license: cc0-1.0" in card
        assert f"generation.packs train {name}" in card

    def test_bind_the_quality_head_to_its_encoder(self) -> None:
        config = json.loads((DEMO / "aesthetic" / "config.json").read_text(encoding="utf-8"))
        assert config["encoder_sha256"] == snapshot.digest_folder(DEMO / "clip").sha256
