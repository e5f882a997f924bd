"""The checkpoint key: made once, with the memory that its signer refuses to contradict."""

import json
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.ledger.errors import (
    CheckpointKeyExists,
    CheckpointKeyMissing,
    CheckpointKeyUnsafe,
)
from governance.ledger.notes import VerifierKey, checked_name

KEY_FILE = "checkpoint.key"
PUBLIC_FILE = "checkpoint.pub"
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
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_whole(folder / KEY_FILE, pem, mode=0o600)
    write_whole(
        folder / MEMORY_FILE,
        json.dumps({"origin": origin, "size": 0, "note": None}).encode(),
        mode=0o600,
    )
    write_whole(folder / PUBLIC_FILE, f"{key}\n".encode(), mode=0o644)
    return key


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
    try:
        private = serialization.load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError) as error:
        raise CheckpointKeyUnsafe(f"{path.name} is not a PEM private key.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise CheckpointKeyUnsafe(f"{path.name} is not an Ed25519 key.")
    return private


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a crash leaves the old one or the new one, on disk, never a torn one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
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
