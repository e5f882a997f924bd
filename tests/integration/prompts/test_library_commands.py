"""Packs come in and go out through commands, and nothing is lost or doubled on the way."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from governance.kernel.actors import Actor
from governance.ledger.models import Entry
from templates.prompts import library, selectors
from templates.prompts.models import TemplateVersion
from tests.factories.templates import Studio
from tests.factories.templates import studio as make_studio

pytestmark = pytest.mark.django_db
PACKS = ("product_studio", "seasonal_campaign")
_actors = {}


def actor_named(username: str) -> Actor:
    return _actors[username]


@pytest.fixture(autouse=True)
def _people(settings: Any, studio: Studio) -> Iterator[None]:
    settings.ACTOR_BY_USERNAME = f"{__name__}.actor_named"
    _actors.update(mona=studio.author, marta=studio.team.requester)
    yield
    _actors.clear()


def run(command: str, *args: Any, **options: Any) -> str:
    said = StringIO()
    call_command(command, *args, stdout=said, **options)
    return said.getvalue()


def bring(pack: str = "product_studio", username: str = "mona") -> str:
    return run("import_library", pack, brand="northwind", username=username)


class TestImportLibrary:
    @pytest.mark.parametrize("pack", PACKS)
    def test_drafts_and_submits_every_template(self, studio: Studio, pack: str) -> None:
        said = bring(pack)
        expected = {path.stem for path in (library.FOLDER / pack / "templates").glob("*.yaml")}
        templates = selectors.list_templates(studio.author)
        assert {template.slug for template in templates} == expected
        assert {version.state for version in TemplateVersion.objects.all()} == {"in_review"}
        assert all(f"submitted  {slug} version 1" in said for slug in expected)

    def test_again_changes_nothing(self, studio: Studio) -> None:
        bring()
        before = Entry.objects.count()
        assert {line.split()[0] for line in bring().splitlines()} == {"unchanged"}
        assert Entry.objects.count() == before

    def test_of_a_changed_file_makes_one_version_more(self, studio: Studio, tmp_path: Path) -> None:
        bring()
        folder = tmp_path / "changed"
        copy(library.FOLDER / "product_studio", folder)
        path = folder / "templates" / "hero_shot.yaml"
        path.write_text(path.read_text().replace("of a large", "of a big"))
        assert "submitted  hero_shot version 2" in bring(str(folder))
        assert TemplateVersion.objects.filter(number=2).count() == 1

    def test_that_fails_half_way_leaves_nothing(self, studio: Studio, tmp_path: Path) -> None:
        folder = tmp_path / "broken"
        copy(library.FOLDER / "product_studio", folder)
        path = folder / "templates" / "social_square.yaml"
        path.write_text(path.read_text().replace("{{ light }}", "{{ light.x }}"))
        with pytest.raises(CommandError, match=r"social_square\.yaml/prompt"):
            bring(str(folder))
        assert not TemplateVersion.objects.exists()

    def test_says_plainly_what_is_wrong(self, studio: Studio, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="No brand"):
            run("import_library", "product_studio", brand="nobody", username="mona")
        with pytest.raises(CommandError, match=r"pack\.yaml"):
            bring(str(tmp_path))
        with pytest.raises(CommandError, match="prompts:template:draft"):
            bring(username="marta")


class TestExportLibrary:
    @pytest.mark.parametrize("pack", PACKS)
    def test_writes_back_what_was_imported_byte_for_byte(
        self, studio: Studio, tmp_path: Path, pack: str
    ) -> None:
        bring(pack)
        run("export_library", tmp_path, brand="northwind")
        for path in (library.FOLDER / pack / "templates").glob("*.yaml"):
            assert (tmp_path / "templates" / path.name).read_bytes() == path.read_bytes()

    def test_can_be_imported_into_another_brand_and_exported_again_without_a_difference(
        self, studio: Studio, tmp_path: Path
    ) -> None:
        bring()
        first, second = tmp_path / "first", tmp_path / "second"
        run("export_library", first, brand="northwind")
        other = make_studio("southwind")
        _actors["maya"] = other.author
        run("import_library", str(first), brand="southwind", username="maya")
        run("export_library", second, brand="southwind")
        assert contents(second) == contents(first)
        assert len(contents(first)) == 8  # seven templates and what the pack says of itself
        mine = TemplateVersion.objects.filter(brand_id=studio.brand.id)
        theirs = TemplateVersion.objects.filter(brand_id=other.brand.id)
        assert set(mine.values_list("sha256")) == set(theirs.values_list("sha256"))

    def test_leaves_a_pack_that_explains_itself_as_it_is(
        self, studio: Studio, tmp_path: Path
    ) -> None:
        studio.draft()
        (tmp_path / "pack.yaml").write_text("mine", encoding="utf-8")
        run("export_library", tmp_path, brand="northwind")
        assert (tmp_path / "pack.yaml").read_text(encoding="utf-8") == "mine"

    def test_of_what_is_released_leaves_out_the_rest(self, studio: Studio, tmp_path: Path) -> None:
        studio.release()
        studio.draft(slug="other")
        run("export_library", tmp_path, brand="northwind", released=True)
        assert [path.name for path in (tmp_path / "templates").iterdir()] == ["hero-shot.yaml"]

    def test_of_an_unknown_brand_fails(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="No brand"):
            run("export_library", tmp_path, brand="nobody")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.yaml")}


def copy(source: str, target: Path) -> None:
    (target / "templates").mkdir(parents=True)
    (target / "pack.yaml").write_bytes((source / "pack.yaml").read_bytes())
    for path in (source / "templates").glob("*.yaml"):
        (target / "templates" / path.name).write_bytes(path.read_bytes())
