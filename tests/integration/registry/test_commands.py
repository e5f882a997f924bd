"""The commands bring a model and what it wears into use, by two people, only if they fit."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from generation.packs.tiny import flux as tiny
from generation.registry import conventions, selectors
from generation.registry.models import ModelProfile
from governance.kernel.actors import Actor
from governance.ledger.models import Entry
from governance.licences.records import Terms
from tests.factories import jobs, licences, review
from tests.factories.quota import platform_admin
from tests.packs import copy_of, shared_pack

pytestmark = pytest.mark.django_db(transaction=True)
_actors: dict[str, Actor] = {}
FLUX_MODES = {"adapters", "control", "guidance", "image_to_image", "inpaint"}


def actor_named(username: str) -> Actor:
    return _actors[username]


@pytest.fixture(autouse=True)
def models(
    settings: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A models folder with a pack of each family, and two admins."""
    settings.MODELS_FOLDER = tmp_path / "models"
    review.use_sealing_key(settings, tmp_path)
    jobs.use_blobs(settings, tmp_path / "blobs")
    for family in ("sd3", "flux", "flux_fill", "flux2", "flux2_klein", "qwen"):
        copy_of(shared_pack(tmp_path_factory, family), tmp_path / "models" / family)
    settings.ACTOR_BY_USERNAME = f"{__name__}.actor_named"
    _actors.update(ada=platform_admin(), ben=platform_admin())
    yield tmp_path / "models"
    _actors.clear()


def run(*arguments: object) -> str:
    said = StringIO()
    call_command(*map(str, arguments), stdout=said)
    return said.getvalue()


def add_model(family: str, *arguments: object) -> str:
    licence = licences.agreed("LicenseRef-model").id
    usual = ("--name", "Tiny", "--licence", licence, "--as", "ada", "--steps", 2, "--side", 128)
    guidance = () if "--guidance" in arguments else ("--guidance", 3.5)
    return run(
        "models", "add", f"{family}/{family}", "--slug", f"tiny-{family}", *usual, *guidance,
        *arguments,
    )  # fmt: skip


def add_by_convention(name: str, *arguments: object, **terms: Any) -> str:
    """Add the FLUX.1 pack as a full model that many use, under a licence of these terms."""
    licence = licences.agreed("LicenseRef-model", **terms).id
    return run(
        "models", "add", "flux/flux", "--slug", "full", "--name", "Full", "--licence", licence,
        "--as", "ada", "--convention", name, "--side", 128, *arguments,
    )  # fmt: skip


def use_model(family: str, *arguments: object) -> None:
    """Add a model and approve it as another person."""
    said = add_model(family, *arguments)
    run("models", "approve", said.split()[-1], "--as", "ben")


def add_adapter(folder: str, base: str, tmp_path: Path) -> str:
    record = tmp_path / "record.txt"
    record.write_text("Random numbers, drawn from a seed: nobody's work is in them.")
    licence = licences.agreed("LicenseRef-adapter").id
    return run(
        "adapters", "add", folder, "--slug", "look", "--name", "Look", "--base", base,
        "--licence", licence, "--training-record", record, "--trigger", "soft", "--as", "ada",
    )  # fmt: skip


