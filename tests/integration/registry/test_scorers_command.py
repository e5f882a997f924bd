"""A scorer's way into use by the command: checked, proposed, approved by another, verified."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from generation.registry import selectors
from governance.kernel.actors import Actor
from tests.factories import licences
from tests.factories.quota import platform_admin
from tests.fakes import misbehaving as bad
from tests.plugins import installed
from tests.unit.generation.scoring import tiny

pytestmark = pytest.mark.django_db
FOLDER = "scorers/nsfw"
_actors: dict[str, Actor] = {}


def actor_named(username: str) -> Actor:
    return _actors[username]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of Falconsai's class, to be copied."""
    folder = tmp_path_factory.mktemp("weights") / "nsfw"
    tiny.save_vit(folder)
    return folder


@pytest.fixture(autouse=True)
def models(settings: Any, tmp_path: Path, weights: Path) -> Iterator[Path]:
    """A models folder with that classifier, and two admins."""
    import shutil

    settings.MODELS_FOLDER = tmp_path
    shutil.copytree(weights, tmp_path / FOLDER)
    settings.ACTOR_BY_USERNAME = f"{__name__}.actor_named"
    _actors.update(ada=platform_admin(), ben=platform_admin())
    yield tmp_path
    _actors.clear()


def run(*arguments: str) -> str:
    said = StringIO()
    call_command("scorers", *arguments, stdout=said)
    return said.getvalue()


def add(*arguments: str, licence: UUID | None = None, folder: str = FOLDER) -> str:
    licence = licence or licences.agreed("LicenseRef-scorer").id
    return run("add", folder, "--licence", str(licence), "--as", "ada", *arguments)


class TestAdd:
    def test_leads_into_use_by_a_convention_and_a_second_person(self, models: Path) -> None:
        said = add("--convention", "falconsai_nsfw")
        assert "Proposed nsfw@1" in said
        (made,) = selectors.list_scorers()
        assert (made.kind, made.title, made.cost_ms) == ("safety", "Nudity and sexual content", 250)
        assert made.settings["unsafe_labels"] == ["nsfw"]
        assert made.snapshot_sha256 == tiny.digest(models / FOLDER)
        with pytest.raises(CommandError, match=r"may not|not permitted"):
            run("approve", str(made.id), "--as", "ada")
        assert selectors.usable_scorers() == []
        assert "policies may name it" in run("approve", str(made.id), "--as", "ben")
        assert [each.id for each in selectors.usable_scorers()] == [made.id]
        cards = {card.scorer: card for card in selectors.list_scorer_cards()}
        assert cards["nsfw"].weights_sha256 == made.snapshot_sha256
        assert "nsfw@1: as it was approved" in run("verify")
        assert f"nsfw@1  approved  {made.id}" in run("list")
        path = models / FOLDER / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(CommandError, match="1 of the scorers in use are not what was approved"):
            run("verify")
        assert "Retired nsfw@1" in run("retire", str(made.id), "--as", "ben")
        assert selectors.usable_scorers() == []

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ((), "Name a --convention"),
            (("--kind", "safety"), "Name a --convention"),
            (("--convention", "horoscope"), "There is no convention named 'horoscope'"),
            (("--kind", "horoscope", "--id", "stars"), "no scorer of the kind 'horoscope'"),
            (("--kind", "safety", "--id", "nsfw"), "unsafe_labels"),
            (("--convention", "falconsai_nsfw", "--settings", "[]"), "JSON object"),
            (("--convention", "falconsai_nsfw", "--settings", "{"), "settings"),
            (
                ("--convention", "falconsai_nsfw", "--settings", '{"unsafe_lables": ["x"]}'),
                "has no setting 'unsafe_lables'",
            ),
            (
                ("--convention", "falconsai_nsfw", "--settings", '{"unsafe_labels": ["gore"]}'),
                "has no label gore; it has normal, nsfw",
            ),
            (("--convention", "falconsai_nsfw", "--id", "sharpness"), "is named 'sharpness'"),
            (("--convention", "falconsai_nsfw", "--id", "N"), "does not conform"),
        ],
    )
    def test_refuses_what_would_hold_every_image(
        self, arguments: tuple[str, ...], why: str
    ) -> None:
        with pytest.raises(CommandError, match=why):
            add(*arguments)
        assert selectors.list_scorers() == []

    @pytest.mark.parametrize("folder", ["../keys", "scorers/none", "."])
    def test_refuses_a_folder_that_is_none(self, folder: str) -> None:
        with pytest.raises(CommandError, match=r"not inside|does not exist"):
            add("--convention", "falconsai_nsfw", folder=folder)

    def test_refuses_a_pickle(self, models: Path) -> None:
        (models / FOLDER / "pytorch_model.bin").write_bytes(b"\x80")
        with pytest.raises(CommandError, match=r"safetensors\.torch\.save_file"):
            add("--convention", "falconsai_nsfw")

    def test_needs_a_licence_on_record(self) -> None:
        with pytest.raises(CommandError, match="no such licence"):
            add("--convention", "falconsai_nsfw", licence=UUID(int=7))


class TestConventions:
    def test_say_what_to_fetch_and_what_to_mind(self) -> None:
        said = run("conventions")
        for name in ("falconsai_nsfw", "compvis_checker", "shieldgemma_2", "laion_aesthetic_v2"):
            assert f"{name}: " in said
        assert "false alarms" in said


class TestList:
    def test_shows_scorers_with_and_without_a_model(self) -> None:
        said = run("list")
        assert "person_present: of imprimatur" in said
        assert "shieldgemma: a kind that takes a model" in said


class TestSync:
    def test_records_what_each_scorer_says_of_itself_once(self) -> None:
        said = run("sync")
        cards = {card.scorer: card for card in selectors.list_scorer_cards()}
        assert {"sharpness", "palette", "near_duplicate"} <= set(cards)
        assert f"{len(cards)} scorers, {len(cards)} of them new" in said
        assert ", 0 of them new or changed" in run("sync")

    def test_records_a_registered_one_too(self) -> None:
        without = int(run("sync").split()[0])
        add("--convention", "falconsai_nsfw")
        run("approve", str(selectors.list_scorers()[0].id), "--as", "ben")
        assert int(run("sync").split()[0]) == without + 1
        assert "nsfw" in {card.scorer for card in selectors.list_scorer_cards()}


class TestCheck:
    def test_passes_what_the_product_can_rely_on(self) -> None:
        assert run("check", "sharpness") == "sharpness conforms\n"

    def test_names_each_fault_of_what_it_cannot(self, tmp_path: Path) -> None:
        with (
            installed(tmp_path / "plugin", "misbehaving", bad.points(bad.Nan)),
            pytest.raises(CommandError, match="nan does not conform:\n"),
        ):
            run("check", "nan")

    def test_says_which_scorers_there_are(self) -> None:
        with pytest.raises(CommandError, match="horoscope"):
            run("check", "horoscope")
