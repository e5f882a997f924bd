"""One seeded world per test."""

from pathlib import Path

import pytest
from pytest_django.fixtures import SettingsWrapper

from tests.integration.web import world as worlds


@pytest.fixture
def world(
    db: None, settings: SettingsWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> worlds.World:
    """Return the demo's brand with its people and templates."""
    return worlds.build(settings, tmp_path, monkeypatch)
