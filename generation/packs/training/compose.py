"""Writes the shipped demo pack: the trained folders, their cards and the manifest."""

import json
import shutil
from pathlib import Path
from typing import Any

from generation.packs import manifest, placing
from generation.packs.training import assemble, trained_cards
from generation.weights import runtime, snapshot

NAME = "imprimatur-demo"
# Raised when the world or the shapes change, so that an installed older pack is replaced.
BUILDER = 2
LICENCE = "CC0-1.0"
FAMILY = "sd3"
_DEFAULTS = {
    "steps": 12,
    "guidance": 3.0,
    # The third encoder's embeddings are zeros; the model was trained with one of them.
    "max_sequence_length": 1,
    "dtype": "float32",
    "sizes": [{"width": 128, "height": 128}],
}
_SCORERS = ("aesthetic", "clip", "safety")
_ADAPTERS = (
    ("lora", "lora-brand-look", "brand-look", "Brand look"),
    ("controlnet", "controlnet-edges", "outlines", "Outlines"),
)


def compose(work: Path, folder: Path, seed: int) -> manifest.Pack:
    """Put the image model of `work` into `folder`, beside the parts that are there already.

    `work/figures.md`, which the benchmark writes, becomes a part of the model's card. The new pack
    is made beside and takes the old one's place in one move.
    """
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    for name in (*_SCORERS, *(name for _, name, _, _ in _ADAPTERS)):
        if (folder / name).is_dir():
            shutil.copytree(folder / name, beside / name)
    model = beside / FAMILY
    assemble.save_pipeline(work, model)
    trained_cards.place(model, trained_cards.write_model(_read_training(work), LICENCE))
    list_parts(beside, seed)
    placing.replace(folder, beside)
    return manifest.read(folder)


def list_parts(folder: Path, seed: int) -> manifest.Pack:
    """Write the manifest of the parts that are in `folder`, with the digest of each."""
    model = folder / FAMILY
    adapters = [
        {
            "kind": kind,
            "slug": slug,
            "name": title,
            "folder": name,
            "snapshot_sha256": snapshot.digest_folder(folder / name).sha256,
            "family": FAMILY,
            "licence": LICENCE,
            "trigger_words": [],
        }
        for kind, name, slug, title in _ADAPTERS
        if (folder / name).is_dir()
    ]
    manifest.write(
        folder,
        {
            "schema": manifest.SCHEMA,
            "name": NAME,
            "seed": seed,
            "builder": BUILDER,
            "calibrated": True,
            "model": {
                "folder": FAMILY,
                "snapshot_sha256": snapshot.digest_folder(model).sha256,
                "pipeline": "StableDiffusion3Pipeline",
                "family": FAMILY,
                "licence": LICENCE,
                "defaults": _DEFAULTS,
            },
            "adapters": adapters,
            "scorers": _list_scorers(folder),
        },
    )
    pack = manifest.read(folder)
    pack.verify()
    return pack


def _list_scorers(folder: Path) -> list[dict[str, Any]]:
    """Return the manifest's entries of the trained scorers in the pack's folder."""
    digests = {name: snapshot.digest_folder(folder / name).sha256 for name in _SCORERS}
    entries: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("safety", "safety", {"unsafe_labels": ["restricted"]}),
        ("prompt_match", "clip", {}),
        # In this world a picture shows no badge unless its words ask for one.
        ("concepts", "clip", {"neutral": ["a picture without a badge", "no badge"]}),
        ("aesthetic", "aesthetic", {}),
    )
    return [
        {
            "kind": kind,
            "folder": name,
            "snapshot_sha256": digests[name],
            "licence": LICENCE,
            "settings": settings,
        }
        for kind, name, settings in entries
    ]


def _read_training(work: Path) -> dict[str, Any]:
    """Read what the cards tell of the training: how much of it there was, and what came of it."""
    curve = (work / "transformer" / "curve.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(curve[-1])
    figures = work / "figures.md"
    return {
        "images": last["images"],
        "steps": last["step"],
        "minutes": round(last["seconds"] / 60),
        "seen": "\n".join(_pick_points([json.loads(line) for line in curve])),
        "torch": runtime.describe_process()["library.torch"],
        "figures": figures.read_text(encoding="utf-8") if figures.exists() else "Not measured yet.",
    }


def _pick_points(curve: list[dict[str, Any]], count: int = 6) -> list[str]:
    """Return rows of a table of the loss, evenly spread over the training."""
    chosen = [curve[(index + 1) * len(curve) // count - 1] for index in range(count)]
    return [f"| {point['images']} | {point['loss']:.3f} |" for point in chosen]
