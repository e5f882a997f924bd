"""The demo pack for tests: built once in a test run, also when several processes run it."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from generation.packs import builder, manifest

SEED = 7


def shared_pack(tmp_path_factory: pytest.TempPathFactory, family: str = "sd3") -> manifest.Pack:
    """Return the run's one random pack of a family, which no test may change; see `copy_of`."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    name = "demo-pack" if family == "sd3" else f"demo-pack-{family}"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return builder.build(root / name, seed=SEED, family=family).pack


def copy_of(pack: manifest.Pack, folder: Path) -> manifest.Pack:
    """Return a copy of a pack that a test may break."""
    shutil.copytree(pack.folder, folder)
    return manifest.read(folder)
