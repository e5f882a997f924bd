"""A development authority for manifests: root, issuing CA and leaf; the CA keys stay elsewhere.

The publisher's folder holds the leaf key, the chain and the anchors; whoever takes it can sign as
this leaf but cannot make another one.
"""

import os
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from governance.kernel.errors import DomainError
from governance.marking.signing import ANCHORS_NAME, CHAIN_NAME, LEAF_KEY_NAME

ROOT_KEY_NAME = "root.key"
ISSUING_KEY_NAME = "issuing.key"

# Without a time-stamp an image reads as invalid once its leaf has expired, so the leaf lives long.
ROOT_DAYS = 3650
ISSUING_DAYS = 1825
LEAF_DAYS = 825

# A verifier whose clock is a little behind still accepts a certificate made a moment ago.
_CLOCK_SKEW = timedelta(minutes=5)


class AuthorityExists(DomainError):
    """A signing authority is there already; replacing it would orphan what it signed."""

    code = "authority_exists"
    status = 409


@dataclass(frozen=True, slots=True)
class DevelopmentAuthority:
    """Where the parts of an authority were written; `ca_folder` is None if its keys are gone."""

    folder: Path
    ca_folder: Path | None
    leaf_not_after: datetime


@dataclass(frozen=True, slots=True)
class _Party:
    """A name and its key pair."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def make_development_authority(
    folder: Path,
    *,
    now: datetime,
    ca_folder: Path | None = None,
    organization: str = "Imprimatur development",
    leaf_days: int = LEAF_DAYS,
) -> DevelopmentAuthority:
    """Make root, issuing CA and leaf, and write what the publisher needs to `folder`.

    The keys of root and issuing CA go to `ca_folder`, or are forgotten when that is None.
    Source: C2PA 2.2, certificate profile (P-256, emailProtection, AKI, digitalSignature only).

    Raises: AuthorityExists if a key would be overwritten; ValueError if `ca_folder` lies within
    `folder`.
    """
    if ca_folder is not None and ca_folder.resolve().is_relative_to(folder.resolve()):
        message = "the keys of the authority must not lie in the publisher's folder"
        raise ValueError(message)
    _refuse_overwriting(folder, ca_folder)

    root = _party("root", organization)
    issuing = _party("issuing CA", organization)
    leaf = _party("publisher", organization)
    root_certificate = _certify_authority(root, root, now=now, days=ROOT_DAYS, path_length=1)
    issuing_certificate = _certify_authority(
        issuing, root, now=now, days=ISSUING_DAYS, path_length=0
    )
    leaf_certificate = _certify_leaf(leaf, issuing, now=now, days=leaf_days)

    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / CHAIN_NAME, _pem(leaf_certificate) + _pem(issuing_certificate), mode=0o644)
    _write(folder / ANCHORS_NAME, _pem(root_certificate), mode=0o644)
    if ca_folder is not None:
        ca_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(ca_folder / ROOT_KEY_NAME, _key_pem(root.key), mode=0o600)
        _write(ca_folder / ISSUING_KEY_NAME, _key_pem(issuing.key), mode=0o600)
    # Last: an authority without its leaf key is unfinished, and no publisher starts with it.
    _write(folder / LEAF_KEY_NAME, _key_pem(leaf.key), mode=0o600)
    return DevelopmentAuthority(folder, ca_folder, leaf_certificate.not_valid_after_utc)


def _refuse_overwriting(folder: Path, ca_folder: Path | None) -> None:
    kept = [folder / LEAF_KEY_NAME]
    if ca_folder is not None:
        kept += [ca_folder / ROOT_KEY_NAME, ca_folder / ISSUING_KEY_NAME]
    for path in kept:
        if path.exists():
            message = f"A signing authority exists already: {path.name} would be overwritten."
            raise AuthorityExists(message, path=str(path))


def _party(role: str, organization: str) -> _Party:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organization} {role}"),
        ]
    )
    return _Party(name, ec.generate_private_key(ec.SECP256R1()))


def _certificate(
    subject: _Party, issuer: _Party, *, now: datetime, days: int
) -> x509.CertificateBuilder:
    """Begin a certificate with the names, keys, key identifiers and times that all of them have."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject.name)
        .issuer_name(issuer.name)
        .public_key(subject.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key()), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
    )


def _certify_authority(
    subject: _Party, issuer: _Party, *, now: datetime, days: int, path_length: int
) -> x509.Certificate:
    return (
        _certificate(subject, issuer, now=now, days=days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(is_authority=True), critical=True)
        .sign(issuer.key, hashes.SHA256())
    )


def _certify_leaf(subject: _Party, issuer: _Party, *, now: datetime, days: int) -> x509.Certificate:
    return (
        _certificate(subject, issuer, now=now, days=days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .sign(issuer.key, hashes.SHA256())
    )


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    """Let an authority sign certificates, and a leaf sign data, never both."""
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Write `data` whole or not at all; the file never exists with a wider mode than `mode`."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
