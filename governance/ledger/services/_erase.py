"""Erases a person's sealed text by destroying the key, and records that in the same transaction.

It lives here because the ledger stands above sealing: the act and its entry go together.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.subjects import SubjectRef
from governance.ledger.events import Event
from governance.ledger.services._append import append
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.sealing import services as sealing


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased: the key that is gone (None if the person had none) and its entry."""

    person_id: UUID
    key_id: UUID | None
    entry_id: UUID


def erase_person(*, actor: Actor, person_id: UUID, brand_id: UUID, now: datetime) -> Erasure:
    """Erase a person's text everywhere, backups' ciphertext included, for a brand's data steward.

    An erasure of a person without a key is recorded too: it answers a request.
    Raises: NotPermitted; PersonHeld while a legal hold stands, of whichever brand.
    """
    permits.require(actor, Permission.LEDGER_PERSON_ERASE, Context(brand_id=brand_id))
    with transaction.atomic():
        destroyed = sealing.destroy_key(actor=actor, person_id=person_id, now=now)
        entry_id = append(
            actor=actor,
            event=Event.LEDGER_PERSON_ERASED,
            subject=SubjectRef("person", person_id, brand_id),
            now=now,
            facts={} if destroyed.key_id is None else {"key": str(destroyed.key_id)},
        )
    return Erasure(person_id, destroyed.key_id, entry_id)
