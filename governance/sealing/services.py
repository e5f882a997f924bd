"""Seals personal text under a key per person; destroying the key erases every text under it.

The erasure that people ask for is `governance.ledger.services.erase_person`, and legal holds are
placed and lifted there: the ledger stands above sealing, so each act and its entry are one
transaction there, and nothing else may call `destroy_key`, `hold` or `lift`.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.sealing import envelopes, keys
from governance.sealing.errors import HoldLifted, HoldStands, PersonHeld, SealBroken
from governance.sealing.models import PersonHold, PersonKey
from governance.tables import records


@dataclass(frozen=True, slots=True)
class DestroyedKey:
    """Which key is gone; None where the person had none."""

    person_id: UUID
    key_id: UUID | None


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """A legal hold; `lifted_at` is None while it stands. Its reasons are sealed."""

    id: UUID
    person_id: UUID
    brand_id: UUID
    placed_by: UUID
    created_at: datetime
    reason: bytes
    lifted_at: datetime | None
    lifted_by: UUID | None
    lift_reason: bytes | None


def seal(*, person_id: UUID, text: str, purpose: str) -> bytes:
    """Seal `text` for one column (`purpose`, such as "prompts.variables"); first use makes the key.

    Raises: KeyMissing, KeyUnsafe.
    """
    key_id, key = _key_of(person_id)
    return envelopes.seal_text(key, key_id=key_id, person_id=person_id, purpose=purpose, text=text)


def digest(*, person_id: UUID, text: str, purpose: str) -> str:
    """Return what equal texts of one person have in common, for one column; 64 hex digits.

    It is made with the person's key: once that is destroyed, nobody can tell what it was of.
    Raises: KeyMissing, KeyUnsafe.
    """
    return envelopes.digest_text(_key_of(person_id)[1], purpose=purpose, text=text)


def reveal(*, sealed: bytes, purpose: str) -> str | None:
    """Open sealed text; None once it is erased.

    Raises: SealBroken if it was altered or sealed for another purpose; KeyMissing, KeyUnsafe.
    """
    return reveal_all(sealed=[sealed], purpose=purpose)[0]


def reveal_all(*, sealed: Sequence[bytes], purpose: str) -> list[str | None]:
    """Open many sealed texts of one column in their order, with one query; raises as `reveal`."""
    found = [envelopes.Envelope.parse(bytes(text)) for text in sealed]
    held = PersonKey.objects.in_bulk({envelope.key_id for envelope in found})
    opened = _unwrapped(held.values())
    return [
        _open(envelope, held.get(envelope.key_id), opened.get(envelope.key_id), purpose)
        for envelope in found
    ]


def destroy_key(*, actor: Actor, person_id: UUID, now: datetime) -> DestroyedKey:
    """Destroy the person's live key; called by the ledger's `erase_person`, which records the act.

    A later text of the same person gets a new key. Older copies of the row live on in backups and
    in the database's log until those expire: keep them short.
    Raises: PersonHeld while a legal hold stands, of whichever brand.
    """
    records.wait_for_others(_hold_lock(person_id))
    if PersonHold.objects.filter(person_id=person_id, lifted_at__isnull=True).exists():
        raise PersonHeld(
            _("This person's texts are under a legal hold. They are kept until it is lifted.")
        )
    held = (
        PersonKey.objects.select_for_update()
        .filter(person_id=person_id, destroyed_at__isnull=True)
        .first()
    )
    if held is None:
        return DestroyedKey(person_id, None)
    held.wrapped = None
    held.destroyed_at = now
    held.destroyed_by = actor.id
    held.save(update_fields=["wrapped", "destroyed_at", "destroyed_by"])
    return DestroyedKey(person_id, held.id)


def hold(
    *, actor: Actor, person_id: UUID, brand_id: UUID, reason: bytes, now: datetime
) -> HoldRecord:
    """Place a legal hold; called by the ledger's `hold_person`. Raises: HoldStands."""
    records.wait_for_others(_hold_lock(person_id))
    standing = PersonHold.objects.filter(
        person_id=person_id, brand_id=brand_id, lifted_at__isnull=True
    )
    if standing.exists():
        raise HoldStands(_("This person is under a legal hold of this brand already."))
    made = PersonHold(
        person_id=person_id,
        brand_id=brand_id,
        placed_by=actor.id,
        reason=reason,
        created_at=now,
    )
    made.save(force_insert=True)
    return _hold_record(made)


