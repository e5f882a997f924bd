"""The installation's sealing key, one file of 32 raw bytes that only its owner may read."""

import os
from pathlib import Path

from governance.sealing.envelopes import KEY_BYTES
from governance.sealing.errors import KeyExists, KeyMissing, KeyUnsafe

OTHERS = 0o077


def make_sealing_key(path: Path) -> None:
    """Write a new sealing key (0600). Raises: KeyExists, and leaves the present one alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyExists("There is a sealing key already; it is not replaced.") from error
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())


def read_sealing_key(path: Path) -> bytes:
    """Read the sealing key. Raises: KeyMissing, KeyUnsafe."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise KeyMissing(
            "The sealing key cannot be read. SEALING_KEY_FILE must name a file of 32 random bytes."
        ) from error
    if mode & OTHERS:
        raise KeyUnsafe("Others can reach the sealing key; set its permissions to 0600.")
    if len(key) != KEY_BYTES:
        raise KeyUnsafe("The sealing key must have exactly 32 bytes.")
    return key
