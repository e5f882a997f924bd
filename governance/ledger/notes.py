"""C2SP signed notes, checkpoints, cosignatures and tlog-proofs: text in, text out, byte for byte.

Source: C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof. A log signs with Ed25519
(type 0x01) and, beside it, ML-DSA-44 (0x06); a witness with Ed25519 (0x04), ML-DSA-44 or both.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from governance.ledger.errors import MalformedNote, SignatureInvalid

ED25519 = b"\x01"
ED25519_COSIGNATURE = b"\x04"
ML_DSA_44 = b"\x06"
KEY_BYTES = {ED25519: 32, ED25519_COSIGNATURE: 32, ML_DSA_44: 1312}
SUBTREE_LABEL = b"subtree/v1\n\0"
HASH_BYTES = 32
KEY_ID_BYTES = 4
TIME_BYTES = 8
MAX_NOTE_CHARACTERS = 100_000
MAX_SIGNATURES = 16
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,200}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")

SigningKey = Ed25519PrivateKey | MLDSA44PrivateKey


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name of the log or witness it speaks for; `kind` is its C2SP type."""

    name: str
    public: bytes
    kind: bytes = ED25519

    @property
    def id(self) -> bytes:
        """Return the four bytes that stand before each of this key's signatures."""
        named = self.name.encode() + b"\n" + self.kind + self.public
        return hashlib.sha256(named).digest()[:KEY_ID_BYTES]

    @property
    def short(self) -> str:
        """Return the key's name and id, which tell it from every other on a note."""
        return f"{self.name}+{self.id.hex()}"

    def __str__(self) -> str:
        """Write the key as a C2SP vkey line."""
        return f"{self.short}+{base64.b64encode(self.kind + self.public).decode()}"

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
        kind, public = raw[:1], raw[1:]
        if len(public) != KEY_BYTES.get(kind):
            raise MalformedNote("The verifier key is neither an Ed25519 nor an ML-DSA-44 key.")
        key = cls(checked_name(name), public, kind)
        if key.id.hex() != key_id:
            raise MalformedNote("The verifier key's id does not belong to its name and bytes.")
        return key


def parse_keys(text: str) -> tuple[VerifierKey, ...]:
    """Read vkey lines, one key a line. Raises: MalformedNote."""
    return tuple(VerifierKey.parse(line) for line in text.splitlines() if line.strip())


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
    return f"{text}\n{_line(key, private.sign(text.encode()))}"


def cosigner_key(name: str, private: SigningKey) -> VerifierKey:
    """Return the public key under which `cosign` signs."""
    kind = ML_DSA_44 if isinstance(private, MLDSA44PrivateKey) else ED25519_COSIGNATURE
    return VerifierKey(checked_name(name), private.public_key().public_bytes_raw(), kind)


def cosign(head: TreeHead, name: str, private: SigningKey, *, at_s: int) -> str:
    """Return a cosignature line: at `at_s` (Unix seconds) this was the largest tree seen."""
    key = cosigner_key(name, private)
    made = private.sign(_cosigned(head.text(), head, key, at_s))
    return _line(key, at_s.to_bytes(TIME_BYTES, "big") + made)


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
    _confirm_signed(text, head, signatures, key)
    return head


def confirm_cosigned(note: str, key: VerifierKey) -> None:
    """Let pass, or raise: the checkpoint carries a cosignature of `key` that verifies.

    Raises: MalformedNote, SignatureInvalid.
    """
    text, signatures = _parts(note)
    _confirm_signed(text, _tree_head(text), signatures, key)


def signature_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a witness's answer, each of the form of a signature.

    Raises: MalformedNote.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(text) > MAX_NOTE_CHARACTERS or len(lines) > MAX_SIGNATURES:
        raise MalformedNote("The answer carries too many signatures.")
    for line in lines:
        _signature(line)
    return tuple(f"{line}\n" for line in lines)


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


def _line(key: VerifierKey, signature: bytes) -> str:
    return f"— {key.name} {base64.b64encode(key.id + signature).decode()}\n"


def _cosigned(text: str, head: TreeHead, key: VerifierKey, at_s: int) -> bytes:
    """Return the bytes that a cosigner signs, of either kind (C2SP tlog-cosignature)."""
    if key.kind == ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {at_s}\n{text}".encode()
    name, origin = key.name.encode(), head.origin.encode()
    if max(len(name), len(origin)) > 255:  # noqa: PLR2004 (a length of one byte)
        raise MalformedNote("The name of a log or witness has 255 bytes at most.")
    return b"".join(
        [
            SUBTREE_LABEL,
            bytes([len(name)]) + name,
            at_s.to_bytes(TIME_BYTES, "big"),
            bytes([len(origin)]) + origin,
            bytes(TIME_BYTES),  # the tree starts at leaf 0
            head.size.to_bytes(8, "big"),
            head.root,
        ]
    )


def _confirm_signed(
    text: str, head: TreeHead, signatures: list[tuple[str, bytes, bytes]], key: VerifierKey
) -> None:
    found = [made for name, key_id, made in signatures if (name, key_id) == (key.name, key.id)]
    if not found:
        raise SignatureInvalid(f"The checkpoint carries no signature of {key.name}.")
    for made in found:
        try:
            _verify(text, head, made, key)
        except (InvalidSignature, ValueError) as error:
            raise SignatureInvalid(f"The signature of {key.name} does not verify.") from error
        except UnsupportedAlgorithm as error:
            raise SignatureInvalid("This machine cannot verify ML-DSA-44 signatures.") from error


def _verify(text: str, head: TreeHead, made: bytes, key: VerifierKey) -> None:
    if key.kind == ED25519:
        Ed25519PublicKey.from_public_bytes(key.public).verify(made, text.encode())
        return
    at_s, signature = int.from_bytes(made[:TIME_BYTES], "big"), made[TIME_BYTES:]
    message = _cosigned(text, head, key, at_s)
    if key.kind == ML_DSA_44:
        MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
    else:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)


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
