"""Makes a pack of random weights from a seed: same seed and libraries, same bytes."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from generation.packs import cards, manifest, placing
from generation.packs.tiny import families, scorers
from generation.weights import runtime, snapshot
from governance.kernel.errors import DomainError

NAME = "imprimatur-demo-uncalibrated"
# Raised when the recipe below changes, so that an older pack is built again.
BUILDER = 3
LICENCE = "CC0-1.0"

_DEFAULTS = {
    "steps": 8,
    "max_sequence_length": 77,
    "dtype": "float32",
    "sizes": [
        {"width": 256, "height": 256},
        {"width": 256, "height": 320},
        {"width": 384, "height": 256},
        {"width": 512, "height": 512},
    ],
}


class UnknownFamily(DomainError):
    """There is no tiny model of this family."""

    code = "unknown_family"


def build(folder: Path, *, seed: int, family: str = "sd3") -> placing.Placed:
    """Make a pack of random weights, or keep the one that is there if every byte is right.

    Raises: UnknownFamily; PackFolderOccupied if the folder holds anything but a pack.
    """
    if family not in families.discover():
        raise UnknownFamily(
            f"There is no tiny model of the family '{family}'. Choose one of "
            f"{', '.join(families.discover())}.",
            family=family,
        )

    def is_same(pack: manifest.Pack) -> bool:
        found = (pack.name, pack.seed, pack.builder, pack.model.family)
        return found == (NAME, seed, BUILDER, family)

    return placing.place(folder, lambda beside: _make(beside, seed, family), is_same)


def _make(folder: Path, seed: int, family: str) -> None:
    """Save the three models, what the image model can wear, their cards and the manifest."""
    runtime.prepare_process()
    folder.mkdir(parents=True)
    made = families.discover()[family]
    digests = {
        name: _make_model(folder / name, save, seed)
        for name, save in (
            (family, made.save),
            ("clip", scorers.save_clip),
            ("safety", scorers.save_safety),
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
                "folder": family,
                "snapshot_sha256": digests[family],
                "pipeline": made.PIPELINE,
                "family": family,
                "licence": LICENCE,
                "defaults": {**_DEFAULTS, "guidance": made.GUIDANCE},
            },
            "adapters": [
                _make_adapter(folder, made, kind, name, seed)
                for kind, name in (("lora", "lora-random"), ("controlnet", "controlnet-random"))
                if hasattr(made, f"save_{kind}")
            ],
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
                {
                    "kind": "concepts",
                    "folder": "clip",
                    "snapshot_sha256": digests["clip"],
                    "licence": LICENCE,
                    "settings": {},
                },
            ],
        },
    )


def _make_adapter(
    folder: Path, made: ModuleType, kind: str, name: str, seed: int
) -> dict[str, Any]:
    """Save one random adapter with its card and return its entry in the manifest."""
    digest = _make_model(folder / name, getattr(made, f"save_{kind}"), seed)
    return {
        "kind": kind,
        "slug": name,
        "name": cards.title(name),
        "folder": name,
        "snapshot_sha256": digest,
        "family": made.FAMILY,
        "licence": LICENCE,
        "trigger_words": [],
    }


def _make_model(folder: Path, save: Callable[[Path, int], None], seed: int) -> str:
    """Save one model with its card and return its folder's digest."""
    save(folder, seed)
    (folder / "README.md").write_text(cards.write(folder.name, seed, LICENCE), encoding="utf-8")
    return snapshot.digest_folder(folder).sha256
