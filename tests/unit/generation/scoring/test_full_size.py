"""The loaders of full-size scorers, on tiny models of the same class and real files."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.scoring import compvis, conformance, conventions, safety, shieldgemma
from generation.scoring.protocol import Measurement, Sample, ScorerEntry, ScorerUnavailable
from generation.weights import runtime
from generation.weights.snapshot import SnapshotChanged, UnsafeSnapshot
from tests.unit.generation.scoring import tiny
from tests.unit.generation.scoring.images import checkers, flat, halves

IMAGES = (checkers(8), halves(0, 255), flat(200))
Save = Callable[..., str]
KINDS: Mapping[str, tuple[ModuleType, Save, dict[str, object]]] = {
    "safety": (safety, tiny.save_vit, {"unsafe_labels": ["nsfw"]}),
    "compvis_checker": (compvis, tiny.save_compvis, {}),
    "shieldgemma": (shieldgemma, tiny.save_shieldgemma, {}),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for each class, which no test may change."""
    root = tmp_path_factory.mktemp("models")
    for kind, (_, save, _settings) in KINDS.items():
        save(root / kind)
    return root


def made(kind: str, root: Path, *, folder: str = "", sha256: str = "", **settings: object) -> Any:
    module, _, usual = KINDS[kind]
    name = folder or kind
    digest = sha256 or tiny.digest(root / name)
    entry = ScorerEntry(kind, name, digest, "Apache-2.0", usual | settings)
    return module.build(entry, root, "cpu")


def values(scorer: Any) -> list[float]:
    return [said.value for said in scorer.score([Sample(image) for image in IMAGES])]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def copy(models: Path, kind: str, root: Path) -> Path:
    """Copy a model that a test may break."""
    import shutil

    shutil.copytree(models / kind, root / kind)
    return root / kind


