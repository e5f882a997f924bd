"""Claims: that somebody is looking at an open stage, until a time by the database's clock."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.clock import isoformat
from governance.kernel.errors import DomainError, InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.policy.permits import NotPermitted
from governance.review import selectors
from governance.review.models import Case, Claim, Turn
from governance.review.records import CaseRecord, ClaimRecord
from governance.review.services import _turns
from governance.review.services._cases import lock_case
from governance.review.services._deciders import AlreadyDecided, check_not_decided, turn_for
from governance.review.states import CaseState

MAX_MINUTES = 8 * 60
# How many cases are tried where others are faster; then the queue is busy, not empty.
TRIES = 10


class ClaimedByOther(DomainError):
    """Others look at the stage, as many as it still needs decisions."""

    code = "claimed_by_other"
    status = 409


def claim(
    *,
    actor: Actor,
    case_id: UUID,
    now: datetime,
    minutes: int | None = None,
    stage: str = "",
) -> ClaimRecord:
    """Say that the actor is looking at a case, or that they still do; it ends by itself.

    `stage` (a key) is needed only where several open stages ask the actor.
    Raises: NotFound, IllegalTransition for a closed case, AlreadyDecided, NotPermitted,
    ClaimedByOther, InvalidInput.
    """
    length = timedelta(minutes=_checked(minutes))
    with transaction.atomic():
        case = lock_case(actor, case_id)
        if case.state != CaseState.OPEN:
            raise IllegalTransition(
                _("This review is closed: nobody looks at it any more."), act="claim"
            )
        check_not_decided(actor, case)
        turn = turn_for(actor, case, stage)
        check_place(actor, turn)
        Claim.objects.update_or_create(
            turn=turn,
            person_id=actor.id,
            defaults={"until": Now() + length},
            create_defaults={"until": Now() + length, "created_at": now},
        )
        held = Claim.objects.get(turn=turn, person_id=actor.id)
    return ClaimRecord(held.person_id, held.until)


def claim_next(
    *,
    actor: Actor,
    now: datetime,
    brand_id: UUID | None = None,
    market: str | None = None,
) -> CaseRecord | None:
    """Claim the case that the actor should decide next and return it; None if none waits."""
    for _try in range(TRIES):
        found = selectors.next_case(actor, brand_id, market)
        if found is None:
            return None
        stages = selectors.stages_for(actor, found)
        try:
            claim(actor=actor, case_id=found.id, now=now, stage=stages[0].key if stages else "")
        except (ClaimedByOther, IllegalTransition, AlreadyDecided, NotPermitted):
            continue  # Somebody else was faster; the queue has moved on.
        return selectors.get_case(actor, found.id)
    return None


def release_claim(*, actor: Actor, case_id: UUID) -> None:
    """Say that the actor no longer looks at a case; without a claim nothing happens.

    Raises: NotFound.
    """
    with transaction.atomic():
        case = lock_case(actor, case_id)
        end_claims(actor, case)


def end_claims(actor: Actor, case: Case) -> None:
    """End the actor's claims in a case, in the caller's transaction."""
    live(Claim.objects.filter(turn__case_id=case.id, person_id=actor.id)).update(until=Now())


def check_place(actor: Actor, turn: Turn) -> None:
    """Let pass if the turn has a place for the actor beside those who look at it already.

    Raises: ClaimedByOther, naming until when.
    """
    others = live(turn.claims.exclude(person_id=actor.id)).order_by("until")
    until = [each.until for each in others]
    if until and len(until) >= _turns.lacking(turn):
        raise ClaimedByOther(
            _("Somebody else is looking at this, until %(time)s (UTC) at the latest.")
            % {"time": until[0].strftime("%H:%M")},
            case_id=str(turn.case_id),
            person_id=str(others[0].person_id),
            until=isoformat(until[0]),
        )


def live(claims: QuerySet[Claim]) -> QuerySet[Claim]:
    """Narrow to the claims that have not ended by the database's clock."""
    return claims.filter(until__gt=Now())


def _checked(minutes: int | None) -> int:
    if minutes is None:
        return int(settings.CLAIM_MIN)
    if not 1 <= minutes <= MAX_MINUTES:
        raise InvalidInput(
            _("A claim lasts between 1 and %(max)s minutes.") % {"max": MAX_MINUTES},
            pointer="/minutes",
            rule="range",
        )
    return minutes
