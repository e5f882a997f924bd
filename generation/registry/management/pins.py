"""What the commands of the registry share: who acts, where models lie, and a second look."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.core.management.base import OutputWrapper
from django.utils.module_loading import import_string

from generation.packs import manifest
from generation.weights import snapshot
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError


class Pin(Protocol):
    """A version of something pinned, as the registry hands it out."""

    @property
    def slug(self) -> str:
        """Return its name."""

    @property
    def number(self) -> int:
        """Return its version."""

    @property
    def folder(self) -> str:
        """Return its folder below the models folder."""

    @property
    def snapshot_sha256(self) -> str:
        """Return the digest of its files."""


def actor_named(username: str) -> Actor:
    """Return who acts. Raises: NotFound."""
    found: Actor = import_string(settings.ACTOR_BY_USERNAME)(username)
    return found


def folder_of(name: str) -> Path:
    """Return a folder below the models folder."""
    return Path(settings.MODELS_FOLDER) / name


def scorers_of(name: str) -> dict[str, Any]:
    """Return the scorers of a pack below the models folder, as a profile names them."""
    return {
        "folder": name,
        "entries": [
            {
                "kind": entry.kind,
                "folder": entry.folder,
                "snapshot_sha256": entry.snapshot_sha256,
                "licence": entry.licence,
                "settings": dict(entry.settings),
            }
            for entry in manifest.read(folder_of(name)).scorers
        ],
    }


def verify(pins: Iterable[Pin], out: OutputWrapper) -> int:
    """Hash every pin's files again, say how each stands, and count those that changed."""
    failed = 0
    for pin in pins:
        try:
            snapshot.verify(folder_of(pin.folder), pin.snapshot_sha256)
        except DomainError as error:
            failed += 1
            out.write(f"{pin.slug}@{pin.number}: {error.detail}")
        else:
            out.write(f"{pin.slug}@{pin.number}: as it was approved")
    return failed