class TestEachOfThem:
    def test_tells_images_apart_within_its_range(self, kind: str, models: Path) -> None:
        scorer = made(kind, models)
        said = values(scorer)
        assert len(set(said)) == len(IMAGES)
        assert all(scorer.range[0] <= value <= scorer.range[1] for value in said)

    def test_repeats_itself_alone_in_a_group_and_loaded_anew(self, kind: str, models: Path) -> None:
        scorer = made(kind, models)
        group = [Sample(image) for image in IMAGES]
        together = scorer.score(group)
        assert together == [scorer.score([each])[0] for each in group]
        assert together == made(kind, models).score(group)

    def test_passes_the_kit(self, kind: str, models: Path) -> None:
        assert conformance.check(made(kind, models), folder=models / kind) == []

    def test_refuses_a_setting_that_nobody_reads(self, kind: str, models: Path) -> None:
        with pytest.raises(ScorerUnavailable, match="has no setting 'treshold'"):
            made(kind, models, treshold=0.5)

    @pytest.mark.parametrize(
        "settings",
        [{"title": ""}, {"title": "x" * 81}, {"title": 3}, {"cost_ms": -1}, {"cost_ms": "fast"}],
    )
    def test_refuses_a_title_or_cost_that_is_none(
        self, kind: str, models: Path, settings: dict[str, object]
    ) -> None:
        with pytest.raises(ScorerUnavailable, match="The setting"):
            made(kind, models, **settings)
        named = made(kind, models, title="Own title", cost_ms=7)
        assert (named.title, named.cost_ms) == ("Own title", 7.0)

    def test_bears_odd_sizes(self, kind: str, models: Path) -> None:
        scorer = made(kind, models)
        odd = [Sample(flat(9).resize(size)) for size in ((1, 1), (1, 300), (500, 3))]
        assert all(isinstance(said, Measurement) for said in scorer.score(odd))

    def test_has_the_id_of_its_entry(self, kind: str, models: Path) -> None:
        module, _, usual = KINDS[kind]
        entry = ScorerEntry(kind, kind, "0" * 64, "Apache-2.0", usual)
        assert module.build(entry, models, "cpu").id == kind
        named = dataclasses.replace(entry, id="second_opinion")
        assert module.build(named, models, "cpu").id == "second_opinion"

    def test_refuses_another_digest(self, kind: str, models: Path) -> None:
        with pytest.raises(SnapshotChanged):
            values(made(kind, models, sha256="0" * 64))

    def test_refuses_a_pickle_and_says_how_to_convert_it(
        self, kind: str, models: Path, tmp_path: Path
    ) -> None:
        folder = copy(models, kind, tmp_path)
        (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
        with pytest.raises(UnsafeSnapshot, match=r"safetensors\.torch\.save_file"):
            values(made(kind, tmp_path, sha256="0" * 64))

    def test_refuses_code_from_elsewhere(self, kind: str, models: Path, tmp_path: Path) -> None:
        folder = copy(models, kind, tmp_path)
        config = folder / "config.json"
        text = config.read_text(encoding="utf-8").rstrip()
        evil = text[:-1] + ', "auto_map": {"AutoModel": "modeling.Evil"}}'
        config.write_text(evil, encoding="utf-8")
        with pytest.raises(UnsafeSnapshot, match="asks for code from elsewhere"):
            values(made(kind, tmp_path, sha256="0" * 64))

    def test_never_runs_on_weights_that_are_not_there(
        self, kind: str, models: Path, tmp_path: Path
    ) -> None:
        """The library itself would fill them with random numbers."""
        path = copy(models, kind, tmp_path) / "model.safetensors"
        weights = load_file(path)
        weights.pop(sorted(weights)[len(weights) // 2])
        save_file(weights, path, metadata={"format": "pt"})
        with pytest.raises(ScorerUnavailable, match="lacks some of its weights"):
            values(made(kind, tmp_path))

    def test_loads_again_once_the_folder_is_restored(
        self, kind: str, models: Path, tmp_path: Path
    ) -> None:
        folder = copy(models, kind, tmp_path)
        scorer = made(kind, tmp_path)
        away = folder.rename(tmp_path / "away")
        with pytest.raises(Exception, match="does not exist"):
            values(scorer)
        away.rename(folder)
        assert values(scorer) == values(made(kind, models))


class TestAClassifierOfTwoLabels:
    def test_gives_the_share_of_the_unsafe_one(self, models: Path) -> None:
        said: Any = made("safety", models).score([Sample(checkers(8))])[0]
        shares = said.evidence["probabilities"]
        assert set(shares) == {"normal", "nsfw"}
        assert said.value == shares["nsfw"]

    def test_shows_where_from_a_value_on(self, models: Path) -> None:
        one = [Sample(halves(0, 255))]
        plain = made("safety", models, explain_from=1.0).score(one)[0]
        shown: Any = made("safety", models, explain_from=0.0).score(one)[0]
        assert "heat" not in plain.evidence
        assert shown.value == plain.value
        assert len(shown.evidence["heat"]["values"]) == 36
        assert shown.evidence["boxes"][0]["label"] == "nsfw"
        assert "heat" not in made("safety", models, explain_from=0.0, grid=0).score(one)[0].evidence


class TestTheCompVisChecker:
    def test_agrees_with_the_library_where_it_flags(self, models: Path) -> None:
        """The library rounds to three digits and then says yes or no; the sign is the same."""
        scorer = made("compvis_checker", models)
        scorer.load()
        checker = scorer._model.get()
        for image in IMAGES:
            said = scorer.score([Sample(image)])[0]
            inputs = checker.processor(images=image, return_tensors="pt")["pixel_values"]
            _, flagged = checker.model(clip_input=inputs, images=[torch.zeros(1)])
            assert abs(said.value) > 0.001
            assert flagged == [said.value > 0]

    @pytest.mark.parametrize("bound", [0.05, 0.6, 0.95])
    def test_falls_as_the_bounds_rise(self, bound: float, tmp_path: Path) -> None:
        tiny.save_compvis(tmp_path / "compvis_checker", bound=bound)
        said = made("compvis_checker", tmp_path).score([Sample(checkers(8))])[0]
        margins: Any = said.evidence["margins"]
        assert len(margins) == 17
        assert said.value == pytest.approx(max(margins.values()), abs=1e-6)
        care = 0.01 if said.evidence["special_care"] else 0.0
        tiny.save_compvis(tmp_path / "strict", bound=0.0)
        strict = made("compvis_checker", tmp_path, folder="strict").score([Sample(checkers(8))])[0]
        assert strict.evidence["special_care"]
        assert said.value - care == pytest.approx(strict.value - 0.01 - bound, abs=1e-5)

    def test_reads_the_names_of_the_public_checkpoint(self, models: Path, tmp_path: Path) -> None:
        tiny.save_compvis(tmp_path / "compvis_checker", old_names=True)
        assert values(made("compvis_checker", tmp_path)) == values(made("compvis_checker", models))

    def test_refuses_bounds_that_are_none(self, tmp_path: Path) -> None:
        tiny.save_compvis(tmp_path / "compvis_checker", bound=1.5)
        with pytest.raises(ScorerUnavailable, match="no cosines from 0 to 1"):
            values(made("compvis_checker", tmp_path))


class TestAShieldGemma:
    def test_gives_the_worst_of_its_policies(self, models: Path) -> None:
        said: Any = made("shieldgemma", models).score([Sample(checkers(8))])[0]
        shares = said.evidence["probabilities"]
        assert set(shares) == {"violence", "dangerous"}
        assert said.value == max(shares.values()) == shares[said.evidence["worst_policy"]]

    def test_is_changed_by_no_other_policy(self, models: Path) -> None:
        one = [Sample(checkers(8))]
        both: Any = made("shieldgemma", models).score(one)[0].evidence["probabilities"]
        alone = made("shieldgemma", models, policies=["violence"]).score(one)[0]
        assert alone.evidence["probabilities"] == {"violence": both["violence"]}

    def test_asks_in_the_brands_own_words(self, models: Path) -> None:
        custom = {"cats": "The image shall not contain cats."}
        scorer = made("shieldgemma", models, policies=["cats"], custom_policies=custom)
        said = scorer.score([Sample(checkers(8))])[0]
        assert set(said.evidence["probabilities"]) == {"cats"}
        other = {"cats": "No weapons."}
        again = made("shieldgemma", models, policies=["cats"], custom_policies=other)
        assert again.score([Sample(checkers(8))])[0].value != said.value

    def test_agrees_with_the_library_itself(self, models: Path) -> None:
        transformers = runtime.load_library("transformers")
        folder = models / "shieldgemma"
        model = transformers.ShieldGemma2ForImageClassification.from_pretrained(folder).eval()
        processor = transformers.ShieldGemma2Processor.from_pretrained(folder, backend="pil")
        inputs = processor(images=[checkers(8)], policies=["violence"], return_tensors="pt")
        with torch.inference_mode():
            expected = float(model(**inputs).probabilities[0, 0])
        said = made("shieldgemma", models, policies=["violence"]).score([Sample(checkers(8))])[0]
        assert said.value == pytest.approx(expected, abs=1e-6)

    def test_refuses_a_policy_that_nobody_worded(self, models: Path) -> None:
        with pytest.raises(ScorerUnavailable, match="has no policy cats; it has dangerous"):
            values(made("shieldgemma", models, policies=["cats"]))

    @pytest.mark.parametrize(
        "settings",
        [
            {"policies": "violence"},
            {"policies": [1]},
            {"custom_policies": ["cats"]},
            {"custom_policies": {"cats": ""}},
            {"custom_policies": {"cats": "x" * 2001}},
            {"custom_policies": {"": "No cats."}},
            {"policies": ["violence"] * 13},
        ],
    )
    def test_refuses_settings_that_are_none(
        self, models: Path, settings: dict[str, object]
    ) -> None:
        with pytest.raises(ScorerUnavailable):
            made("shieldgemma", models, **settings)


class TestConventions:
    def test_are_settings_that_their_kind_reads(self, models: Path) -> None:
        for name in conventions.list_names():
            found = conventions.read(name)
            assert found.cautions
            assert found.start_with["severity"] == "flag"
            if found.kind in KINDS:
                entry = ScorerEntry(found.kind, found.kind, "0" * 64, "x", found.settings)
                scorer = KINDS[found.kind][0].build(entry, models, "cpu")
                assert scorer.title == found.title
                assert scorer.range[0] <= found.start_with["threshold"] <= scorer.range[1]

    def test_say_which_there_are(self) -> None:
        with pytest.raises(ScorerUnavailable, match="compvis_checker, falconsai_nsfw"):
            conventions.read("../conventions/falconsai_nsfw")
