"""Installs the trained demo pack that comes with the product; the builder of tests makes others."""

import shutil
from pathlib import Path

from generation.packs import manifest, placing

# A part of the package, so that a wheel brings it as a checkout does.
FOLDER = Path(__file__).parent / "demo"


def install(folder: Path) -> placing.Placed:
    """Copy the shipped pack to `folder`, or keep an intact copy that is there.

    Every byte is verified before it is copied, and again where it arrives.

    Raises: PackUnreadable, SnapshotMissing, SnapshotChanged if the shipped files were changed;
    PackFolderOccupied if the folder holds anything but a pack.
    """
    shipped = manifest.read(FOLDER)
    shipped.verify()
    wanted = (FOLDER / manifest.FILE_NAME).read_bytes()

    def is_same(pack: manifest.Pack) -> bool:
        return (pack.folder / manifest.FILE_NAME).read_bytes() == wanted

    return placing.place(folder, _copy, is_same)


def _copy(folder: Path) -> None:
    """Copy the pack's own folders, and last the manifest, without which nothing is a pack."""
    shipped = manifest.read(FOLDER)
    parts = {shipped.model.folder, *(adapter.folder for adapter in shipped.adapters)}
    parts |= {scorer.resolve(FOLDER) for scorer in shipped.scorers}
    for part in sorted(parts):
        shutil.copytree(part, folder / part.relative_to(FOLDER))
    shutil.copyfile(FOLDER / manifest.FILE_NAME, folder / manifest.FILE_NAME)