class TestModels:
    def test_of_a_second_family_come_into_use_and_render_orders(self) -> None:
        use_model("flux", "--scorers", "flux")
        profile = selectors.current_profile("tiny-flux")
        assert (profile.family, profile.pipeline) == ("flux", "FluxPipeline")
        assert set(profile.parameters["modes"]) == FLUX_MODES
        kinds = {"concepts", "prompt_match", "safety"}
        assert {each["kind"] for each in profile.scorers["entries"]} == kinds
        assert "tiny-flux@1  FluxPipeline" in run("models", "list")

    @pytest.mark.parametrize(
        ("family", "guidance", "modes"),
        [
            ("flux_fill", 30.0, {"adapters", "guidance", "inpaint"}),
            ("flux2", 4.0, {"adapters", "guidance", "references"}),
            ("flux2_klein", 0.0, {"adapters", "references"}),
            ("qwen", 4.0, FLUX_MODES | {"negative_prompt"}),
        ],
    )
    def test_of_each_further_family_come_into_use(
        self, family: str, guidance: float, modes: set[str]
    ) -> None:
        use_model(family, "--guidance", guidance)
        profile = selectors.current_profile(f"tiny-{family}")
        assert profile.family == family
        needs = ["inpaint"] if family == "flux_fill" else []
        assert profile.parameters.get("needs", []) == needs
        assert set(profile.parameters["modes"]) == modes

    def test_refuses_an_approval_by_the_same_person_and_says_what_verify_finds(
        self, models: Path
    ) -> None:
        said = add_model("flux")
        with pytest.raises(CommandError):
            run("models", "approve", said.split()[-1], "--as", "ada")
        run("models", "approve", said.split()[-1], "--as", "ben")
        assert "as it was approved" in run("models", "verify")
        (models / "flux" / "flux" / "README.md").write_text("another card")
        with pytest.raises(CommandError, match="1 of the models in use"):
            run("models", "verify")
        run("models", "retire", said.split()[-1], "--as", "ada")
        assert "tiny-flux" not in run("models", "list")

    def test_refuses_what_changed_between_proposal_and_approval(self, models: Path) -> None:
        said = add_model("flux")
        (models / "flux" / "flux" / "README.md").write_text("another card")
        with pytest.raises(CommandError, match="changed since it was approved"):
            run("models", "approve", said.split()[-1], "--as", "ben")

    def test_knows_a_model_that_takes_no_guidance(self, models: Path) -> None:
        tiny.save(models / "schnell" / "schnell", 7, has_guidance=False)
        with pytest.raises(CommandError, match="no guidance"):
            add_model("schnell")
        use_model("schnell", "--guidance", 0)
        assert selectors.current_profile("tiny-schnell").parameters["modes"] == sorted(
            FLUX_MODES - {"guidance"}
        )

    def test_refuses_a_folder_without_an_engine_or_with_code(self, models: Path) -> None:
        index = models / "flux" / "flux" / "model_index.json"
        index.write_text(json.dumps({"_class_name": "StableCascadePipeline"}))
        with pytest.raises(CommandError, match="No engine runs"):
            add_model("flux")
        (models / "sd3" / "sd3" / "run.py").write_text("")
        with pytest.raises(CommandError, match=r"run\.py"):
            add_model("sd3")


class TestConventions:
    def test_say_how_a_model_is_run_and_what_to_mind(self) -> None:
        said = run("models", "conventions")
        for name in conventions.list_names():
            assert f"{name}: {conventions.read(name).title}" in said
        assert "up to a revenue of 1000000 USD a year" in said
        assert "licence  Apache-2.0: commercial, education, internal, research." in said
        assert "may not be used commercially or in production" in said

    def test_give_the_defaults_that_nobody_states(self) -> None:
        terms = Terms(purposes=("research",))
        add_by_convention("flux1_dev", "--steps", 2, "--dtype", "float32", terms=terms)
        (made,) = ModelProfile.objects.all()
        assert (made.dtype, made.parameters) == (
            "float32",
            {
                "steps": 2,
                "guidance": 3.5,
                "max_sequence_length": 512,
                "modes": sorted(FLUX_MODES),
                "handling": "resident",
                "convention": "flux1_dev",
            },
        )

    def test_of_a_non_commercial_model_want_more_to_be_said_by_both(self) -> None:
        with pytest.raises(CommandError, match="permits more than LicenseRef-FLUX-Non-Commercial"):
            add_by_convention("flux1_dev", "--steps", 2)
        assert not ModelProfile.objects.exists()
        said = add_by_convention("flux1_dev", "--steps", 2, "--licence-permits-more")
        assert "permit more than the convention flux1_dev states: commercial use, internal" in said
        (made,) = ModelProfile.objects.all()
        with pytest.raises(CommandError, match="only if you say so too"):
            run("models", "approve", made.id, "--as", "ben")
        run("models", "approve", made.id, "--as", "ben", "--licence-permits-more")
        facts = [
            json.loads(bytes(entry.body))["facts"]["licence_permits_more"]
            for entry in Entry.objects.filter(subject_id=made.id).order_by("id")
        ]
        assert facts == [["commercial", "internal"]] * 2

    @pytest.mark.parametrize(
        ("name", "arguments", "why"),
        [
            ("flux1_deev", (), "There is no convention named 'flux1_deev'"),
            ("flux2_dev", (), "is for a Flux2Pipeline"),
            ("flux2_klein_4b", (), "State --steps: the convention does not"),
            ("flux1_schnell", ("--licence-permits-more",), "Nothing is known"),
        ],
    )
    def test_are_refused_where_they_do_not_fit(
        self, name: str, arguments: tuple[str, ...], why: str
    ) -> None:
        with pytest.raises(CommandError, match=why):
            add_by_convention(name, *arguments)
        assert not ModelProfile.objects.exists()

    def test_or_the_operator_must_say_how_a_model_is_run(self) -> None:
        licence = licences.agreed("LicenseRef-model").id
        with pytest.raises(CommandError, match="State --steps, or name a --convention"):
            run(
                "models", "add", "flux/flux", "--slug", "full", "--name", "Full",
                "--licence", licence, "--as", "ada",
            )  # fmt: skip


