"""Legal holds: placed with a reason by a data steward, lifted by another, and recorded as acts.

While one stands, of whichever brand, the person's texts cannot be erased.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.subjects import SubjectRef
from governance.ledger.errors import HoldReasonMissing
from governance.ledger.events import Event
from governance.ledger.selectors import HOLD_REASON
from governance.ledger.services._append import append
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.sealing import services as sealing
from governance.sealing.services import HoldRecord


def hold_person(
    *, actor: Actor, person_id: UUID, brand_id: UUID, reason: str, now: datetime
) -> HoldRecord:
    """Place a legal hold on a person's texts, for a brand's data steward.

    Raises: NotPermitted, HoldReasonMissing, HoldStands.
    """
    permits.require(actor, Permission.LEDGER_HOLD_PLACE, Context(brand_id=brand_id))
    with transaction.atomic():
        sealed = _sealed(actor, reason)
        held = sealing.hold(
            actor=actor, person_id=person_id, brand_id=brand_id, reason=sealed, now=now
        )
        _record(actor, Event.LEDGER_HOLD_PLACED, held, sealed, now)
    return held


def lift_hold(*, actor: Actor, hold_id: UUID, reason: str, now: datetime) -> HoldRecord:
    """Lift a legal hold that somebody else placed.

    Raises: NotFound, NotPermitted, HoldReasonMissing, HoldLifted.
    """
    found = sealing.find_hold(hold_id)
    where = Context() if found is None else Context(brand_id=found.brand_id)
    if found is None or not permits.may(actor, Permission.LEDGER_HOLD_READ, where):
        raise NotFound(_("There is no such legal hold."), hold_id=hold_id)
    contributors = frozenset({found.placed_by})
    needed = Context(brand_id=found.brand_id, contributors=contributors)
    permits.require(actor, Permission.LEDGER_HOLD_LIFT, needed)
    with transaction.atomic():
        sealed = _sealed(actor, reason)
        lifted = sealing.lift(actor=actor, hold_id=hold_id, reason=sealed, now=now)
        _record(actor, Event.LEDGER_HOLD_LIFTED, lifted, sealed, now)
    return lifted


def _sealed(actor: Actor, reason: str) -> bytes:
    if not reason.strip():
        raise HoldReasonMissing(_("Say why: a legal hold needs a reason."), pointer="/reason")
    return sealing.seal(person_id=actor.id, text=reason.strip(), purpose=HOLD_REASON)


def _record(actor: Actor, event: Event, held: HoldRecord, reason: bytes, now: datetime) -> None:
    append(
        actor=actor,
        event=event,
        subject=SubjectRef("person", held.person_id, held.brand_id),
        now=now,
        facts={"hold": str(held.id)},
        sealed={"reason": reason},
    )
