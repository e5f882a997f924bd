"""The tree stays as it was laid out: its top level, and nothing that hides the standard library."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("platform/imprimatur", "generation", "governance", "templates")
TOP = {
    "manage.py",
    "pyproject.toml",
    "README.md",
    "platform",
    "generation",
    "governance",
    "templates",
    "tests",
    "docker",
    # Beside them only what tools need, and the docs.
    "Makefile",
    "constraints.txt",
    "docs",
    ".ci",
    ".gitignore",
}
OUR_APPS = [
    config.name
    for config in apps.get_app_configs()
    if config.name.partition(".")[0] in {Path(package).name for package in PACKAGES}
]


def modules() -> list[Path]:
    """Return every module of our packages."""
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


class TestTopLevel:
    def test_is_as_it_was_fixed(self) -> None:
        ignored = [
            line.strip().rstrip("/")
            for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
        ]
        found = {
            path.name
            for path in ROOT.iterdir()
            if path.name != ".git" and not any(fnmatch(path.name, pattern) for pattern in ignored)
        }
        assert found - TOP == set()
        assert {name for name in TOP if not name.startswith(".")} - found == set()


class TestPlatform:
    def test_is_a_source_root_and_no_package(self) -> None:
        assert not (ROOT / "platform" / "__init__.py").exists()
        assert [path.name for path in (ROOT / "platform").iterdir() if path.is_dir()] == [
            "imprimatur"
        ]

    def test_means_the_standard_library_from_the_root(self) -> None:
        assert where_platform_is(ROOT) == Path(sys.modules["os"].__file__ or "").parent

    def test_would_be_shadowed_by_one_stray_file(self, tmp_path: Path) -> None:
        (tmp_path / "platform").mkdir()
        (tmp_path / "platform" / "__init__.py").touch()
        assert where_platform_is(tmp_path) == tmp_path / "platform"


class TestModules:
    def test_are_not_named_after_the_standard_library(self) -> None:
        shadowing = {
            path
            for path in modules()
            if (path.parent.name if path.stem == "__init__" else path.stem)
            in sys.stdlib_module_names
        }
        # Reads are called selectors in every app; only ever imported from their app.
        assert {path for path in shadowing if "selectors" not in (path.stem, path.parent.name)} == (
            set()
        )

    def test_leave_the_path_alone(self) -> None:
        change = re.compile(
            r"sys\.path(\.(append|extend|insert|remove)|\[[^]]*\]\s*\+?=[^=]|\s*\+?=[^=])"
        )
        touching = [p for p in modules() if change.search(p.read_text(encoding="utf-8"))]
        assert touching == []

    @pytest.mark.parametrize("name", OUR_APPS)
    def test_of_an_app_are_reached_by_their_own_names(self, name: str) -> None:
        """Its `__init__` gives nothing away, so a reader sees at each call which module acts."""
        folder = next(Path(c.path) for c in apps.get_app_configs() if c.name == name)
        assert (folder / "__init__.py").read_bytes() == b""


class TestTests:
    def test_lie_in_packages(self) -> None:
        folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
        assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def where_platform_is(root: Path) -> Path:
    """Return the folder from which a fresh interpreter, started in `root`, imports platform."""
    done = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.__file__)"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return Path(done.stdout.strip()).parent
