"""Who signs manifests: the protocol that a key service can fill, and a key in a private file.

The private key never leaves the signer: the manifest library hands over bytes and gets a signature.
"""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from governance.marking.errors import SignerUnusable

LEAF_KEY_NAME = "leaf.key"
CHAIN_NAME = "chain.pem"
ANCHORS_NAME = "anchors.pem"

_SCALAR_BYTES = 32


class Signer(Protocol):
    """Signs for one leaf certificate on P-256 (ES256)."""

    @property
    def chain_pem(self) -> bytes:
        """Return the certificates in PEM, leaf first, without the root."""

    def sign(self, data: bytes) -> bytes:
        """Sign SHA-256 of `data` by ECDSA: 64 bytes, r then s, big-endian (RFC 7518, 3.4)."""


@dataclass(frozen=True, slots=True)
class FileSigner:
    """Signs with a leaf key that lives in a file which only its owner can read."""

    chain_pem: bytes
    _key: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        """Name the leaf only, so that no log line ever holds the key."""
        leaf = x509.load_pem_x509_certificates(self.chain_pem)[0]
        return f"FileSigner({leaf.subject.rfc4514_string()!r})"

    def sign(self, data: bytes) -> bytes:
        """Sign SHA-256 of `data` by ECDSA: 64 bytes, r then s, big-endian (RFC 7518, 3.4)."""
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big")


def load_signer(folder: Path) -> FileSigner:
    """Load the leaf key and its chain from `folder`.

    Raises: SignerUnusable if a file is missing, the key can be read by others, the key is not the
    leaf's, or the chain is not leaf first (a chain without its issuer signs, but nobody trusts it).
    """
    key_path = folder / LEAF_KEY_NAME
    key_pem = _read_private(key_path)
    chain_pem = _read(folder / CHAIN_NAME)
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
        chain = x509.load_pem_x509_certificates(chain_pem)
    except (ValueError, TypeError) as error:
        message = "The signing key or its certificate chain is not readable PEM."
        raise SignerUnusable(message, path=str(folder)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        message = "The signing key is not an elliptic-curve key on P-256."
        raise SignerUnusable(message, path=str(key_path))
    if chain[0].public_key() != key.public_key():
        message = "The signing key does not belong to the first certificate of the chain."
        raise SignerUnusable(message, path=str(key_path))
    _require_leaf_first(chain)
    return FileSigner(chain_pem=_pem(chain), _key=key)


def load_anchors(folder: Path) -> bytes:
    """Load the root certificates that read-back trusts, in PEM.

    Raises: SignerUnusable if the file is missing or holds no certificate.
    """
    anchors = _read(folder / ANCHORS_NAME)
    try:
        return _pem(x509.load_pem_x509_certificates(anchors))
    except ValueError as error:
        message = "The trust anchors are not readable PEM certificates."
        raise SignerUnusable(message, path=str(folder / ANCHORS_NAME)) from error


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Write certificates alone: what else a PEM file holds is not passed on."""
    pem = serialization.Encoding.PEM
    return b"".join(certificate.public_bytes(pem) for certificate in certificates)


def _require_leaf_first(chain: Sequence[x509.Certificate]) -> None:
    """Refuse a chain in which a certificate is not signed by the next one."""
    if len(chain) < 2:  # noqa: PLR2004 - a leaf and at least its issuer
        message = "The certificate chain lacks the issuer of the signing certificate."
        raise SignerUnusable(message)
    for issued, issuer in pairwise(chain):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            message = "The certificate chain is broken: each certificate must precede its issuer."
            raise SignerUnusable(message, subject=issued.subject.rfc4514_string()) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"The file {path.name} of the signing authority cannot be read."
        raise SignerUnusable(message, path=str(path)) from error


def _read_private(path: Path) -> bytes:
    """Read a key file, after its owner, and nobody else, is seen to hold it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        message = f"The file {path.name} of the signing authority cannot be read."
        raise SignerUnusable(message, path=str(path)) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = f"The signing key {path.name} can be read by others; set its mode to 0600."
        raise SignerUnusable(message, path=str(path), mode=f"{mode:04o}")
    return _read(path)
