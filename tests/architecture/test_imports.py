"""The directions of imports hold, each contract can be broken, and web needs no torch."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"
SOURCES = ("platform/imprimatur", "generation", "templates", "governance")
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
}
# An import that each contract exists to refuse, and the module that it is planted in.
FORBIDDEN = {
    "roots": ("governance/kernel/clock.py", "import templates.brands.shapes"),
    "imprimatur": ("platform/imprimatur/accounts/records.py", "import imprimatur.web.words"),
    "templates": ("templates/brands/records.py", "import templates.prompts.states"),
    "generation": ("generation/assets/blobs.py", "import generation.jobs.states"),
    "governance": ("governance/outbox/services.py", "import governance.review.records"),
    "apps": ("governance/quota/errors.py", "import governance.quota.services"),
    "plain-python": ("generation/engines/spec.py", "import django.conf"),
    "verifier": ("governance/ledger/verifier.py", "import governance.kernel.digests"),
    "no-torch-above": ("platform/imprimatur/workflow/order.py", "import generation.jobs.worker"),
    "one-worker": ("generation/jobs/services/_create.py", "import generation.engines.spec"),
    "tables-of-review": ("generation/jobs/selectors.py", "import governance.review.models"),
}


def lint(config: Path, *paths: Path) -> tuple[int, dict[str, bool], str]:
    """Run the linter; return its status, whether each contract is kept, and all it said."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", config, "--no-cache"],
        cwd=config.parent,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "COLUMNS": "400",
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    kept = {
        identity: any(
            line.startswith(f"{contract['name']} KEPT") for line in done.stdout.splitlines()
        )
        for identity, contract in CONTRACTS.items()
    }
    return done.returncode, kept, done.stdout + done.stderr


class TestContracts:
    def test_are_kept(self) -> None:
        status, kept, said = lint(PYPROJECT, ROOT / "platform", ROOT)
        assert status == 0, said
        assert all(kept.values()), said

    def test_are_broken_by_the_imports_that_they_refuse(self, tmp_path: Path) -> None:
        for source in SOURCES:
            shutil.copytree(
                ROOT / source,
                tmp_path / source,
                ignore=lambda folder, names: [
                    n for n in names if not (n.endswith(".py") or (Path(folder) / n).is_dir())
                ],
            )
        shutil.copy(PYPROJECT, tmp_path)
        for file, line in FORBIDDEN.values():
            with (tmp_path / file).open("a", encoding="utf-8") as module:
                module.write(f"\n{line}\n")
        status, kept, said = lint(tmp_path / "pyproject.toml", tmp_path / "platform", tmp_path)
        assert status == 1, said
        assert {identity for identity in FORBIDDEN if kept[identity]} == set(), said

    def test_are_each_shown_to_refuse_something(self) -> None:
        of_one_kind = {identity for identity in CONTRACTS if identity.startswith("tables-of-")}
        assert set(FORBIDDEN) == (CONTRACTS.keys() - of_one_kind) | {"tables-of-review"}

    def test_keep_the_tables_of_every_app_to_itself(self) -> None:
        tables = {
            ".".join(models.relative_to(ROOT).with_suffix("").parts).removeprefix("platform.")
            for source in SOURCES
            for models in [
                *(ROOT / source).glob("*/models.py"),
                *(ROOT / source).glob("*/models"),
            ]
        } - {"governance.tables.models"}  # holds no tables
        of_one_app = {
            contract["protected_modules"][0]: contract["allowed_importers"]
            for contract in CONTRACTS.values()
            if contract["type"] == "protected"
        }
        assert of_one_app == {models: [models.removesuffix(".models")] for models in tables}


WITHOUT_TORCH = """
import sys
for name in ("torch", "diffusers", "transformers", "open_clip", "safetensors"):
    sys.modules[name] = None
import django
django.setup()
import importlib
importlib.import_module({module!r})
"""


class TestProcessesWithoutTorch:
    @pytest.mark.parametrize(
        "module",
        [
            "imprimatur.config.urls",
            "imprimatur.publishing.tasks",
            "imprimatur.config.management.commands.relay",
            # A worker loads torch when it renders, not when it hears of a task.
            "generation.jobs.tasks",
        ],
    )
    def test_load(self, module: str) -> None:
        assert run(module).returncode == 0, run(module).stderr

    def test_would_not_load_if_they_needed_it(self) -> None:
        done = run("generation.packs.tiny.parts")
        assert done.returncode == 1
        assert "torch" in done.stderr


def run(module: str) -> subprocess.CompletedProcess[str]:
    """Import a module in a fresh interpreter in which there is no torch."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH.format(module=module)],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "imprimatur.config.settings.test",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
