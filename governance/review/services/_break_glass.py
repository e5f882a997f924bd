"""The short way in an emergency: two people, a reason, a countdown, and a judgement afterwards.

It stands in for decisions that are missing, never against one that was taken: whatever was turned
down stays closed. Each act has its own event, and everybody who watches the brand is told at once.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, Func, Value
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.roles import Role
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.notices import services as notices
from governance.notices.states import Kind
from governance.policy import freshness, permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors
from governance.review.models import BreakGlass, Case
from governance.review.records import BreakGlassRecord, RosterOf
from governance.review.services._attempts import recorded
from governance.review.services._cases import BytesChanged, check_reason, lock_case
from governance.review.services._deliveries import check_seen
from governance.review.services._threads import CaseClosed
from governance.review.services._turns import approve_case
from governance.review.states import BREAK_GLASS, BreakGlassState, CaseState
from governance.sealing import services as sealing
from governance.tables.records import move

TOLD = (Role.COMPLIANCE_REVIEWER, Role.AUDITOR, Role.PLATFORM_ADMIN)
_LIVE = (BreakGlassState.OPENED, BreakGlassState.CONFIRMED)

log = structlog.get_logger(__name__)


class BreakGlassLive(DomainError):
    """Somebody has broken the glass for this case already: confirm or stop that one."""

    code = "break_glass_live"
    status = 409


class CountdownRuns(DomainError):
    """The countdown of the break-glass is not over: until then it can be stopped."""

    code = "countdown_runs"
    status = 409


class TransactionStart(Func):
    """The clock that the guards compare with: when this transaction began, by the database."""

    template = "CURRENT_TIMESTAMP"
    output_field = DateTimeField()


def open_break_glass(
    *, actor: Actor, case_id: UUID, sha256: str, reason: str, roster_of: RosterOf, now: datetime
) -> BreakGlassRecord:
    """Ask for an emergency approval of exactly these bytes; nothing happens before another agrees.

    `roster_of(brand_id)` says who is told: compliance reviewers, auditors and platform admins.
    Raises: NotFound, NotPermitted, ReauthenticationNeeded, InvalidInput, CaseClosed, BytesChanged,
    NotSeen, TooFast, BreakGlassLive.
    """
    check_reason(reason, required=True)
    with (
        recorded(
            actor=actor,
            case_id=case_id,
            sha256=sha256,
            now=now,
            event=Event.REVIEW_BREAK_GLASS_REFUSED,
        ),
        transaction.atomic(),
    ):
        case = lock_case(actor, case_id)
        permits.require(actor, Permission.REVIEW_BREAK_GLASS_OPEN, _context(case))
        _check(actor, case, sha256, now)
        if case.break_glass.filter(state__in=_LIVE).exists():
            raise BreakGlassLive(
                _("Somebody has broken the glass here already: confirm or stop that one."),
                case_id=str(case_id),
            )
        sealed = _sealed(actor, reason, selectors.BREAK_GLASS_PURPOSE)
        made = BreakGlass.objects.create(
            case=case,
            subject_id=case.subject_id,
            sha256=case.sha256,
            brand_id=case.brand_id,
            opened_by=actor.id,
            reason=sealed,
            created_at=now,
        )
        _append(actor, Event.REVIEW_BREAK_GLASS_OPENED, made, now, sealed)
        _alarm(actor, made, "opened", roster_of, now)
    return _record(made)


def confirm_break_glass(
    *, actor: Actor, break_glass_id: UUID, sha256: str, roster_of: RosterOf, now: datetime
) -> BreakGlassRecord:
    """Agree as the second person, which starts the countdown by the database's clock.

    Raises: NotFound, NotPermitted for the opener and for contributors, ReauthenticationNeeded,
    CaseClosed, BytesChanged, NotSeen, TooFast, IllegalTransition.
    """
    with _attempt(actor, break_glass_id, sha256, now), transaction.atomic():
        found = _lock(actor, break_glass_id)
        context = _context(found.case, found.opened_by)
        permits.require(actor, Permission.REVIEW_BREAK_GLASS_CONFIRM, context)
        transition = BREAK_GLASS.target("confirm", found.state)
        _check(actor, found.case, sha256, now)
        move(
            found,
            transition,
            confirmed_by=actor.id,
            confirmed_at=now,
            effective_at=_in_seconds(settings.BREAK_GLASS_COUNTDOWN_S),
        )
        found.refresh_from_db(fields=["effective_at"])
        _append(actor, Event.REVIEW_BREAK_GLASS_CONFIRMED, found, now)
        _alarm(actor, found, "confirmed", roster_of, now)
    return _record(found)


def stop_break_glass(
    *, actor: Actor, break_glass_id: UUID, roster_of: RosterOf, now: datetime
) -> BreakGlassRecord:
    """Stop it before it is used; any reviewer of the brand may, without a reason.

    Raises: NotFound, NotPermitted, IllegalTransition once it is used or stopped.
    """
    with transaction.atomic():
        found = _lock(actor, break_glass_id)
        permits.require(actor, Permission.REVIEW_BREAK_GLASS_STOP, _context(found.case))
        transition = BREAK_GLASS.target("stop", found.state)
        move(found, transition, stopped_by=actor.id, stopped_at=now)
        _append(actor, Event.REVIEW_BREAK_GLASS_STOPPED, found, now)
        _alarm(actor, found, "stopped", roster_of, now)
    return _record(found)


def use_break_glass(
    *, actor: Actor, break_glass_id: UUID, roster_of: RosterOf, now: datetime
) -> BreakGlassRecord:
    """Approve the case once the countdown is over; one of the two does it, as a recorded act.

    Raises: NotFound, NotPermitted for anybody but the two, ReauthenticationNeeded, CaseClosed,
    IllegalTransition, CountdownRuns.
    """
    with _attempt(actor, break_glass_id, "", now), transaction.atomic():
        found = _lock(actor, break_glass_id)
        pair = frozenset(p for p in (found.opened_by, found.confirmed_by) if p is not None)
        context = _context(found.case, asked_people=pair)
        permits.require(actor, Permission.REVIEW_BREAK_GLASS_USE, context)
        _check_fresh(actor, now)
        transition = BREAK_GLASS.target("use", found.state)
        _check_open(found.case)
        _check_countdown(found)
        move(
            found,
            transition,
            used_at=now,
            judge_until=_in_seconds(settings.BREAK_GLASS_JUDGE_WITHIN_S),
        )
        found.refresh_from_db(fields=["judge_until"])
        _append(actor, Event.REVIEW_BREAK_GLASS_USED, found, now)
        stages = list(found.case.policy.stages.order_by("position", "key"))
        approve_case(actor, found.case, stages, now, break_glass_id=found.id)
        _alarm(actor, found, "used", roster_of, now)
    return _record(found)


def judge_break_glass(
    *,
    actor: Actor,
    break_glass_id: UUID,
    verdict: str,
    reason: str,
    roster_of: RosterOf,
    on_fault: Callable[[BreakGlassRecord], None],
    now: datetime,
) -> BreakGlassRecord:
    """Say afterwards, as a third person, whether it was right ("uphold") or not ("fault").

    `on_fault` takes back what the approval let out, in the same transaction: what stands above the
    review is not ours to know.
    Raises: NotFound, NotPermitted for one of the two and for contributors, ReauthenticationNeeded,
    InvalidInput, IllegalTransition.
    """
    events = {
        "uphold": Event.REVIEW_BREAK_GLASS_UPHELD,
        "fault": Event.REVIEW_BREAK_GLASS_FAULTED,
    }
    if verdict not in events:
        raise InvalidInput(
            _("A break-glass is upheld or faulted."), pointer="/verdict", rule="enum"
        )
    check_reason(reason, required=True)
    with _attempt(actor, break_glass_id, "", now), transaction.atomic():
        found = _lock(actor, break_glass_id)
        context = _context(found.case, found.opened_by, found.confirmed_by)
        permits.require(actor, Permission.REVIEW_BREAK_GLASS_JUDGE, context)
        _check_fresh(actor, now)
        transition = BREAK_GLASS.target(verdict, found.state)
        sealed = _sealed(actor, reason, selectors.JUDGEMENT_PURPOSE)
        move(found, transition, judged_by=actor.id, judged_at=now, judgement_reason=sealed)
        _append(actor, events[verdict], found, now, sealed)
        _alarm(actor, found, str(found.state), roster_of, now)
        if found.state == BreakGlassState.FAULTED:
            on_fault(_record(found))
    return _record(found)


def find_unjudged(*, limit: int = 50) -> tuple[BreakGlassRecord, ...]:
    """Return those whose judgement is overdue by the database's clock and not alarmed over yet."""
    found = BreakGlass.objects.select_related("case__subject").filter(
        state=BreakGlassState.USED, overdue_at__isnull=True, judge_until__lt=Now()
    )
    rows = found.order_by("judge_until", "id")[:limit]
    return tuple(selectors.break_glass_record(row, with_reasons=False) for row in rows)


