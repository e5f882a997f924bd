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
    not_after: datetime


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

    Raises: AuthorityExists if either folder holds such a key; ValueError if both are one folder.
    """
    if ca_folder is not None and ca_folder.resolve().is_relative_to(folder.resolve()):
        message = "the keys of the authority must not lie in the publisher's folder"
        raise ValueError(message)
    for path in _key_paths(folder, ca_folder):
        if path.exists():
            message = f"A signing authority exists already: {path.name} would be overwritten."
            raise AuthorityExists(message, path=str(path))

    root_key, issuing_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root_name, issuing_name, leaf_name = (
        _name(f"{organization} {role}", organization) for role in ("root", "issuing CA", "publisher")
    )
    not_before = now - _CLOCK_SKEW
    leaf_until = now + timedelta(days=leaf_days)
    root = _authority_certificate(
        root_name, root_key, root_name, root_key, (not_before, now + timedelta(days=ROOT_DAYS)), 1
    )
    issuing = _authority_certificate(
        issuing_name,
        issuing_key,
        root_name,
        root_key,
        (not_before, now + timedelta(days=ISSUING_DAYS)),
        0,
    )
    leaf = _leaf_certificate(
        leaf_name, leaf_key, issuing_name, issuing_key, (min(not_before, leaf_until), leaf_until)
    )

    folder.mkdir(parents=True, exist_ok=True)
    if ca_folder is not None:
        ca_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(ca_folder / ROOT_KEY_NAME, _key_pem(root_key), mode=0o600)
        _write(ca_folder / ISSUING_KEY_NAME, _key_pem(issuing_key), mode=0o600)
    _write(folder / CHAIN_NAME, _pem(leaf) + _pem(issuing), mode=0o644)
    _write(folder / ANCHORS_NAME, _pem(root), mode=0o644)
    # The key comes last: while it is missing, the authority is unfinished and can be made again.
    _write(folder / LEAF_KEY_NAME, _key_pem(leaf_key), mode=0o600)
    return DevelopmentAuthority(folder, ca_folder, leaf.not_valid_after_utc)


def _key_paths(folder: Path, ca_folder: Path | None) -> list[Path]:
    """Return the file whose presence means that the authority is complete."""
    del ca_folder
    return [folder / LEAF_KEY_NAME]


def _name(common: str, organization: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
