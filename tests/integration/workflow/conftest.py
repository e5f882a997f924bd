"""What every test of the workflow shares: a sealing key, and a brand that takes orders."""

from pathlib import Path
from typing import Any

import pytest

from tests.factories import orders
from tests.factories import review as make


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)


@pytest.fixture
def desk(db: None) -> orders.Desk:
    return orders.desk()