def alarm_unjudged(*, break_glass_id: UUID, roster_of: RosterOf, now: datetime) -> bool:
    """Raise the alarm over a judgement that did not come; once, even if two processes try."""
    unjudged = BreakGlass.objects.filter(
        id=break_glass_id,
        state=BreakGlassState.USED,
        overdue_at__isnull=True,
        judge_until__lt=Now(),
    )
    with transaction.atomic():
        if unjudged.update(overdue_at=now) != 1:
            return False
        found = BreakGlass.objects.select_related("case__subject").get(id=break_glass_id)
        _append(SYSTEM, Event.REVIEW_BREAK_GLASS_OVERDUE, found, now)
        _alarm(SYSTEM, found, "overdue", roster_of, now, Kind.REVIEW_BREAK_GLASS_OVERDUE)
    return True


def _attempt(
    actor: Actor, break_glass_id: UUID, sha256: str, now: datetime
) -> AbstractContextManager[None]:
    """Record a refused attempt under the break-glass's case, where there is one."""
    found = BreakGlass.objects.filter(id=break_glass_id).values_list("case_id", "sha256").first()
    case_id, bound = found or (break_glass_id, "")
    return recorded(
        actor=actor,
        case_id=case_id,
        sha256=sha256 or bound,
        now=now,
        event=Event.REVIEW_BREAK_GLASS_REFUSED,
    )


