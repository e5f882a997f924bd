"""What every test of the composition root shares: a sealing key of its own."""

from pathlib import Path
from typing import Any

import pytest

from tests.factories import review as make


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)
