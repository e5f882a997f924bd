"""The bytes of sealed text: version, key id, nonce, AES-256-GCM; altered bytes never open.

The associated data binds the purpose, the person and the key, so that a sealed text cannot be
moved to another column or claimed for somebody else.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.sealing.errors import SealBroken

VERSION = 1
KEY_BYTES = 32
KEY_ID_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
MIN_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed text taken apart; nothing in it is readable without the key it names."""

    key_id: UUID
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def parse(cls, sealed: bytes) -> "Envelope":
        """Take sealed bytes apart. Raises: SealBroken."""
        if not is_sealed(sealed):
            raise SealBroken("The stored text is not in the sealed form.")
        key_end = 1 + KEY_ID_BYTES
        nonce_end = key_end + NONCE_BYTES
        return cls(UUID(bytes=sealed[1:key_end]), sealed[key_end:nonce_end], sealed[nonce_end:])

    def to_bytes(self) -> bytes:
        """Write the envelope in its stored form."""
        return bytes([VERSION]) + self.key_id.bytes + self.nonce + self.ciphertext


def is_sealed(value: bytes) -> bool:
    """Tell whether `value` has the form of sealed text.

    >>> is_sealed(b"Jane Doe"), is_sealed(bytes([1]) + bytes(44))
    (False, True)
    """
    return len(value) >= MIN_BYTES and value[0] == VERSION


def seal_text(key: bytes, *, key_id: UUID, person_id: UUID, purpose: str, text: str) -> bytes:
    """Seal `text` under `key`, bound to whose it is and what for."""
    nonce = os.urandom(NONCE_BYTES)
    bound = _associated(purpose, person_id, key_id)
    return Envelope(key_id, nonce, AESGCM(key).encrypt(nonce, text.encode(), bound)).to_bytes()


def open_text(key: bytes, envelope: Envelope, *, person_id: UUID, purpose: str) -> str:
    """Open an envelope. Raises: SealBroken if a bit of it, its purpose or its person differs."""
    bound = _associated(purpose, person_id, envelope.key_id)
    try:
        return AESGCM(key).decrypt(envelope.nonce, envelope.ciphertext, bound).decode()
    except InvalidTag as error:
        raise SealBroken(
            "The sealed text was altered, or it was sealed for something else."
        ) from error


def digest_text(key: bytes, *, purpose: str, text: str) -> str:
    """Return 64 hex digits that equal texts share under one key, and tell nothing without it."""
    own = HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"imprimatur digest").derive(key)
    return hmac.new(own, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()


def wrap_key(installation_key: bytes, key: bytes, *, key_id: UUID, person_id: UUID) -> bytes:
    """Encrypt a person's key under the installation's, bound to both ids."""
    nonce = os.urandom(NONCE_BYTES)
    bound = _associated("wrapped key", person_id, key_id)
    return nonce + AESGCM(installation_key).encrypt(nonce, key, bound)


def unwrap_key(installation_key: bytes, wrapped: bytes, *, key_id: UUID, person_id: UUID) -> bytes:
    """Decrypt a person's key. Raises: SealBroken under another installation's key."""
    bound = _associated("wrapped key", person_id, key_id)
    try:
        return AESGCM(installation_key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError) as error:
        raise SealBroken(
            "The person's key does not open under this installation's sealing key."
        ) from error


def _associated(purpose: str, person_id: UUID, key_id: UUID) -> bytes:
    return b"imprimatur sealed v1\x00" + person_id.bytes + key_id.bytes + purpose.encode()
