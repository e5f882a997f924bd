"""What every test of release shares: a database, a sealing key, and a team with its policy."""

from pathlib import Path
from typing import Any

import pytest

from tests.factories import review as make


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)


@pytest.fixture
def team(db: None) -> make.Team:
    team = make.Team()
    make.approved_policy(team)
    return team
