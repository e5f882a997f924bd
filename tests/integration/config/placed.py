"""The API tests' world, for tests of what stands around the API."""

from pathlib import Path
from typing import Any

from tests.integration.api import world as worlds


def world(settings: Any, folder: Path) -> worlds.World:
    """Make the brand with marta in it, publishing below the test's own folder."""
    root = (folder / "published").resolve()
    settings.DESTINATION_ROOTS = [root]
    return worlds.make(folder / "relay", root)
