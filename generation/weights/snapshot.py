"""The digest of a model folder: nothing is loaded whose bytes were not hashed, listed and inert."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import DomainError

# Formats that hold numbers or text and cannot run code when they are read.
INERT_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja", ".md"})

# Formats that are pickles or archives of them: reading one can run code.
_PICKLES = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})

# With these keys a configuration names modules to import.
_CODE_KEYS = frozenset({"auto_map", "custom_pipeline", "custom_pipelines"})


class SnapshotMissing(DomainError):
    """The model folder does not exist, is empty or cannot be read."""

    code = "snapshot_missing"


class SnapshotChanged(DomainError):
    """The model folder no longer holds the bytes that were approved."""

    code = "snapshot_changed"


class UnsafeSnapshot(DomainError):
    """The model folder holds something that could run code or point outside of itself."""

    code = "unsafe_snapshot"


@dataclass(frozen=True)
class FileDigest:
    """One file of a snapshot: `path` is relative with forward slashes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Snapshot:
    """The files of one model folder, sorted by path, and the digest of that list."""

    files: tuple[FileDigest, ...]
    sha256: str

    @property
    def size_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(file.size for file in self.files)


def digest_folder(folder: Path) -> Snapshot:
    """Hash every file of a model folder and the list of them.

    The folder's digest is the SHA-256 of the canonical JSON of `{"files": [{path, sha256, size}]}`,
    sorted by path, so it can be computed again with standard tools.

    Raises: SnapshotMissing if there is nothing to read; UnsafeSnapshot if a file is not inert.
    """
    files = tuple(
        FileDigest(path=name, size=path.stat().st_size, sha256=_sha256(path))
        for name, path in _inert_files(folder)
    )
    listing = [{"path": f.path, "sha256": f.sha256, "size": f.size} for f in files]
    return Snapshot(files=files, sha256=sha256_hex(canonical_json({"files": listing})))


def verify(folder: Path, sha256: str) -> Snapshot:
    """Hash a model folder and insist that it is the one that was approved.

    Raises: SnapshotChanged if the digest differs from `sha256`.
    """
    snapshot = digest_folder(folder)
    if snapshot.sha256 != sha256:
        raise SnapshotChanged(
            f"The model folder '{folder}' has changed since it was approved: its files now have "
            f"the digest {snapshot.sha256[:12]}…, the approved one is {sha256[:12]}…. Restore the "
            "approved files, or propose the new ones for approval.",
            folder=str(folder),
            expected=sha256,
            found=snapshot.sha256,
        )
    return snapshot


def fingerprint(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return name, size, change time and inode of every file, without reading the bytes.

    Taken before hashing and again after loading, two equal values mean that the bytes that were
    loaded are the bytes that were hashed, short of an attacker who sets the machine's clock.
    """
    facts = []
    for name, path in _inert_files(folder):
        stat = path.stat()
        facts.append((name, stat.st_size, stat.st_ctime_ns, stat.st_ino))
    return tuple(facts)


def _inert_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file by relative name in sorted order, refusing what is not inert."""
    if not folder.is_dir():
        raise SnapshotMissing(
            f"The model folder '{folder}' does not exist or is not a folder. Put the model files "
            "there, or correct the folder in the model profile.",
            folder=str(folder),
        )
    found: dict[str, Path] = {}
    for root, folders, names in os.walk(folder, onerror=_raise_unreadable, followlinks=False):
        for name in (*folders, *names):
            path = Path(root, name)
            _refuse_link(path, folder)
        for name in names:
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            _refuse_active(path, relative, folder)
            found[relative] = path
    if not found:
        raise SnapshotMissing(
            f"The model folder '{folder}' is empty. Put the model files there again.",
            folder=str(folder),
        )
    yield from sorted(found.items())


def _raise_unreadable(error: OSError) -> None:
    """Turn a folder that cannot be listed into a refusal, as `os.walk` would skip it silently."""
    raise SnapshotMissing(
        f"The model folder '{error.filename}' cannot be read: {error.strerror}.",
        folder=str(error.filename),
    ) from error


def _refuse_link(path: Path, folder: Path) -> None:
    """Refuse a symbolic link, as its target may lie outside and change unseen."""
    if path.is_symlink():
        raise UnsafeSnapshot(
            f"The model folder '{folder}' holds the symbolic link "
            f"'{path.relative_to(folder).as_posix()}'. Copy the real files instead of linking "
            "them.",
            folder=str(folder),
            path=path.relative_to(folder).as_posix(),
        )


def _refuse_active(path: Path, relative: str, folder: Path) -> None:
    """Refuse whatever is no plain file in an inert format, and configurations that name code."""
    if not path.is_file() or path.suffix.lower() not in INERT_SUFFIXES:
        raise UnsafeSnapshot(
            f"The model folder '{folder}' holds '{relative}', which is not allowed: a model "
            f"consists of {_list_suffixes()} files only. {_remedy(path)}",
            folder=str(folder),
            path=relative,
        )
    if path.suffix.lower() == ".json":
        reference = _code_reference(_read_json(path, relative, folder))
        if reference:
            raise UnsafeSnapshot(
                f"The file '{relative}' in the model folder '{folder}' asks for code from "
                f"elsewhere ('{reference}'). Such a model is not run.",
                folder=str(folder),
                path=relative,
            )


def _read_json(path: Path, relative: str, folder: Path) -> object:
    """Parse a configuration, which must be JSON because the loading code will read it as such."""
    try:
        parsed: object = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UnsafeSnapshot(
            f"The file '{relative}' in the model folder '{folder}' is not valid JSON. Copy the "
            "model files again.",
            folder=str(folder),
            path=relative,
        ) from error
    return parsed


def _code_reference(config: object) -> str | None:
    """Return the key with which a configuration would make the loading code fetch more code.

    An attention implementation with a slash is a repository of kernels. A vocabulary may hold such
    a word as a token, whose value is a number. Any depth, so that nesting hides nothing.

    >>> _code_reference({"auto_map": {"AutoModel": "modeling.Evil"}})
    'auto_map'
    >>> _code_reference({"text": {"_attn_implementation": "someone/kernels"}})
    '_attn_implementation'
    >>> _code_reference({"_attn_implementation": "sdpa", "vocab": {"auto_map": 5}}) is None
    True
    """
    waiting: list[object] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            for key, inner in value.items():
                if key in _CODE_KEYS and inner and not isinstance(inner, int | float):
                    return str(key)
                if "attn_implementation" in key and "/" in str(inner):
                    return str(key)
    return None


def _remedy(path: Path) -> str:
    """Say what to do about a file that is not allowed.

    >>> _remedy(Path("setup.py"))
    'Remove it and propose the model again.'
    """
    if path.suffix.lower() not in _PICKLES:
        return "Remove it and propose the model again."
    return (
        "Reading it could run code. If a .safetensors file with the same weights lies beside it, "
        "remove it; else convert it on a machine of its own, with torch.load(file, "
        "weights_only=True) and safetensors.torch.save_file, and propose the model again."
    )


def _list_suffixes() -> str:
    """Return the allowed suffixes as text for a sentence."""
    *most, last = sorted(INERT_SUFFIXES)
    return f"{', '.join(most)} and {last}"


def _sha256(path: Path) -> str:
    """Hash one file without holding it in memory."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
