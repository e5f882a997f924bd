"""What holds on every page: policy, language, roles, errors, the vendored files."""

import gettext
import hashlib
import re
from pathlib import Path

import imprimatur.web
import pytest
from django.conf import settings as django_settings
from django.test import RequestFactory
from imprimatur.web.views import errors

from tests.integration.web.world import World

STATIC = Path(imprimatur.web.__file__).parent / "static" / "web"
TEMPLATES = Path(imprimatur.web.__file__).parent / "templates"
CATALOGUE = Path(django_settings.LOCALE_PATHS[0]) / "de" / "LC_MESSAGES"


class TestFrame:
    def test_pages_obey_the_content_security_policy(self, world: World) -> None:
        job = world.make(world.order(1))
        case = world.cases(job)[0]
        for url in ("/", "/templates/", "/orders/", f"/orders/{job.id}/", f"/reviews/{case.id}/"):
            answer = world.client("bruno").get(url)
            text = answer.content.decode()
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|hx-on", text), url
            assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), url
            assert "private" in answer.headers["Cache-Control"]

    def test_shows_the_ledger_to_those_who_audit_only(self, world: World) -> None:
        assert "/ledger/" in world.client("otto").get("/").content.decode()
        assert "/ledger/" not in world.client("marta").get("/").content.decode()
        assert world.client("marta").get("/ledger/").status_code == 403
        entries = world.client("otto").get("/ledger/")
        assert "accounts.user.created" in entries.content.decode() or entries.context["entries"]

    def test_speaks_german(self, world: World) -> None:
        answer = world.client("marta").get("/", headers={"Accept-Language": "de"})
        text = answer.content.decode()
        assert '<html lang="de"' in text
        assert "Bilder bestellen" in text

    def test_says_404_in_words(self, world: World) -> None:
        answer = world.client("marta").get("/nowhere/")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()

    def test_breaks_without_touching_the_database(self) -> None:
        answer = errors.failed(RequestFactory().get("/"))
        assert answer.status_code == 500
        assert "Something broke on our side" in answer.content.decode()


class TestFiles:
    def test_vendored_files_are_the_ones_that_are_written_down(self) -> None:
        table = (STATIC / "vendor" / "VENDORED.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", table, re.MULTILINE)
        assert len(rows) == 6
        for name, digest in rows:
            data = (STATIC / "vendor" / name).read_bytes()
            assert hashlib.sha256(data).hexdigest() == digest, name

    def test_page_weighs_less_than_150_kb_on_the_wire(self) -> None:
        import gzip

        used = [
            *STATIC.glob("css/*.css"),
            *STATIC.glob("js/*.js"),
            *STATIC.glob("vendor/*.js"),
        ]
        fonts = [*STATIC.glob("fonts/*latin-wght*.woff2"), *STATIC.glob("fonts/*latin-400*.woff2")]
        weight = sum(len(gzip.compress(path.read_bytes())) for path in used)
        weight += sum(path.stat().st_size for path in fonts)
        assert weight < 150_000

    @pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda p: p.name)
    def test_partials_list_their_variables(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "parts":
            assert re.search(r"\{# .+ #\}", text.split("\n")[0]), path

    def test_german_catalogue_is_complete_and_compiled(self) -> None:
        source = (CATALOGUE / "django.po").read_text(encoding="utf-8")
        entries = source.split("\n\n")[1:]
        empty = [e for e in entries if re.search(r'^msgstr(\[\d\])? ""$', e, re.MULTILINE)]
        assert not empty
        with (CATALOGUE / "django.mo").open("rb") as file:
            compiled = gettext.GNUTranslations(file)
        assert len([k for k in compiled._catalog if k]) >= len(entries)

    @pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda p: p.name)
    def test_every_string_of_a_template_stands_in_the_catalogue(self, path: Path) -> None:
        source = (CATALOGUE / "django.po").read_text(encoding="utf-8")
        text = path.read_text(encoding="utf-8")
        for quote in ('"', "'"):
            for said in re.findall(rf"{{% translate {quote}([^{quote}]+){quote}", text):
                escaped = said.replace('"', '\\"')
                assert f'"{escaped}"' in source, said
