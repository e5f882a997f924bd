"""A few steps of each training give folders that our own scorers load, and always the same ones."""

import random
from pathlib import Path

import pytest

from generation.packs.training import aesthetic, contrastive, safety
from generation.packs.world import draw
from generation.packs.world.scene import Scene
from generation.scoring.protocol import Sample, ScorerEntry
from generation.scoring.suite import ScoringSuite
from generation.weights import snapshot

SEED, RENDERS = 3, 24


def train(folder: Path, cache: Path, seed: int = SEED) -> None:
    """Take the fewest steps that touch everything."""
    plan = contrastive.Plan(seed=seed, images=RENDERS, reading_steps=1, steps=2, batch=8)
    contrastive.train(folder / "clip", cache, plan, lambda _line: None)
    safety.train(
        folder / "safety",
        cache,
        safety.Plan(seed=seed, images=RENDERS, steps=2, batch=8),
        lambda _line: None,
    )
    aesthetic.train(
        folder / "aesthetic",
        folder / "clip",
        cache,
        aesthetic.Plan(seed=seed, images=RENDERS, steps=3, batch=8),
        lambda _line: None,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("renders")


@pytest.fixture(scope="module")
def trained(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(folder, cache)
    return folder


def test_is_what_the_suite_s_scorers_load(trained: Path) -> None:
    entries = [
        ScorerEntry(kind, folder, snapshot.digest_folder(trained / folder).sha256, "CC0-1.0", rest)
        for kind, folder, rest in (
            ("prompt_match", "clip", {}),
            ("safety", "safety", {"unsafe_labels": ["restricted"]}),
            ("aesthetic", "aesthetic", {}),
        )
    ]
    suite = ScoringSuite.from_folder(trained, entries)
    picture = draw.draw(Scene("mug", "red", "wood"), 128, random.Random(1))
    said = {each.scorer: each for each in suite.measure([Sample(picture, "a red mug")])[0]}
    for scorer in ("prompt_match", "safety", "aesthetic"):
        assert said[scorer].reason is None
        assert said[scorer].measurement is not None


def test_gives_the_same_bytes_for_the_same_seed_and_others_for_another(
    trained: Path, cache: Path, tmp_path: Path
) -> None:
    train(tmp_path / "again", cache)
    train(tmp_path / "other", cache, seed=SEED + 1)
    for name in ("clip", "safety", "aesthetic"):
        digest = snapshot.digest_folder(trained / name).sha256
        assert digest == snapshot.digest_folder(tmp_path / "again" / name).sha256
        assert digest != snapshot.digest_folder(tmp_path / "other" / name).sha256