class TestAdapters:
    @pytest.mark.parametrize(
        ("folder", "kind"),
        [("sd3/lora-random", "lora"), ("sd3/controlnet-random", "controlnet")],
    )
    def test_come_into_use_if_they_fit_and_somebody_else_approves(
        self, tmp_path: Path, folder: str, kind: str
    ) -> None:
        use_model("sd3")
        said = add_adapter(folder, "tiny-sd3", tmp_path)
        adapter_id = said.split()[-1]
        with pytest.raises(CommandError):
            run("adapters", "approve", adapter_id, "--as", "ada")
        run("adapters", "approve", adapter_id, "--as", "ben")
        made = selectors.current_adapter("look")
        assert (made.kind, made.family, made.trigger_words) == (kind, "sd3", ("soft",))
        assert made.files[0]["path"] == "README.md"
        assert f"look@1  approved  {kind}  sd3" in run("adapters", "list")
        assert "as it was approved" in run("adapters", "verify")
        run("adapters", "retire", adapter_id, "--as", "ada")
        assert "retired" in run("adapters", "list")

    def test_of_another_family_are_refused_and_nothing_is_written(self, tmp_path: Path) -> None:
        use_model("flux")
        before = jobs.count_rows()
        with pytest.raises(CommandError, match="made for another model"):
            add_adapter("sd3/lora-random", "tiny-flux", tmp_path)
        with pytest.raises(CommandError, match="made for another model"):
            add_adapter("sd3/controlnet-random", "tiny-flux", tmp_path)
        assert selectors.list_adapters() == []
        assert {
            table: count
            for table, count in jobs.count_rows().items()
            if count != before[table] and table.startswith("registry_")
        } == {}


class TestFurtherFamilies:
    @pytest.mark.parametrize(
        ("family", "pipeline", "asked"),
        [
            ("flux", "FluxPipeline", {"negative_prompt": ""}),
            ("flux2", "Flux2Pipeline", {"negative_prompt": ""}),
            ("flux2_klein", "Flux2KleinPipeline", {"negative_prompt": "", "guidance": 0.0}),
            ("qwen", "QwenImagePipeline", {"negative_prompt": "blurry"}),
        ],
    )
    def test_render_an_order_of_a_template_that_allows_them(
        self, models: Path, family: str, pipeline: str, asked: dict[str, Any]
    ) -> None:
        shop = jobs.shop(
            family=family,
            pipeline=pipeline,
            folder=f"{family}/{family}",
            snapshot_sha256=shared_digest(models, family),
        )
        item = shop.order(**asked).items[0]
        assert jobs.work_on(item.id)
        done = shop.item(item.id)
        # Held where the scorers' process is too slow: it is the rendering that counts here.
        assert (done.failure, done.asset_id is not None) == ("", True)


def shared_digest(models: Path, family: str) -> str:
    """Return the digest of a family's model as its pack names it."""
    pack = json.loads((models / family / "pack.json").read_text())
    return str(pack["model"]["snapshot_sha256"])
