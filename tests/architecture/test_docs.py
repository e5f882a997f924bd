"""The docs hold: printed parts are current, links and commands exist."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.architecture import printed

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
ADRS = sorted((DOCS / "adr").glob("*.md"))
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PATH = re.compile(r"`((?:platform|generation|governance|templates|tests|docker|docs)/[\w./-]*)`")
CODE = re.compile(r"```sh\n(.*?)```|`([^`\n]+)`", re.DOTALL)
MANAGE = re.compile(r"(?:manage\.py|-m django) ([a-z_]+)")
MAKE = re.compile(r"(?<![-\w])make ([a-z][a-z-]*)")


def name(path: Path) -> str:
    """Return a page's name from the root."""
    return str(path.relative_to(ROOT))


class TestPrinted:
    def test_parts_are_current(self) -> None:
        """Else: `python -m tests.architecture.printed`."""
        stale = [name(path) for path, text in printed.pages() if path.read_text("utf-8") != text]
        assert stale == []

    def test_rooms_are_those_of_the_tree(self) -> None:
        drawn = set(re.findall(r"^        (\w+)_(\w+)\[", printed.rooms(), re.MULTILINE))
        packages = {
            (root, folder.name)
            for root, source in printed.SOURCES.items()
            for folder in source.iterdir()
            if (folder / "__init__.py").exists()
        }
        assert drawn == packages

    def test_rooms_have_a_line_each_in_the_table(self) -> None:
        page = (DOCS / "architecture.md").read_text(encoding="utf-8")
        told = set(
            re.findall(r"`(\w+\.\w+)`", "\n".join(re.findall(r"^\| `.*$", page, re.MULTILINE)))
        )
        drawn = {
            f"{root}.{room}"
            for root, room in re.findall(r"^        (\w+)_(\w+)\[", printed.rooms(), re.MULTILINE)
        }
        assert drawn <= told

    def test_would_be_seen_to_differ(self) -> None:
        page = (DOCS / "architecture.md").read_text(encoding="utf-8")
        drifted = page.replace("queued --> leased: claim", "queued --> leased: take")
        assert drifted != page
        current = dict(printed.pages())[DOCS / "architecture.md"]
        assert drifted != current


class TestPages:
    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_link_to_what_is_there(self, page: Path) -> None:
        targets = [t for t in LINK.findall(page.read_text("utf-8")) if "://" not in t]
        assert [t for t in targets if not (page.parent / t).exists()] == []

    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_name_files_that_are_there(self, page: Path) -> None:
        named = PATH.findall(page.read_text("utf-8"))
        assert [path for path in named if not (ROOT / path).exists()] == []

    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_give_commands_that_exist(self, page: Path) -> None:
        text = page.read_text("utf-8")
        code = "\n".join(block or inline for block, inline in CODE.findall(text))
        made = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert set(MANAGE.findall(code)) - get_commands().keys() == set()
        assert set(MAKE.findall(code)) - set(made) == set()

    def test_name_every_promise_and_its_attack(self) -> None:
        page = (DOCS / "architecture.md").read_text(encoding="utf-8")
        attacks = [path.name for path in (ROOT / "tests" / "promises").glob("test_*.py")]
        assert attacks
        assert [attack for attack in attacks if f"tests/promises/{attack}" not in page] == []

    def test_show_the_portal(self) -> None:
        assert "docs/images/portal.png" in (ROOT / "README.md").read_text(encoding="utf-8")


class TestDecisions:
    def test_are_numbered_without_a_gap(self) -> None:
        assert [int(adr.name[:4]) for adr in ADRS] == list(range(1, len(ADRS) + 1))

    @pytest.mark.parametrize("adr", ADRS, ids=name)
    def test_have_their_parts(self, adr: Path) -> None:
        text = adr.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(adr.name[:4])}. ")
        parts = ("**Status:** ", "## Context\n", "## Decision\n", "## Consequences\n")
        assert [part for part in parts if part not in text] == []

    @pytest.mark.parametrize("adr", ADRS, ids=name)
    def test_fit_on_a_page(self, adr: Path) -> None:
        assert len(adr.read_text(encoding="utf-8").splitlines()) <= 60
