"""What every test of templates shares: a sealing key, and a brand with its people."""

from pathlib import Path
from typing import Any

import pytest

from tests.factories import review as make
from tests.factories.templates import Studio
from tests.factories.templates import studio as make_studio


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)


@pytest.fixture
def studio(db: None) -> Studio:
    return make_studio()
