"""What every test of jobs shares: a database, keys and images of its own, a brand that orders."""

from pathlib import Path
from typing import Any

import pytest

from tests.factories import jobs as make
from tests.factories import review


@pytest.fixture(autouse=True)
def _own_stores(settings: Any, tmp_path: Path) -> None:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")


@pytest.fixture
def shop(db: None) -> make.Shop:
    return make.shop()
