"""GPU tests run where there is a device, and are skipped elsewhere."""

import pytest
import torch

from generation.packs.manifest import Pack
from tests.packs import shared_pack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and skip it without a device."""
    for item in items:
        if "tests/gpu/" not in item.path.as_posix():
            continue
        item.add_marker(pytest.mark.gpu)
        if not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture(scope="session")
def demo_pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return shared_pack(tmp_path_factory)
