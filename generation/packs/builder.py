"""Makes the demo pack from a seed: same seed and libraries, same bytes; whole, or not there."""

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from generation.packs import cards, manifest, models
from generation.weights import runtime, snapshot
from governance.kernel.errors import DomainError

NAME = "imprimatur-demo-uncalibrated"
# Raised when the recipe below changes, so that an older pack is built again.
BUILDER = 1
LICENCE = "CC0-1.0"

_DEFAULTS = {
    "steps": 8,
    "guidance": 4.0,
    "max_sequence_length": 77,
    "dtype": "float32",
    "sizes": [
        {"width": 256, "height": 256},
        {"width": 256, "height": 320},
        {"width": 384, "height": 256},
        {"width": 512, "height": 512},
    ],
}


class PackFolderOccupied(DomainError):
    """The folder holds something that is no pack, which is not ours to replace."""

    code = "pack_folder_occupied"


@dataclass(frozen=True)
class Built:
    """The pack and whether it had to be made."""

    pack: manifest.Pack
    was_kept: bool


def build(folder: Path, *, seed: int) -> Built:
    """Make the demo pack in `folder`, or keep the one that is there if every byte is right.

    The pack is made beside and moved into place, so that no reader finds half of one. What it
    replaces is moved away first; a crash in between leaves no pack, and the next build makes it.

    Raises: PackFolderOccupied if the folder holds anything but a pack.
    """
    found = _find_intact(folder, seed)
    if found:
        return Built(found, was_kept=True)
    _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.new")
    try:
        _make(beside, seed)
        _replace(folder, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    pack = _find_intact(folder, seed) or _retell(folder)
    return Built(pack, was_kept=False)


def _find_intact(folder: Path, seed: int) -> manifest.Pack | None:
    """Return the pack in `folder` if it is the wanted one and nothing in it has changed."""
    try:
        pack = manifest.read(folder)
        pack.verify()
    except DomainError:
        return None
    wanted = (pack.name, pack.seed, pack.builder) == (NAME, seed, BUILDER)
    return pack if wanted else None


def _retell(folder: Path) -> manifest.Pack:
    """Raise what is wrong with the pack that another process put there meanwhile."""
    pack = manifest.read(folder)
    pack.verify()
    return pack


def _refuse_foreign(folder: Path) -> None:
    """Refuse to replace a folder that no builder made."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        occupied = True
    else:
        occupied = (
            folder.is_dir()
            and any(folder.iterdir())
            and not (folder / manifest.FILE_NAME).is_file()
            and not (folder / "sd3").is_dir()
        )
    if occupied:
        raise PackFolderOccupied(
            f"'{folder}' holds something that is not a pack. Name an empty or a new folder.",
            folder=str(folder),
        )


def _replace(folder: Path, beside: Path) -> None:
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


def _make(folder: Path, seed: int) -> None:
    """Save the three models, their cards and the manifest."""
    runtime.prepare_process()
    folder.mkdir(parents=True)
    digests = {
        name: _make_model(folder / name, save, seed)
        for name, save in (
            ("sd3", models.save_sd3),
            ("clip", models.save_clip),
            ("safety", models.save_safety),
        )
    }
    manifest.write(
        folder,
        {
            "schema": manifest.SCHEMA,
            "name": NAME,
            "seed": seed,
            "builder": BUILDER,
            "calibrated": False,
            "model": {
                "folder": "sd3",
                "snapshot_sha256": digests["sd3"],
                "pipeline": "StableDiffusion3Pipeline",
                "family": "sd3",
                "licence": LICENCE,
                "defaults": _DEFAULTS,
            },
            "scorers": [
                {
                    "kind": "safety",
                    "folder": "safety",
                    "snapshot_sha256": digests["safety"],
                    "licence": LICENCE,
                    "settings": {"unsafe_labels": ["restricted"]},
                },
                {
                    "kind": "prompt_match",
                    "folder": "clip",
                    "snapshot_sha256": digests["clip"],
                    "licence": LICENCE,
                    "settings": {},
                },
            ],
        },
    )


def _make_model(folder: Path, save: Callable[[Path, int], None], seed: int) -> str:
    """Save one model with its card and return its folder's digest."""
    save(folder, seed)
    (folder / "README.md").write_text(cards.write(folder.name, seed, LICENCE), encoding="utf-8")
    return snapshot.digest_folder(folder).sha256
