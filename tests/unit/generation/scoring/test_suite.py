"""The suite runs real scorers from a pack, and a broken one holds without hiding the others."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from generation.packs.manifest import Pack
from generation.scoring import discover, technical
from generation.scoring.protocol import Measurement, Sample, ScorerEntry, ScorerUnavailable
from generation.scoring.suite import ScoringSuite
from generation.scoring.verdict import Measured, ScoringRules, Verdict, judge
from generation.weights import runtime, snapshot
from tests.packs import copy_of
from tests.unit.generation.scoring.images import checkers, flat, halves

PROMPT = "a red mug on a wooden table"


@pytest.fixture(scope="module")
def suite(demo_pack: Pack) -> ScoringSuite:
    """The suite of the demo pack."""
    return ScoringSuite.from_folder(demo_pack.folder, demo_pack.scorers)


@pytest.fixture
def pack(demo_pack: Pack, tmp_path: Path) -> Pack:
    """A pack of its own, to be broken."""
    return copy_of(demo_pack, tmp_path / "pack")


def measure(suite: ScoringSuite, image: Image.Image, prompt: str = PROMPT) -> dict[str, Measured]:
    """Measure an image, by scorer."""
    return {each.scorer: each for each in suite.measure([Sample(image, prompt)])[0]}


def reason(pack: Pack, scorer: str) -> str:
    """Return why a scorer of a broken pack did not measure; those of other folders must have."""
    said = measure(ScoringSuite.from_folder(pack.folder, pack.scorers), checkers(8))
    folders = {entry.kind: entry.folder for entry in pack.scorers}
    broken = folders[scorer]
    others = [each for each in said.values() if folders.get(each.scorer) != broken]
    assert all(each.measurement for each in others)
    assert said[scorer].measurement is None
    return said[scorer].reason or ""


def approve(pack: Pack) -> Pack:
    """Return the pack with the digests of its present, altered files."""
    entries = tuple(
        dataclasses.replace(
            entry, snapshot_sha256=snapshot.digest_folder(entry.resolve(pack.folder)).sha256
        )
        for entry in pack.scorers
    )
    return dataclasses.replace(pack, scorers=entries)


class TestMeasure:
    def test_runs_every_kind(self, suite: ScoringSuite, demo_pack: Pack) -> None:
        said = measure(suite, checkers(8))
        assert set(said) >= {"safety", "prompt_match", "sharpness", "exposure", "contrast"}
        digests = {entry.kind: entry.snapshot_sha256 for entry in demo_pack.scorers}
        # Whether words are legible needs a program that is not everywhere.
        del said["legibility"]
        for scorer, each in said.items():
            assert each.measurement is not None, each.reason
            assert math.isfinite(each.measurement.value)
            assert each.range[0] <= each.measurement.value <= each.range[1]
            assert each.weights_sha256 == digests.get(scorer, each.weights_sha256)
            assert each.licence

    def test_repeats_itself(self, suite: ScoringSuite) -> None:
        assert measure(suite, checkers(8)) == measure(suite, checkers(8))

    def test_models_look_at_the_image(self, suite: ScoringSuite) -> None:
        one, other = measure(suite, halves(0, 255)), measure(suite, flat(200))
        for scorer in ("safety", "prompt_match"):
            assert one[scorer].measurement != other[scorer].measurement

    def test_prompt_match_reads_the_prompt(self, suite: ScoringSuite) -> None:
        one = measure(suite, checkers(8), "a red mug")["prompt_match"]
        other = measure(suite, checkers(8), "a blue bottle in the garden")["prompt_match"]
        assert one.measurement != other.measurement

    def test_prompt_match_bears_a_long_and_an_odd_prompt(self, suite: ScoringSuite) -> None:
        for prompt in ("mug " * 500, "Tasse ☕ für 早茶", "\u202e"):
            assert measure(suite, checkers(8), prompt)["prompt_match"].measurement

    def test_safety_gives_the_share_of_every_label(self, suite: ScoringSuite) -> None:
        said = measure(suite, checkers(8))["safety"].measurement
        assert said
        shares: Any = said.evidence["probabilities"]
        assert set(shares) == {"allowed", "restricted"}
        assert sum(shares.values()) == pytest.approx(1)
        assert said.value == shares["restricted"]

    def test_safety_agrees_with_the_library_itself(
        self, suite: ScoringSuite, demo_pack: Pack
    ) -> None:
        folder = demo_pack.scorers[0].resolve(demo_pack.folder)
        classify = runtime.load_library("transformers").pipeline(
            "image-classification", model=str(folder), device="cpu"
        )
        expected = {each["label"]: each["score"] for each in classify(checkers(8))}
        said = measure(suite, checkers(8))["safety"].measurement
        assert said
        assert said.value == pytest.approx(expected["restricted"], abs=1e-4)

    def test_keeps_the_prompt_out_of_the_evidence(self, suite: ScoringSuite) -> None:
        said = suite.measure([Sample(checkers(8), "Erika Mustermann")])
        assert "Mustermann" not in repr(said)


class TestBrokenModels:
    def test_changed_weights_hold(self, pack: Pack) -> None:
        path = pack.folder / "safety" / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        assert "has changed since it was approved" in reason(pack, "safety")

    def test_missing_folder_holds(self, pack: Pack) -> None:
        (pack.folder / "safety").rename(pack.folder / "elsewhere")
        assert "does not exist" in reason(pack, "safety")

    def test_prompt_match_never_runs_on_random_weights(self, pack: Pack) -> None:
        """open_clip itself only warns."""
        (pack.folder / "clip" / "open_clip_model.safetensors").unlink()
        assert "must hold its weights in one file" in reason(approve(pack), "prompt_match")

    def test_prompt_match_refuses_a_second_weights_file(self, pack: Pack) -> None:
        path = pack.folder / "clip" / "open_clip_model.safetensors"
        (path.parent / "model.safetensors").write_bytes(path.read_bytes())
        assert "must hold its weights in one file" in reason(approve(pack), "prompt_match")

    @pytest.mark.parametrize(
        ("scorer", "path"),
        [
            ("safety", "safety/model.safetensors"),
            ("prompt_match", "clip/open_clip_model.safetensors"),
        ],
    )
    def test_incomplete_weights_hold(self, pack: Pack, scorer: str, path: str) -> None:
        weights = load_file(pack.folder / path)
        weights.pop(max(weights))
        save_file(weights, pack.folder / path, metadata={"format": "pt"})
        assert reason(approve(pack), scorer)

    def test_a_label_that_the_model_lacks_holds(self, pack: Pack) -> None:
        entries = (
            dataclasses.replace(pack.scorers[0], settings={"unsafe_labels": ["nsfw"]}),
            *pack.scorers[1:],
        )
        broken = dataclasses.replace(pack, scorers=entries)
        assert "has no label nsfw; it has allowed, restricted" in reason(broken, "safety")

    def test_recovers_when_the_folder_is_restored(self, pack: Pack) -> None:
        suite = ScoringSuite.from_folder(pack.folder, pack.scorers)
        (pack.folder / "safety").rename(pack.folder / "elsewhere")
        assert measure(suite, flat(9))["safety"].measurement is None
        (pack.folder / "elsewhere").rename(pack.folder / "safety")
        assert measure(suite, flat(9))["safety"].measurement

    @pytest.mark.parametrize("failure", [RuntimeError("boom"), MemoryError(), TypeError()])
    def test_any_exception_is_recorded_and_holds(
        self, suite: ScoringSuite, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        def fail(*_: object) -> Measurement:
            raise failure

        monkeypatch.setattr(technical.Contrast, "score", fail)
        said = suite.measure([Sample(checkers(8), PROMPT)])[0]
        policy = ScoringRules.from_data(
            {"contrast": {"threshold": 0.0, "severity": "flag"}}, advisory=True
        )
        judged = judge(said, policy)
        assert judged.verdict is Verdict.HOLD
        held = [score for score in judged.scores if score.verdict is Verdict.HOLD]
        assert [score.scorer for score in held] == ["contrast"]
        known = {"MemoryError": "ran out of memory"}
        name = type(failure).__name__
        assert known.get(name, name) in (held[0].reason or "")

    @pytest.mark.parametrize("answer", [None, 0.9, [0.9], {"value": 0.9}])
    def test_an_answer_of_another_shape_is_recorded(
        self, suite: ScoringSuite, monkeypatch: pytest.MonkeyPatch, answer: object
    ) -> None:
        monkeypatch.setattr(technical.Contrast, "score", lambda *_: answer)
        said = measure(suite, checkers(8))["contrast"]
        assert (said.measurement, said.reason) == (
            None,
            "The scorer 'contrast' failed (TypeError).",
        )


class TestFromFolder:
    def test_refuses_an_unknown_kind(self, tmp_path: Path) -> None:
        entry = ScorerEntry("horoscope", "x", "0" * 64, "CC0-1.0")
        with pytest.raises(ScorerUnavailable, match=r"There is: .*prompt_match, .*safety"):
            ScoringSuite.from_folder(tmp_path, [entry])

    @pytest.mark.parametrize("folder", ["..", "../other", "/etc", ".", ""])
    def test_refuses_a_folder_outside_of_the_pack(self, tmp_path: Path, folder: str) -> None:
        entry = ScorerEntry("prompt_match", folder, "0" * 64, "CC0-1.0")
        with pytest.raises(ScorerUnavailable, match="not inside of its pack"):
            ScoringSuite.from_folder(tmp_path, [entry])

    @pytest.mark.parametrize("settings", [{}, {"unsafe_labels": []}, {"unsafe_labels": "nsfw"}])
    def test_refuses_a_safety_scorer_without_unsafe_labels(
        self, tmp_path: Path, settings: dict[str, object]
    ) -> None:
        entry = ScorerEntry("safety", "safety", "0" * 64, "CC0-1.0", settings)
        with pytest.raises(ScorerUnavailable, match="unsafe_labels"):
            ScoringSuite.from_folder(tmp_path, [entry])

    def test_refuses_two_scorers_of_one_id(self, demo_pack: Pack) -> None:
        with pytest.raises(ScorerUnavailable, match="same id"):
            ScoringSuite.from_folder(demo_pack.folder, [*demo_pack.scorers, demo_pack.scorers[0]])

    def test_finds_kinds_by_their_entry_points(self) -> None:
        kinds = discover.discover()
        assert {"prompt_match", "safety"} <= {name for name, kind in kinds.items() if kind.build}
        assert {"contrast", "sharpness"} <= {name for name, kind in kinds.items() if kind.make}
