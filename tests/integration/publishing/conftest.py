"""What every test of publishing shares: keys, a blob store, a brand in mid-work, and places."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import (  # noqa: F401
    Place,
    moto_bucket,
    moto_endpoint,
    moto_place,
    real_s3_bucket,
    real_s3_place,
)
from tests.factories import publishing as make


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make.make_authority(tmp_path_factory.mktemp("authority") / "publisher")


@pytest.fixture(autouse=True)
def _installation(settings: Any, tmp_path: Path, authority: Path) -> None:
    make.use_installation(settings, tmp_path, authority)


@pytest.fixture
def press(db: None, tmp_path: Path) -> make.Press:
    return make.Press(tmp_path)


@pytest.fixture
def other_press(press: make.Press, tmp_path: Path) -> make.Press:
    """A second brand, with people of its own."""
    return make.Press(tmp_path, slug="southwind")


@pytest.fixture
def credential(settings: Any, tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a credential file as an operator does, in a folder of the test's own."""
    folder = tmp_path / "publisher"

    def write(name: str, text: str) -> Path:
        (folder / "credentials").mkdir(parents=True, exist_ok=True)
        path = folder / "credentials" / f"{name}.json"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        settings.PUBLISHER_KEY_FOLDER = folder
        return path

    return write
