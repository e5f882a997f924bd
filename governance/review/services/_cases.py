"""Opens and voids review cases; only a voided case makes room for another of its subject."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors
from governance.review.models import MAX_RISK, Case, Pin, Subject
from governance.review.records import CaseRecord
from governance.review.services._subjects import add_contribution
from governance.review.services._turns import end_case, open_turns
from governance.review.states import REVIEW_CASE, CaseState
from governance.sealing import services as sealing
from governance.tables.records import wait_for_others

MAX_REASON_LENGTH = 4000
MAX_TITLE_LENGTH = 200


class CaseExists(DomainError):
    """The subject has a case already; the same bytes get no second opinion."""

    code = "case_exists"
    status = 409


class BytesChanged(DomainError):
    """The bytes that were looked at are not the bytes under review."""

    code = "bytes_changed"
    status = 409


def open_case(
    *,
    actor: Actor,
    subject_id: UUID,
    title: str,
    pins: Mapping[str, str],
    requested_by: UUID,
    now: datetime,
    risk: int = 0,
    market: str = "",
) -> CaseRecord:
    """Open the review of a subject under the policy that counts now, and its first stages.

    The requester becomes a contributor. `title` and `pins` are plain text: no personal data.
    `risk` (0..100): the riskiest case is decided first.
    Raises: NotFound, NotPermitted, InvalidInput, NoPolicy; CaseExists unless the last is voided.
    """
    if not title.strip() or len(title) > MAX_TITLE_LENGTH:
        raise InvalidInput(
            _("A title has between 1 and %(max)s characters.") % {"max": MAX_TITLE_LENGTH},
            pointer="/title",
            rule="length",
        )
    if not 0 <= risk <= MAX_RISK:
        raise InvalidInput(
            _("A risk lies between 0 and %(max)s.") % {"max": MAX_RISK},
            pointer="/risk",
            rule="range",
        )
    with transaction.atomic():
        # The lock puts two openings of one subject in a row.
        wait_for_others(str(subject_id))
        subject = Subject.objects.filter(id=subject_id).first()
        if subject is None or not permits.may(
            actor, Permission.BRANDS_BRAND_READ, Context(brand_id=subject.brand_id)
        ):
            raise NotFound(_("There is no such subject."))
        permits.require(actor, Permission.REVIEW_CASE_OPEN, Context(brand_id=subject.brand_id))
        if Case.objects.filter(subject=subject).exclude(state=CaseState.VOIDED).exists():
            raise CaseExists(
                _("These bytes are in review or were decided already."), subject_id=str(subject_id)
            )
        # No newer policy comes into force before this case is there; other cases may open.
        wait_for_others(selectors.policy_lock(subject.brand_id, subject.kind), is_shared=True)
        policy = selectors.current_policy(subject.brand_id, subject.kind)
        add_contribution(subject_id=subject_id, actor_id=requested_by, part="requester", now=now)
        case = Case.objects.create(
            subject=subject,
            sha256=subject.sha256,
            brand_id=subject.brand_id,
            policy_id=policy.id,
            pins=dict(pins),
            title=title,
            requested_by=requested_by,
            risk=risk,
            market=market,
            created_at=now,
        )
        Pin.objects.bulk_create(
            Pin(case=case, name=name, value=value, created_at=now) for name, value in pins.items()
        )
        ledger.append(
            actor=actor,
            event=Event.REVIEW_CASE_OPENED,
            subject=selectors.subject_ref(subject),
            now=now,
            facts={
                "case_id": str(case.id),
                "policy_id": str(policy.id),
                "policy_number": policy.number,
                "pins": dict(pins),
                "requested_by": str(requested_by),
                "risk": risk,
            },
        )
        open_turns(case, now)
    return selectors.case_record(case)


def void_case(*, actor: Actor, case_id: UUID, reason: str, now: datetime) -> CaseRecord:
    """Take a case back, open or approved; whatever is released already is withdrawn instead.

    Raises: NotFound, NotPermitted, InvalidInput without a reason, IllegalTransition, StaleState.
    """
    with transaction.atomic():
        case = lock_case(actor, case_id)
        permits.require(actor, Permission.REVIEW_CASE_VOID, Context(brand_id=case.brand_id))
        check_reason(reason, required=True)
        transition = REVIEW_CASE.target("void", case.state)
        sealed = sealing.seal(person_id=actor.id, text=reason, purpose=selectors.VOID_PURPOSE)
        end_case(case, transition, now, void_reason=sealed)
        ledger.append(
            actor=actor,
            event=Event.REVIEW_CASE_VOIDED,
            subject=selectors.subject_ref(case.subject),
            now=now,
            facts={"case_id": str(case.id), "was": transition.source},
            sealed={"reason": sealed},
        )
    return selectors.case_record(case)


def lock_case(actor: Actor, case_id: UUID) -> Case:
    """Return the case for changing, and hold every other change of it until the end.

    Raises: NotFound if there is none, or the actor may not see it.
    """
    case = (
        Case.objects.select_for_update(no_key=True, of=("self",))
        .select_related("subject", "policy")
        .filter(id=case_id)
        .first()
    )
    if case is None or not selectors.may_see(actor, case):
        raise NotFound(_("There is no such review case."))
    return case


def check_reason(reason: str, *, required: bool) -> None:
    """Let pass, or raise InvalidInput: blank where one is needed, or too long."""
    if len(reason) > MAX_REASON_LENGTH:
        raise InvalidInput(
            _("A reason has at most %(max)s characters.") % {"max": MAX_REASON_LENGTH},
            pointer="/reason",
            rule="max_length",
        )
    if required and not reason.strip():
        raise InvalidInput(_("Give a reason."), pointer="/reason", rule="required")
