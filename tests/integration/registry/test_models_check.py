"""`models check` says how each thing stands before anybody approves; it proposes nothing."""

import json
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from generation.registry.models import ModelProfile
from governance.kernel.actors import Actor
from governance.ledger.models import Entry
from governance.licences.records import Terms
from tests.factories import licences
from tests.factories.quota import platform_admin
from tests.packs import copy_of, shared_pack

pytestmark = pytest.mark.django_db(transaction=True)
_actors: dict[str, Actor] = {}
FREE = Terms(purposes=("commercial",))


def actor_named(username: str) -> Actor:
    return _actors[username]


@pytest.fixture(autouse=True)
def folder(
    settings: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A models folder with one small model and its papers."""
    settings.MODELS_FOLDER = tmp_path / "models"
    settings.ACTOR_BY_USERNAME = f"{__name__}.actor_named"
    _actors.update(ada=platform_admin(), ben=platform_admin())
    copied = copy_of(shared_pack(tmp_path_factory), tmp_path / "models" / "sd3").model.folder
    (copied / "LICENSE.md").write_text("Do what you like.")
    yield copied
    _actors.clear()


def run(*arguments: object, terms: Terms = FREE) -> tuple[dict[str, Any], str]:
    """Check the model; return the document, and the error that the command ends with."""
    said, error = StringIO(), ""
    licence = licences.agreed("LicenseRef-model", terms=terms).id
    try:
        call_command(
            "models", "check", "sd3/sd3", "--as", "ada", "--json", "--steps", "1", "--side", "128",
            "--guidance", "3.5", "--licence", str(licence), *map(str, arguments), stdout=said,
        )  # fmt: skip
    except CommandError as raised:
        error = str(raised)
    return json.loads(said.getvalue()), error


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in document["checks"]}


def finding(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in document["checks"] if each["check"] == name)


class TestCheck:
    def test_finds_a_good_model_good_and_writes_nothing(self, folder: Path) -> None:
        before = Entry.objects.count()
        document, error = run()
        assert (document["verdict"], error) == ("good", "")
        names = ["files", "family", "papers", "licence", "memory", "trial"]
        assert [each["check"] for each in document["checks"]] == names
        (tried,) = finding(document, "trial")["facts"]["images"]
        assert 0 < tried["warm_s"] < tried["first_s"]
        parts = finding(document, "memory")["facts"]["parts_bytes"]
        size = (folder / "transformer" / "diffusion_pytorch_model.safetensors").stat().st_size
        assert parts["transformer"] == pytest.approx(size, rel=0.02)
        assert ModelProfile.objects.count() == 0
        # The licence's own entries, of this run.
        assert Entry.objects.count() - before == 2

    def test_reads_as_lines_with_what_to_do_next(self, folder: Path) -> None:
        (folder / "LICENSE.md").unlink()
        (folder / "README.md").unlink()
        said = StringIO()
        with pytest.raises(CommandError, match="1 of 6 checks speak against this model"):
            call_command(
                "models", "check", "sd3/sd3", "--as", "ada", "--steps", "1", "--side", "128",
                "--guidance", "3.5", stdout=said,
            )  # fmt: skip
        assert "mind  papers    The folder has no model card (README.md) and no" in said.getvalue()
        assert "Next: Put its text on record" in said.getvalue()

    @pytest.mark.parametrize("name", ["hidden.py", "weights.bin"])
    def test_never_loads_what_could_run_code(self, folder: Path, name: str) -> None:
        (folder / name).write_bytes(b"\x80\x04.")
        document, error = run()
        assert verdicts(document) == {"files": "bad", "papers": "good", "licence": "good"}
        assert name in finding(document, "files")["says"]
        assert error

    def test_says_that_no_engine_runs_it(self, folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        index["_class_name"] = "StableCascadePipeline"
        (folder / "model_index.json").write_text(json.dumps(index))
        document, _ = run()
        assert "No engine runs" in finding(document, "family")["says"]
        assert "trial" not in verdicts(document)

    def test_a_trial_that_fails_speaks_against_it(self, folder: Path) -> None:
        path = folder / "vae" / "diffusion_pytorch_model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        document, error = run()
        assert verdicts(document)["trial"] == "bad"
        assert "incomplete or damaged" in finding(document, "trial")["says"]
        assert error


class TestLicence:
    def test_holds_it_against_this_installations_purpose(self) -> None:
        document, error = run(terms=Terms(purposes=("research",)))
        assert finding(document, "licence")["verdict"] == "bad"
        assert "does not permit" in finding(document, "licence")["says"]
        assert error == "1 of 6 checks speak against this model."

    def test_says_what_is_to_be_minded(self) -> None:
        terms = Terms(("commercial",), ("attribution",), Decimal(1_000_000), "USD")
        found = finding(run(terms=terms)[0], "licence")
        assert found["verdict"] == "mind"
        assert "below 1,000,000 USD" in found["then"]
        assert "attribution" in found["then"]

    def test_compares_it_with_what_a_convention_states(self) -> None:
        found = finding(run("--convention", "sd35_large")[0], "licence")
        assert "permits more than the model's own licence" in found["says"]


class TestMemory:
    def test_is_held_against_what_a_worker_keeps_for_models(self, settings: Any) -> None:
        settings.WORKER_HOST_MODELS_GIB = Decimal("0.0001")
        document, _ = run()
        assert finding(document, "memory")["verdict"] == "bad"
        assert "Raise WORKER_HOST_MODELS_GIB" in finding(document, "memory")["then"]
        assert "trial" not in verdicts(document), "what does not fit is not loaded"

    def test_a_placement_that_is_not_possible_speaks_against_it(self) -> None:
        document, _ = run("--placement", "group_offload")
        assert "needs a graphics device" in finding(document, "trial")["says"]

    def test_a_placement_that_is_none_is_an_error(self) -> None:
        with pytest.raises(CommandError, match="'fast' is no placement"):
            call_command("models", "check", "sd3/sd3", "--as", "ada", "--placement", "fast")


class TestProposed:
    """A model that was proposed, by its id: as it was proposed."""

    @pytest.fixture
    def proposed(self) -> ModelProfile:
        licence = licences.agreed("LicenseRef-model", terms=FREE).id
        call_command(
            "models", "add", "sd3/sd3", "--slug", "tiny", "--name", "Tiny", "--as", "ada",
            "--licence", str(licence), "--steps", "1", "--guidance", "3.5", "--side", "128",
            "--placement", "vae_slicing", stdout=StringIO(),
        )  # fmt: skip
        return ModelProfile.objects.get()

    def test_is_run_as_it_was_proposed(self, proposed: ModelProfile) -> None:
        assert proposed.parameters["handling"] == "resident+vae_slicing"
        said = StringIO()
        call_command(
            "models", "check", str(proposed.id), "--as", "ben", "--side", "128", stdout=said
        )
        assert "bad" not in said.getvalue()

    def test_other_files_than_those_proposed_are_told(
        self, proposed: ModelProfile, folder: Path
    ) -> None:
        (folder / "README.md").write_text("Another card.")
        said = StringIO()
        with pytest.raises(CommandError, match="speak against"):
            call_command("models", "check", str(proposed.id), "--as", "ben", stdout=said)
        assert f"the digest on record is {proposed.snapshot_sha256[:12]}" in said.getvalue()
