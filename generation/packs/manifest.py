"""The pack's manifest: which folders it has, their digests, and how they are meant to be run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.scoring.protocol import ScorerEntry
from generation.weights import snapshot
from governance.kernel.digests import is_sha256
from governance.kernel.errors import DomainError

FILE_NAME = "pack.json"
SCHEMA = 1
ADAPTER_KINDS = ("lora", "controlnet")


class PackUnreadable(DomainError):
    """There is no pack in the folder, or its manifest is not one that this release reads."""

    code = "pack_unreadable"


@dataclass(frozen=True)
class Size:
    """A width and a height that the pack's model was made for."""

    width: int
    height: int


@dataclass(frozen=True)
class Defaults:
    """How a model is run unless the order says otherwise; the first size is the default one."""

    steps: int
    guidance: float
    max_sequence_length: int
    dtype: str
    sizes: tuple[Size, ...]


@dataclass(frozen=True)
class PackModel:
    """The image model of a pack."""

    folder: Path
    snapshot_sha256: str
    pipeline: str
    family: str
    licence: str
    defaults: Defaults


@dataclass(frozen=True)
class PackAdapter:
    """A LoRA or ControlNet that the pack's model can wear; `kind` says which."""

    kind: str
    slug: str
    name: str
    folder: Path
    snapshot_sha256: str
    family: str
    licence: str
    trigger_words: tuple[str, ...]

    def list_files(self) -> list[dict[str, str | int]]:
        """Hash its files: path, size and sha256 of each, by path. Raises: SnapshotMissing."""
        found = snapshot.digest_folder(self.folder).files
        return [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in found]


@dataclass(frozen=True)
class Pack:
    """A folder with an image model, the scorers that belong to it, and what the model can wear.

    `calibrated` is False when the scorers' values mean nothing; a policy is advisory then.
    """

    folder: Path
    name: str
    seed: int
    builder: int
    calibrated: bool
    model: PackModel
    scorers: tuple[ScorerEntry, ...]
    adapters: tuple[PackAdapter, ...] = ()

    def verify(self) -> None:
        """Hash every folder again.

        Raises: SnapshotMissing, SnapshotChanged, UnsafeSnapshot.
        """
        snapshot.verify(self.model.folder, self.model.snapshot_sha256)
        for scorer in self.scorers:
            snapshot.verify(scorer.resolve(self.folder), scorer.snapshot_sha256)
        for adapter in self.adapters:
            snapshot.verify(adapter.folder, adapter.snapshot_sha256)


def read(folder: Path) -> Pack:
    """Read the manifest of a pack; the files themselves are verified when they are loaded.

    Raises: PackUnreadable.
    """
    path = folder / FILE_NAME
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PackUnreadable(
            f"There is no readable '{FILE_NAME}' in '{folder}'. Build the pack again.",
            folder=str(folder),
        ) from error
    try:
        return _parse(folder, data)
    except (KeyError, TypeError, ValueError) as error:
        raise PackUnreadable(
            f"The manifest '{path}' is not one that this release reads. Build the pack again.",
            folder=str(folder),
            cause=f"{type(error).__name__}: {error}",
        ) from error


def write(folder: Path, data: Mapping[str, Any]) -> None:
    """Write a manifest in one fixed form."""
    text = json.dumps(data, indent=2, sort_keys=True) + "\n"
    (folder / FILE_NAME).write_text(text, encoding="utf-8")


def _parse(folder: Path, data: Mapping[str, Any]) -> Pack:
    """Turn the parsed JSON into a pack; a missing or odd field raises."""
    if data["schema"] != SCHEMA:
        message = f"schema {data['schema']}, not {SCHEMA}"
        raise ValueError(message)
    model, defaults = data["model"], data["model"]["defaults"]
    return Pack(
        folder=folder,
        name=str(data["name"]),
        seed=int(data["seed"]),
        builder=int(data["builder"]),
        calibrated=data["calibrated"] is True,
        model=PackModel(
            folder=_inside(folder, model["folder"]),
            snapshot_sha256=_digest(model["snapshot_sha256"]),
            pipeline=str(model["pipeline"]),
            family=str(model["family"]),
            licence=str(model["licence"]),
            defaults=Defaults(
                steps=int(defaults["steps"]),
                guidance=float(defaults["guidance"]),
                max_sequence_length=int(defaults["max_sequence_length"]),
                dtype=str(defaults["dtype"]),
                sizes=tuple(Size(int(s["width"]), int(s["height"])) for s in defaults["sizes"]),
            ),
        ),
        scorers=tuple(
            ScorerEntry(
                kind=str(scorer["kind"]),
                folder=_inside(folder, scorer["folder"]).relative_to(folder).as_posix(),
                snapshot_sha256=_digest(scorer["snapshot_sha256"]),
                licence=str(scorer["licence"]),
                settings=dict(scorer["settings"]),
            )
            for scorer in data["scorers"]
        ),
        adapters=tuple(_parse_adapter(folder, entry) for entry in data.get("adapters", ())),
    )


def _parse_adapter(folder: Path, entry: Mapping[str, Any]) -> PackAdapter:
    """Read one adapter's entry."""
    if entry["kind"] not in ADAPTER_KINDS:
        message = f"an adapter is one of {', '.join(ADAPTER_KINDS)}, not {entry['kind']!r}"
        raise ValueError(message)
    return PackAdapter(
        kind=str(entry["kind"]),
        slug=str(entry["slug"]),
        name=str(entry["name"]),
        folder=_inside(folder, entry["folder"]),
        snapshot_sha256=_digest(entry["snapshot_sha256"]),
        family=str(entry["family"]),
        licence=str(entry["licence"]),
        trigger_words=tuple(str(word) for word in entry["trigger_words"]),
    )


def _inside(folder: Path, name: object) -> Path:
    """Return a sub-folder by a plain relative name.

    Raises: ValueError if the name leads elsewhere.
    """
    path = Path(str(name))
    if path.is_absolute() or not path.parts or ".." in path.parts:
        message = f"'{name}' is not a folder of the pack"
        raise ValueError(message)
    return folder / path


def _digest(text: object) -> str:
    """Return a SHA-256 in hex, or raise ValueError."""
    if not isinstance(text, str) or not is_sha256(text):
        message = f"{text!r} is not a SHA-256"
        raise ValueError(message)
    return text
