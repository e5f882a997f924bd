"""Content-addressed bytes: under a sha256 lie the bytes that hash to it, checked on every read."""

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.utils.translation import gettext as _

from governance.kernel.digests import sha256_hex
from governance.kernel.errors import DomainError


class BlobMissing(DomainError):
    """The store has no bytes under this digest."""

    code = "blob_missing"
    status = 409


class BlobCorrupt(DomainError):
    """The store's bytes are not the ones that the digest names."""

    code = "blob_corrupt"
    status = 409


def put(data: bytes) -> str:
    """Store `data` under its sha256, once, and return the digest.

    Raises: BlobCorrupt if it reads back wrong.
    """
    sha256 = sha256_hex(data)
    store, name = _store(), _name(sha256)
    # Asked once: what another writer put there meanwhile must not be taken for something torn.
    if store.exists(name):
        if _read(store, name) == data:
            return sha256
        # Torn by a crash in a store without whole writes: these bytes are the right ones.
        store.delete(name)
    store.save(name, ContentFile(data))
    get(sha256)
    return sha256


def get(sha256: str) -> bytes:
    """Return the bytes. Raises: BlobMissing; BlobCorrupt if they do not hash to `sha256`."""
    store, name = _store(), _name(sha256)
    if not store.exists(name):
        raise BlobMissing(_("The image's bytes are missing from the store."), sha256=sha256)
    data = _read(store, name)
    if sha256_hex(data) != sha256:
        raise BlobCorrupt(_("The image's bytes in the store have changed."), sha256=sha256)
    return data


def _read(store: Storage, name: str) -> bytes:
    with store.open(name, "rb") as file:
        return bytes(file.read())


def _store() -> Storage:
    return storages["blobs"]


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"
