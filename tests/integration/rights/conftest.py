"""A studio with its own stores."""

from pathlib import Path
from typing import Any

import pytest

from tests.factories import jobs, review
from tests.factories.pictures import Studio


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> Path:
    review.use_sealing_key(settings, tmp_path)
    jobs.use_blobs(settings, tmp_path / "blobs")
    return tmp_path / "blobs"


@pytest.fixture
def studio(db: None, store: Path) -> Studio:
    return Studio()