def lift(*, actor: Actor, hold_id: UUID, reason: bytes, now: datetime) -> HoldRecord:
    """Lift a legal hold; called by the ledger's `lift_hold`. Raises: HoldLifted."""
    standing = PersonHold.objects.filter(id=hold_id, lifted_at__isnull=True)
    if standing.update(lifted_at=now, lifted_by=actor.id, lift_reason=reason) != 1:
        raise HoldLifted(_("This legal hold was lifted before."))
    return _hold_record(PersonHold.objects.get(id=hold_id))


def find_hold(hold_id: UUID) -> HoldRecord | None:
    """Return one legal hold, unscoped; the ledger's selectors say who may see it."""
    found = PersonHold.objects.filter(id=hold_id).first()
    return None if found is None else _hold_record(found)


def list_holds(person_id: UUID) -> tuple[HoldRecord, ...]:
    """Return a person's legal holds, oldest first, unscoped as `find_hold`."""
    return tuple(
        _hold_record(each) for each in PersonHold.objects.filter(person_id=person_id).order_by("id")
    )


def _hold_lock(person_id: UUID) -> str:
    """Return the name under which a person's holds and erasure wait for each other."""
    return f"hold {person_id}"


def _hold_record(row: PersonHold) -> HoldRecord:
    return HoldRecord(
        id=row.id,
        person_id=row.person_id,
        brand_id=row.brand_id,
        placed_by=row.placed_by,
        created_at=row.created_at,
        reason=bytes(row.reason),
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
        lift_reason=None if row.lift_reason is None else bytes(row.lift_reason),
    )


def _key_of(person_id: UUID) -> tuple[UUID, bytes]:
    """Return the person's live key with its id; first use makes it."""
    installation_key = _installation_key()
    held = _live_key(person_id) or _make_key(person_id, installation_key)
    wrapped = bytes(held.wrapped or b"")
    return held.id, envelopes.unwrap_key(
        installation_key, wrapped, key_id=held.id, person_id=person_id
    )


def _open(
    envelope: envelopes.Envelope, held: PersonKey | None, key: bytes | None, purpose: str
) -> str | None:
    if held is None:
        raise SealBroken("The sealed text names a key that this installation never had.")
    if key is None:
        return None
    return envelopes.open_text(key, envelope, person_id=held.person_id, purpose=purpose)


def _unwrapped(held: Iterable[PersonKey]) -> dict[UUID, bytes]:
    """Return the keys that are not destroyed, by id; the installation's key is read once."""
    live = [key for key in held if key.wrapped is not None]
    if not live:
        return {}
    installation_key = _installation_key()
    return {
        key.id: envelopes.unwrap_key(
            installation_key, bytes(key.wrapped or b""), key_id=key.id, person_id=key.person_id
        )
        for key in live
    }


def _installation_key() -> bytes:
    return keys.read_sealing_key(Path(settings.SEALING_KEY_FILE))


def _live_key(person_id: UUID) -> PersonKey | None:
    return PersonKey.objects.filter(person_id=person_id, destroyed_at__isnull=True).first()


def _make_key(person_id: UUID, installation_key: bytes) -> PersonKey:
    made = PersonKey(person_id=person_id)
    made.wrapped = envelopes.wrap_key(
        installation_key,
        os.urandom(envelopes.KEY_BYTES),
        key_id=made.id,
        person_id=person_id,
    )
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        # Somebody else made it first; PostgreSQL waited for them, SQLite has one writer.
        held = _live_key(person_id)
        if held is None:
            raise
        return held
    return made
