"""The checkpoint keys: made once, with the memory that their signer refuses to contradict.

Ed25519 is the log's key; the ML-DSA-44 key beside it is made where the machine can, and signs the
same checkpoints against the day when the first kind is broken.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from governance.ledger.errors import (
    CheckpointKeyExists,
    CheckpointKeyMissing,
    CheckpointKeyUnsafe,
)
from governance.ledger.notes import SigningKey, VerifierKey, checked_name, cosigner_key

KEY_FILE = "checkpoint.key"
PUBLIC_FILE = "checkpoint.pub"
SECOND_KEY_FILE = "checkpoint.mldsa.key"
SECOND_PUBLIC_FILE = "checkpoint.mldsa.pub"
MEMORY_FILE = "checkpoint.memory"
OTHERS = 0o077


def make_checkpoint_key(folder: Path, origin: str) -> VerifierKey:
    """Make the key of the log `origin`: the key and an empty memory (0600), and the public line.

    Raises: CheckpointKeyExists, and changes nothing, if any of the three is there already.
    """
    checked_name(origin)
    folder.mkdir(parents=True, exist_ok=True)
    if any((folder / name).exists() for name in (KEY_FILE, PUBLIC_FILE, MEMORY_FILE)):
        raise CheckpointKeyExists("There is a checkpoint key in this folder already.")
    private = Ed25519PrivateKey.generate()
    key = VerifierKey(origin, private.public_key().public_bytes_raw())
    write_whole(folder / KEY_FILE, private_pem(private), mode=0o600)
    write_whole(
        folder / MEMORY_FILE,
        json.dumps({"origin": origin, "size": 0, "note": None}).encode(),
        mode=0o600,
    )
    write_whole(folder / PUBLIC_FILE, f"{key}\n".encode(), mode=0o644)
    return key


def make_second_key(folder: Path, origin: str) -> VerifierKey | None:
    """Make the ML-DSA-44 key beside the first one; None where this machine knows no ML-DSA.

    Raises: CheckpointKeyExists, and changes nothing, if it is there already.
    """
    if any((folder / name).exists() for name in (SECOND_KEY_FILE, SECOND_PUBLIC_FILE)):
        raise CheckpointKeyExists("There is an ML-DSA checkpoint key in this folder already.")
    private = generate_second()
    if private is None:
        return None
    key = cosigner_key(origin, private)
    write_whole(folder / SECOND_KEY_FILE, private_pem(private), mode=0o600)
    write_whole(folder / SECOND_PUBLIC_FILE, f"{key}\n".encode(), mode=0o644)
    return key


def generate_second() -> MLDSA44PrivateKey | None:
    """Generate an ML-DSA-44 key; None where this machine knows no ML-DSA."""
    try:
        return MLDSA44PrivateKey.generate()
    except UnsupportedAlgorithm:
        return None


def private_pem(private: SigningKey) -> bytes:
    """Write a private key as PEM (PKCS 8), unencrypted: the file's rights protect it."""
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_private(path: Path) -> bytes:
    """Read a file that only its owner may reach.

    Raises: CheckpointKeyMissing, CheckpointKeyUnsafe.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise CheckpointKeyMissing(f"{path.name} cannot be read.") from error
    if mode & OTHERS:
        raise CheckpointKeyUnsafe(f"Others can reach {path.name}; set its permissions to 0600.")
    return content


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Load the signing key. Raises: CheckpointKeyMissing, CheckpointKeyUnsafe."""
    private = _load(path)
    if not isinstance(private, Ed25519PrivateKey):
        raise CheckpointKeyUnsafe(f"{path.name} is not an Ed25519 key.")
    return private


def find_second_key(path: Path) -> MLDSA44PrivateKey | None:
    """Load the ML-DSA-44 key; None if there is none. Raises: as `load_private_key`."""
    if not path.exists():
        return None
    private = _load(path)
    if not isinstance(private, MLDSA44PrivateKey):
        raise CheckpointKeyUnsafe(f"{path.name} is not an ML-DSA-44 key.")
    return private


def write_whole(path: Path, content: bytes | Iterable[bytes], *, mode: int = 0o644) -> None:
    """Write a file so that a crash leaves the old one or the new one, on disk, never a torn one.

    `content` may be pieces, written as they come.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _load(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CheckpointKeyUnsafe(f"{path.name} is not a PEM private key.") from error
