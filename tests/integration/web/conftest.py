"""One seeded world per test."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.web import world as worlds


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> worlds.World:
    """Return the demo's brand with its people and templates."""
    return worlds.build(settings, tmp_path, monkeypatch)
