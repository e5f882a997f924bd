"""The places and witnesses that the settings name; a setting that is empty names none."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from governance.ledger import notes, stores
from governance.ledger.errors import MalformedNote
from governance.ledger.notes import VerifierKey
from governance.ledger.stores import Access, Store


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """Where a witness answers, and the keys that its cosignatures must be of."""

    url: str
    keys: tuple[VerifierKey, ...]

    @property
    def name(self) -> str:
        """Return the witness's own name."""
        return self.keys[0].name

    @property
    def key_names(self) -> tuple[str, ...]:
        """Return the short names of its keys, as cosignatures are stored."""
        return tuple(key.short for key in self.keys)


def tiles_store() -> Store | None:
    """Return where the log is published as tiles, if anywhere."""
    return _store(settings.LEDGER_TILES_PLACE, settings.LEDGER_TILES_S3)


def anchor_store() -> Store | None:
    """Return where checkpoints are anchored, if anywhere."""
    return _store(settings.LEDGER_ANCHOR_PLACE, settings.LEDGER_ANCHOR_S3)


def events_store() -> Store | None:
    """Return where events are delivered, if anywhere."""
    return _store(settings.LEDGER_EVENTS_PLACE, settings.LEDGER_EVENTS_S3)


def list_witnesses() -> tuple[WitnessAddress, ...]:
    """Return the witnesses, in the order of the settings. Raises: MalformedNote, OSError."""
    return tuple(_witness(given) for given in settings.LEDGER_WITNESSES)


def _store(place: str, access: Mapping[str, str]) -> Store | None:
    return stores.connect(place, Access(**access)) if place else None


def _witness(given: str) -> WitnessAddress:
    url, _, file = given.partition(" ")
    if not url.startswith(("http://", "https://")) or not file.strip():
        raise MalformedNote("LEDGER_WITNESSES names each witness as its address, a space, a file.")
    keys = notes.parse_keys(Path(file.strip()).read_text(encoding="utf-8"))
    if not keys or len({key.name for key in keys}) != 1:
        raise MalformedNote("A witness's file holds the public keys of one witness.")
    return WitnessAddress(url.rstrip("/"), keys)
