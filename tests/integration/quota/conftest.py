"""What every test of the quota shares: a sealing key for the reasons that people give."""

from pathlib import Path
from typing import Any

import pytest

from governance.sealing import keys


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    settings.SEALING_KEY_FILE = tmp_path / "kek"
    keys.make_sealing_key(settings.SEALING_KEY_FILE)
