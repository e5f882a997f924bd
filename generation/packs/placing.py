"""Puts a pack into its folder: whole or not at all, and never over other people's files."""

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from generation.packs import manifest
from governance.kernel.errors import DomainError


class PackFolderOccupied(DomainError):
    """The folder holds something that is no pack, which is not ours to replace."""

    code = "pack_folder_occupied"


@dataclass(frozen=True)
class Placed:
    """The pack and whether it was there already, every byte right."""

    pack: manifest.Pack
    was_kept: bool


def place(
    folder: Path, make: Callable[[Path], None], is_wanted: Callable[[manifest.Pack], bool]
) -> Placed:
    """Let `make` fill `folder`, or keep the pack that is there if it is wanted and intact.

    The pack is made beside and moved into place, so that no reader finds half of one. What it
    replaces is moved away first; a crash in between leaves no pack, and the next call makes it.

    Raises: PackFolderOccupied if the folder holds anything but a pack.
    """
    found = _find_intact(folder, is_wanted)
    if found:
        return Placed(found, was_kept=True)
    _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.new")
    try:
        make(beside)
        replace(folder, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Placed(_find_intact(folder, is_wanted) or _retell(folder), was_kept=False)


def _find_intact(folder: Path, is_wanted: Callable[[manifest.Pack], bool]) -> manifest.Pack | None:
    """Return the pack in `folder` if it is the wanted one and nothing in it has changed."""
    try:
        pack = manifest.read(folder)
        if not is_wanted(pack):
            return None
        pack.verify()
    except DomainError:
        return None
    return pack


def _retell(folder: Path) -> manifest.Pack:
    """Raise what is wrong with the pack that another process put there meanwhile."""
    pack = manifest.read(folder)
    pack.verify()
    return pack


def _refuse_foreign(folder: Path) -> None:
    """Refuse to replace a folder that holds no pack, nor what is left of one."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        occupied = True
    else:
        occupied = (
            folder.is_dir()
            and any(folder.iterdir())
            and not (folder / manifest.FILE_NAME).is_file()
            and not any(folder.glob("*/model_index.json"))
        )
    if occupied:
        raise PackFolderOccupied(
            f"'{folder}' holds something that is not a pack. Name an empty or a new folder.",
            folder=str(folder),
        )


def replace(folder: Path, beside: Path) -> None:
    """Move the new pack into place; of two builders at once the first one wins."""
    old = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.old")
    if folder.exists():
        folder.rename(old)
    try:
        beside.rename(folder)
    except OSError:
        # Another builder was faster: a folder that is not empty is never overwritten.
        if not (folder / manifest.FILE_NAME).is_file():
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
