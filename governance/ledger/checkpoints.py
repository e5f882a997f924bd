"""The checkpoint signer: it signs only what extends its own last signature, kept in its own file.

The memory is written before the signature is given away, so that a crash can lose a checkpoint but
never lead to two that contradict each other. The database cannot talk the signer out of it.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from governance.ledger import keys, merkle, notes
from governance.ledger.errors import (
    CheckpointKeyUnsafe,
    LogForked,
    LogRolledBack,
    MalformedNote,
    SignatureInvalid,
)
from governance.ledger.notes import TreeHead, VerifierKey

# Gives the consistency path from an older size to a newer one.
Consistency = Callable[[int, int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that was signed: what it says and its note."""

    head: TreeHead
    note: str


class CheckpointSigner:
    """Signs tree heads with its key or keys, and remembers the last one on disk.

    Holds the keys, so it lives with the relay: neither web nor worker has a reason to make one.
    `second` is the ML-DSA-44 key, where there is one; old notes without its signature stay valid.
    """

    def __init__(
        self,
        private: Ed25519PrivateKey,
        memory_file: Path,
        second: MLDSA44PrivateKey | None = None,
    ) -> None:
        self._private = private
        self._second = second
        self._memory_file = memory_file
        self.key = VerifierKey(self._origin(), private.public_key().public_bytes_raw())
        self.last()

    @classmethod
    def load(cls, folder: Path) -> "CheckpointSigner":
        """Load keys and memory. Raises: CheckpointKeyMissing, CheckpointKeyUnsafe."""
        return cls(
            keys.load_private_key(folder / keys.KEY_FILE),
            folder / keys.MEMORY_FILE,
            keys.find_second_key(folder / keys.SECOND_KEY_FILE),
        )

    @property
    def signs_twice(self) -> bool:
        """Tell whether checkpoints also carry an ML-DSA-44 signature."""
        return self._second is not None

    def last(self) -> Signed | None:
        """Return what was signed last, read from the memory and verified."""
        note = self._memory()["note"]
        if note is None:
            return None
        try:
            return Signed(notes.open_checkpoint(note, self.key), note)
        except (MalformedNote, SignatureInvalid) as error:
            raise CheckpointKeyUnsafe(
                "The signer's memory is not of this key; it was altered or belongs to another."
            ) from error

    def sign(self, size: int, root: bytes, consistency: Consistency, *, now: datetime) -> Signed:
        """Sign the tree of `size` leaves if it extends the last one that was signed.

        Raises: LogRolledBack for a smaller tree, LogForked for one with another past.
        """
        with self._alone():
            last = self.last()
            if last is not None:
                confirm_extension(last.head, size, root, consistency)
                if last.head.size == size:
                    return last
            head = TreeHead(self.key.name, size, root)
            signed = Signed(head, self._note(head, now))
            self._remember(signed)
            return signed

    def _note(self, head: TreeHead, now: datetime) -> str:
        note = notes.sign(head, self._private)
        if self._second is None:
            return note
        return note + notes.cosign(head, head.origin, self._second, at_s=int(now.timestamp()))

    def _remember(self, signed: Signed) -> None:
        content = {"origin": self.key.name, "size": signed.head.size, "note": signed.note}
        keys.write_whole(self._memory_file, json.dumps(content).encode(), mode=0o600)

    def _origin(self) -> str:
        try:
            return notes.checked_name(self._memory()["origin"] or "")
        except MalformedNote as error:
            raise CheckpointKeyUnsafe("The signer's memory names no log.") from error

    def _memory(self) -> dict[str, str | None]:
        content = keys.read_private(self._memory_file)
        try:
            memory = json.loads(content)
            known = {"origin": memory["origin"], "note": memory["note"]}
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointKeyUnsafe("The signer's memory is not readable.") from error
        if not isinstance(known["origin"], str) or not isinstance(known["note"], str | None):
            raise CheckpointKeyUnsafe("The signer's memory is not readable.")
        return known

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep a second signer of the same memory waiting."""
        lock = self._memory_file.with_name(f"{self._memory_file.name}.lock")
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def confirm_extension(last: TreeHead, size: int, root: bytes, consistency: Consistency) -> None:
    """Let pass, or raise: the tree of `size` leaves must begin with the one that was signed last.

    Raises: LogRolledBack, LogForked.
    """
    if size < last.size:
        raise LogRolledBack(
            f"The log has {size} entries, but {last.size} were signed before: a backup was "
            "restored or the end was cut off. Nothing is signed until this is cleared up.",
            size=size,
            signed_size=last.size,
        )
    path = () if size == last.size else consistency(last.size, size)
    if not merkle.extends(last.size, size, path, last.root, root):
        raise LogForked(
            f"The log's first {last.size} entries are not those that were signed before. "
            "Nothing is signed until this is cleared up.",
            size=size,
            signed_size=last.size,
        )
