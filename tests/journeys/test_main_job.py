"""The main job on real processes, from the order to the offline verifier."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import packs, processes

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("main-job"),
]
TIMEOUT_S = 400


@pytest.fixture
def environment(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Lay out an installation with keys and models of its own, on the suite's database."""
    var = tmp_path / "var"
    var.mkdir()
    with processes.floor(var) as floor:
        made = floor.environment
    for name in ("SEALING_KEY_FILE", "CHECKPOINT_KEY_FOLDER", "MODELS_FOLDER"):
        made.pop(name)
    shutil.copytree(packs.shared_pack(tmp_path_factory).folder, var / "models" / "demo")
    return made


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    status: int
    output: str
    errors: str


def manage(environment: dict[str, str], *arguments: str) -> Done:
    """Run a management command; one that takes too long is told to end, with all that it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "django", *arguments],
        cwd=processes.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, errors = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        output, errors = process.communicate(timeout=120)
    return Done(process.returncode, output, errors)


class TestTheMainJob:
    def test_holds_from_the_order_to_the_offline_verifier(
        self, environment: dict[str, str]
    ) -> None:
        assert manage(environment, "keys").status == 0
        done = manage(environment, "demo_once")
        assert done.output, done.errors
        *table, line = done.output.strip().splitlines()
        report: dict[str, Any] = json.loads(line)
        assert done.status == 0, done.output + done.errors
        assert report["ok"]
        self.shows_each_step(table)
        self.made_three_images(report["images"])
        self.released_and_published_two(report)
        assert report["refusal"]["category"] == "hazard_sign"
        assert report["attacks_refused"] == ["api", "task", "orm", "sql"]
        assert report["ledger"]["size"] > 30
        assert len(report["ledger"]["root"]) == 64
        assert_nothing_runs(environment["IMPRIMATUR_VAR"])

    def shows_each_step(self, table: list[str]) -> None:
        steps = {row.split(maxsplit=1)[0] for row in table}
        assert steps == {"1", "2", "3", "4", "5", "6", "7"}

    def made_three_images(self, images: list[dict[str, Any]]) -> None:
        assert len({image["sha256"] for image in images}) == 3
        for image in images:
            assert len(image["scores"]) >= 5
            assert "safety" in " ".join(image["scores"])

    def released_and_published_two(self, report: dict[str, Any]) -> None:
        reviewed = [image["sha256"] for image in report["images"]]
        released = {release["reviewed_sha256"] for release in report["releases"]}
        assert released == set(reviewed[:2])
        for release in report["releases"]:
            assert release["marked_sha256"] != release["reviewed_sha256"]
            states = {p["destination"]: p["state"] for p in release["publications"]}
            assert states["folder"] == "published"
            assert set(states.values()) == {"published"}


def assert_nothing_runs(var: str) -> None:
    """Hold the job to its promise that it leaves no process: none has its folder in its setting."""
    mark = f"IMPRIMATUR_VAR={var}".encode()
    for process in Path("/proc").glob("[0-9]*/environ"):
        try:
            content = process.read_bytes()
        except OSError:
            continue
        assert mark not in content.split(b"\0"), process.parent.name
