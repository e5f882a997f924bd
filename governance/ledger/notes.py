"""C2SP signed notes, checkpoints, verifier keys and tlog-proofs: text in, text out, byte for byte.

Source: C2SP signed-note, tlog-checkpoint, tlog-proof. Only Ed25519 (signature type 0x01).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from governance.ledger.errors import MalformedNote, SignatureInvalid

ED25519 = b"\x01"
HASH_BYTES = 32
KEY_ID_BYTES = 4
MAX_NOTE_CHARACTERS = 100_000
MAX_SIGNATURES = 16
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,200}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name of the log it speaks for."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the four bytes that stand before each of this key's signatures."""
        named = self.name.encode() + b"\n" + ED25519 + self.public
        return hashlib.sha256(named).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """Write the key as a C2SP vkey line."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a vkey line. Raises: MalformedNote.

        >>> key = VerifierKey("example.org/log", bytes(32))
        >>> VerifierKey.parse(str(key)) == key
        True
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decode(encoded)
        if raw[:1] != ED25519 or len(raw) != 1 + HASH_BYTES:
            raise MalformedNote("The verifier key is not an Ed25519 key.")
        key = cls(checked_name(name), raw[1:])
        if key.id.hex() != key_id:
            raise MalformedNote("The verifier key's id does not belong to its name and bytes.")
        return key


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint says: whose log, how many leaves, which root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Write the note's text.

        >>> print(TreeHead("example.org/log", 7, bytes(32)).text(), end="")
        example.org/log
        7
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
        """
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def checked_name(name: str) -> str:
    """Return `name` if it can name a key and a log. Raises: MalformedNote.

    >>> checked_name("example.org/log")
    'example.org/log'
    """
    if not _NAME.fullmatch(name):
        raise MalformedNote(
            "The name of a log has 1 to 200 characters and neither spaces nor a plus sign.",
            pointer="/origin",
        )
    return name


def sign(head: TreeHead, private: Ed25519PrivateKey) -> str:
    """Sign a tree head as a checkpoint; the key's name is the log's origin."""
    text = head.text()
    key = VerifierKey(checked_name(head.origin), private.public_key().public_bytes_raw())
    signature = base64.b64encode(key.id + private.sign(text.encode())).decode()
    return f"{text}\n— {key.name} {signature}\n"


def open_checkpoint(note: str, key: VerifierKey) -> TreeHead:
    """Verify a checkpoint and return what it says.

    Signatures of unknown keys are passed over; one that claims to be `key`'s must verify.
    Raises: MalformedNote, or SignatureInvalid if none of `key` is there or it does not verify.
    """
    text, signatures = _parts(note)
    head = _tree_head(text)
    if head.origin != key.name:
        raise SignatureInvalid(
            f"The checkpoint is of the log {head.origin}, the key is of {key.name}."
        )
    found = [made for name, key_id, made in signatures if (name, key_id) == (key.name, key.id)]
    if not found:
        raise SignatureInvalid(f"The checkpoint carries no signature of {key.name}.")
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for made in found:
        try:
            public.verify(made, text.encode())
        except InvalidSignature as error:
            raise SignatureInvalid(f"The signature of {key.name} does not verify.") from error
    return head


def read_tree_head(note: str) -> TreeHead:
    """Return what a checkpoint claims, unverified. Raises: MalformedNote."""
    return _tree_head(_parts(note)[0])


def proof_text(*, index: int, path: Sequence[bytes], checkpoint: str, entry: bytes) -> str:
    """Write a C2SP tlog-proof; `extra` carries the exact bytes of the entry."""
    lines = [
        "c2sp.org/tlog-proof@v1",
        f"extra {base64.b64encode(entry).decode()}",
        f"index {index}",
        *(base64.b64encode(step).decode() for step in path),
    ]
    return "\n".join(lines) + "\n\n" + checkpoint


def _parts(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    if len(note) > MAX_NOTE_CHARACTERS:
        raise MalformedNote("The note is too long.")
    if any(character < " " and character != "\n" for character in note):
        raise MalformedNote("The note contains control characters.")
    text, blank, block = note.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise MalformedNote("The note has no blank line before its signatures.")
    lines = block.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedNote("The note carries too many signatures.")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = _decode(encoded)
    if dash != "—" or not name or len(raw) <= KEY_ID_BYTES:
        raise MalformedNote("A line below the blank line is not a signature.")
    return name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:]


def _tree_head(text: str) -> TreeHead:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):  # noqa: PLR2004 (origin, size, root)
        raise MalformedNote("A checkpoint has an origin, a size and a root.")
    origin, size, encoded = lines[:3]
    root = _decode(encoded)
    if not _SIZE.fullmatch(size) or len(root) != HASH_BYTES:
        raise MalformedNote("The checkpoint's size or root is malformed.")
    return TreeHead(origin, int(size), root)


def _decode(encoded: str) -> bytes:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedNote("The note contains malformed base64.") from error
    if base64.b64encode(raw).decode() != encoded:
        raise MalformedNote("The note contains base64 that is not in its one canonical form.")
    return raw