def _lock(actor: Actor, break_glass_id: UUID) -> BreakGlass:
    """Return it for changing, its case held first: every act on a case takes that lock."""
    found = selectors.visible_break_glass(actor).filter(id=break_glass_id).first()
    if found is None:
        raise NotFound(_("There is no such break-glass."))
    case = lock_case(actor, found.case_id)
    found.refresh_from_db()
    found.case = case
    return found


def _context(
    case: Case, *also: UUID | None, asked_people: frozenset[UUID] = frozenset()
) -> Context:
    return Context(
        brand_id=case.brand_id,
        contributors=selectors.contributors_of(case) | frozenset(p for p in also if p),
        owner_id=case.requested_by,
        asked_people=asked_people,
    )


def _check(actor: Actor, case: Case, sha256: str, now: datetime) -> None:
    _check_fresh(actor, now)
    _check_open(case)
    if sha256 != case.sha256:
        raise BytesChanged(
            _("What you looked at is not what is under review: open the page again."),
            pointer="/sha256",
            case_id=str(case.id),
        )
    check_seen(actor, case, now)


def _check_fresh(actor: Actor, now: datetime) -> None:
    freshness.require_fresh(actor, now=now, within_s=settings.REAUTHENTICATE_AFTER_S)


def _check_open(case: Case) -> None:
    if case.state != CaseState.OPEN:
        raise CaseClosed(
            _("This review is over: an emergency changes nothing about what was decided."),
            case_id=str(case.id),
            state=str(case.state),
        )


def _check_countdown(found: BreakGlass) -> None:
    is_over = BreakGlass.objects.filter(id=found.id, effective_at__lte=TransactionStart())
    if not is_over.exists():
        raise CountdownRuns(_("The countdown is not over yet."), effective_at=found.effective_at)


def _sealed(actor: Actor, reason: str, purpose: str) -> bytes:
    return sealing.seal(person_id=actor.id, text=reason, purpose=purpose)


def _append(
    actor: Actor, event: Event, found: BreakGlass, now: datetime, sealed: bytes | None = None
) -> None:
    facts = {
        "break_glass_id": str(found.id),
        "case_id": str(found.case_id),
        "opened_by": str(found.opened_by),
    }
    if found.confirmed_by is not None:
        facts["confirmed_by"] = str(found.confirmed_by)
    ledger.append(
        actor=actor,
        event=event,
        subject=selectors.subject_ref(found.case.subject),
        now=now,
        facts=facts,
        sealed=None if sealed is None else {"reason": sealed},
    )


def _alarm(
    actor: Actor,
    found: BreakGlass,
    act: str,
    roster_of: RosterOf,
    now: datetime,
    kind: Kind = Kind.REVIEW_BREAK_GLASS,
) -> None:
    """Tell everybody who watches the brand, and the operator's log at its highest level."""
    roster = roster_of(found.brand_id)
    people = frozenset[UUID]().union(*(roster.get(role, frozenset()) for role in TOLD))
    notices.tell(
        person_ids=(people | {found.opened_by, found.case.requested_by}) - {actor.id},
        kind=kind,
        subject=selectors.subject_ref(found.case.subject),
        case_id=found.case_id,
        now=now,
    )
    log.critical(
        "Break-glass",
        act=act,
        break_glass_id=str(found.id),
        case_id=str(found.case_id),
        brand_id=str(found.brand_id),
        actor_id=str(actor.id),
    )


def _record(found: BreakGlass) -> BreakGlassRecord:
    return selectors.break_glass_record(found, with_reasons=True)


def _in_seconds(seconds: int) -> ExpressionWrapper:
    return ExpressionWrapper(
        Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField()
    )
