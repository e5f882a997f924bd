"""The embedded blob store: files that appear whole, once, and survive a power cut."""

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.files.storage import FileSystemStorage


class WholeFileStorage(FileSystemStorage):
    """Django's file storage, writing to a temporary name, syncing, then linking into place."""

    def _save(self, name: str, content: Any) -> str:
        """Write `content` under `name`; an existing file of that name is kept as it is."""
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.parent / f".{uuid4().hex}.tmp"
        try:
            with hidden.open("xb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            if self.file_permissions_mode is not None:
                hidden.chmod(self.file_permissions_mode)
            try:
                os.link(hidden, path)
            except FileExistsError:
                return name
            # The file's name is in its folder, and that is another thing to sync.
            _sync(path.parent)
        finally:
            hidden.unlink(missing_ok=True)
        return name

    def get_available_name(self, name: str, max_length: int | None = None) -> str:  # noqa: ARG002  Django's signature
        """Return the name unchanged: names are digests, so the same name holds the same bytes."""
        return name


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
