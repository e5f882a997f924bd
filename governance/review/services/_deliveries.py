"""Records which bytes were sent to whose screen; a decision without that is refused."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import Actor, ActorKind
from governance.kernel.errors import DomainError
from governance.review import selectors
from governance.review.models import Case, Delivery
from governance.review.states import CaseState

# A look before that was another look; the seconds on the screen count within it.
ONE_LOOK = timedelta(hours=1)


class NotSeen(DomainError):
    """The bytes under review were never sent to this person's screen."""

    code = "not_seen"
    status = 409


class TooFast(DomainError):
    """The decision came sooner after the bytes than the policy allows."""

    code = "too_fast"
    status = 409


class ClockWentBack(DomainError):
    """The clock shows a time before the bytes were delivered: what is decided has no order."""

    code = "clock_went_back"
    status = 409


class Seen(NamedTuple):
    """The delivery that a decision rests on, and the seconds since."""

    delivery_id: UUID
    seen_s: int


def record_delivery(*, actor: Actor, subject_id: UUID, sha256: str, now: datetime) -> UUID | None:
    """Record that a subject's exact bytes were sent to a person who reviews them.

    Returns None, and records nothing, for a key or a process, where no open case is about these
    bytes, and for whoever may not read that case or had a part in its subject.
    """
    if actor.kind is not ActorKind.PERSON:
        return None
    case = Case.objects.filter(subject_id=subject_id, sha256=sha256, state=CaseState.OPEN).first()
    if case is None or actor.id in selectors.contributors_of(case):
        return None
    if not selectors.may_see(actor, case):
        return None
    delivery = Delivery.objects.create(
        subject_id=subject_id, sha256=sha256, person_id=actor.id, created_at=now
    )
    return delivery.id


def check_seen(actor: Actor, case: Case, now: datetime) -> Seen:
    """Return the delivery of the case's bytes to the actor, and for how long they had them.

    That is since the first delivery within the last hour, or else since the last one before.
    Raises: NotSeen, ClockWentBack, TooFast.
    """
    deliveries = list(
        Delivery.objects.filter(
            subject_id=case.subject_id, sha256=case.sha256, person_id=actor.id
        ).order_by("-created_at", "-id")[:100]
    )
    if not deliveries:
        raise NotSeen(
            _("These bytes were not on your screen yet: open the image first, then decide."),
            case_id=str(case.id),
        )
    if now < deliveries[0].created_at:
        raise ClockWentBack(
            _("The clock shows a time before you opened this: try again in a moment."),
            case_id=str(case.id),
        )
    recent = [each for each in deliveries if each.created_at >= now - ONE_LOOK]
    first = (recent or deliveries[:1])[-1]
    seen_s = int((now - first.created_at).total_seconds())
    if seen_s < case.policy.min_view_s:
        raise TooFast(
            _("Look at it for at least %(seconds)s seconds before you decide.")
            % {"seconds": case.policy.min_view_s},
            case_id=str(case.id),
            seen_s=seen_s,
            min_view_s=case.policy.min_view_s,
        )
    return Seen(first.id, seen_s)
