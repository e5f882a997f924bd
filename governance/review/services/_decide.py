"""Takes one reviewer's decision on exact bytes, and what follows from it, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput
from governance.ledger.events import Event
from governance.policy import freshness
from governance.review import selectors
from governance.review.models import Answer, Case, ChecklistItem, Decision, Stage, Turn
from governance.review.outcomes import APPROVING, OUTCOMES, Outcome
from governance.review.records import AnswerSpec, DecisionRecord
from governance.review.services import _attempts, _needed, _turns
from governance.review.services._cases import BytesChanged, check_reason, lock_case
from governance.review.services._claims import check_place, end_claims
from governance.review.services._deciders import check_not_decided, turn_for
from governance.review.services._deliveries import Seen, check_seen
from governance.review.states import REVIEW_CASE, ChecklistAnswer, Verdict
from governance.sealing import services as sealing

MAX_NOTE_LENGTH = 1000
_ENDS = {
    Verdict.REJECT: Event.REVIEW_CASE_REJECTED,
    Verdict.REQUEST_CHANGES: Event.REVIEW_CASE_CHANGES_REQUESTED,
}


class ReasonRequired(DomainError):
    """Whoever turns something down, or asks for changes, says why."""

    code = "reason_required"
    status = 422


class ChecklistIncomplete(DomainError):
    """An approval answers every item of the checklist."""

    code = "checklist_incomplete"
    status = 422


class ChecklistNotMet(DomainError):
    """An approval cannot stand beside a "no" in the checklist."""

    code = "checklist_not_met"
    status = 422


class TooRiskyForBulk(DomainError):
    """The case carries too much risk to be approved among many."""

    code = "too_risky_for_bulk"
    status = 422


@dataclass(frozen=True, slots=True)
class _Said:
    """What the reviewer sent, checked for its form."""

    verdict: Verdict
    reason: str
    answers: Mapping[str, AnswerSpec]

    @property
    def outcome(self) -> Outcome:
        return OUTCOMES[self.verdict]


def decide(
    *,
    actor: Actor,
    case_id: UUID,
    verdict: str,
    sha256: str,
    reason: str,
    now: datetime,
    stage: str = "",
    checklist: Mapping[str, AnswerSpec | str] = MappingProxyType({}),
) -> DecisionRecord:
    """Record a verdict on the bytes that were on the screen; the last one needed moves the case on.

    `sha256` is what the reviewer saw, `checklist` the answers by item. The decision table
    (`outcomes`) says what a verdict needs and does. `stage` (a key) is needed only where several
    open stages ask the reviewer. A refused attempt leaves the case as it is and is recorded.
    Raises: NotFound, InvalidInput, IllegalTransition, AlreadyDecided, ClaimedByOther, BytesChanged,
    ReauthenticationNeeded, NotSeen, TooFast, ClockWentBack, ReasonRequired, ChecklistIncomplete,
    ChecklistNotMet, ExhibitMissing; NotPermitted for a contributor, or whoever is not asked.
    """
    said = _checked(verdict, reason, checklist)
    with (
        _attempts.recorded(actor=actor, case_id=case_id, sha256=sha256, now=now),
        transaction.atomic(),
    ):
        case = lock_case(actor, case_id)
        transition = REVIEW_CASE.target(said.verdict, case.state)
        check_not_decided(actor, case)
        turn = turn_for(actor, case, stage)
        check_place(actor, turn)
        authenticated_at = freshness.require_fresh(
            actor, now=now, within_s=settings.REAUTHENTICATE_AFTER_S
        )
        _check_bytes(case, sha256)
        seen = check_seen(actor, case, now)
        items = _items(turn.stage)
        _check_said(said, items)
        if said.outcome.counts:
            _needed.require_exhibit(case)
        decision = _record(actor, case, turn, said, seen, authenticated_at, now)
        _record_answers(actor, decision, said, items, now)
        end_claims(actor, case)
        approval_id = None
        if said.outcome.counts:
            approval_id = _turns.complete_position(actor, case, now)
        else:
            facts = _turns.facts_of(case, turn.stage)
            _turns.append(actor, _ENDS[said.verdict], case, now, facts)
            _turns.end_case(case, transition, now)
    return _told(decision, turn.stage, case, approval_id)


def decide_in_bulk(
    *, actor: Actor, case_id: UUID, verdict: str, sha256: str, now: datetime, **said: Any
) -> DecisionRecord:
    """Decide one of many cases; what is approved this way must be of little risk.

    Raises: TooRiskyForBulk, and what `decide` raises.
    """
    with _attempts.recorded(actor=actor, case_id=case_id, sha256=sha256, now=now):
        _check_bulk(actor, case_id, verdict)
    return decide(actor=actor, case_id=case_id, verdict=verdict, sha256=sha256, now=now, **said)


def _check_bulk(actor: Actor, case_id: UUID, verdict: str) -> None:
    if verdict not in APPROVING:
        return
    case = selectors.visible_cases(actor).filter(id=case_id).first()
    if case is not None and case.risk >= settings.BULK_RISK_BELOW:
        raise TooRiskyForBulk(
            _("This one is too risky to be approved among many: open it and decide by itself."),
            case_id=str(case_id),
            risk=case.risk,
            below=settings.BULK_RISK_BELOW,
        )


def _told(decision: Decision, stage: Stage, case: Case, approval_id: UUID | None) -> DecisionRecord:
    return DecisionRecord(
        id=decision.id,
        case_id=case.id,
        subject_id=case.subject_id,
        sha256=case.sha256,
        stage_position=stage.position,
        stage_key=stage.key,
        stage_name=stage.name,
        reviewer_id=decision.reviewer_id,
        verdict=str(decision.verdict),
        seen_s=decision.seen_s,
        created_at=decision.created_at,
        case_state=str(case.state),
        approval_id=approval_id,
    )


def _checked(verdict: str, reason: str, checklist: Mapping[str, AnswerSpec | str]) -> _Said:
    """Return what was sent if its form is right. Raises: InvalidInput."""
    if verdict not in Verdict.values:
        raise InvalidInput(
            _("“%(verdict)s” is not a verdict.") % {"verdict": verdict},
            pointer="/verdict",
            rule="enum",
        )
    check_reason(reason, required=False)
    answers = {
        key: each if isinstance(each, AnswerSpec) else AnswerSpec(each)
        for key, each in checklist.items()
    }
    for key, each in answers.items():
        _check_answer(key, each)
    return _Said(Verdict(verdict), reason, answers)


def _check_answer(key: str, each: AnswerSpec) -> None:
    if each.answer not in ChecklistAnswer.values:
        raise InvalidInput(
            _("“%(answer)s” is not an answer: yes, no or not_applicable.")
            % {"answer": each.answer},
            pointer=f"/checklist/{key}",
            rule="enum",
        )
    if len(each.note) > MAX_NOTE_LENGTH:
        raise InvalidInput(
            _("A note has at most %(max)s characters.") % {"max": MAX_NOTE_LENGTH},
            pointer=f"/checklist/{key}",
            rule="max_length",
        )


def _check_bytes(case: Case, sha256: str) -> None:
    if sha256 != case.sha256:
        raise BytesChanged(
            _("What you looked at is not what is under review: open the page again."),
            pointer="/sha256",
            case_id=str(case.id),
        )


def _items(stage: Stage) -> dict[str, ChecklistItem]:
    """Return the items of the checklist that this stage answers, by key."""
    items = ChecklistItem.objects.filter(
        policy_id=stage.policy_id, stage_key__in=("", stage.key)
    ).order_by("position")
    return {item.key: item for item in items}


def _check_said(said: _Said, items: Mapping[str, ChecklistItem]) -> None:
    """Let pass what fits the stage's checklist and the decision table."""
    unknown = sorted(said.answers.keys() - items.keys())
    if unknown:
        raise InvalidInput(
            _("The checklist of this stage has no item “%(key)s”.") % {"key": unknown[0]},
            pointer=f"/checklist/{unknown[0]}",
            rule="unknown",
        )
    if said.outcome.needs_reason and not said.reason.strip():
        raise ReasonRequired(
            _("Say why: the requester reads your reason."), pointer="/reason", rule="required"
        )
    if not said.outcome.needs_every_answer:
        return
    missing = [key for key in items if key not in said.answers]
    if missing:
        raise ChecklistIncomplete(
            _("Answer the whole checklist before you approve; “%(question)s” has no answer.")
            % {"question": items[missing[0]].question},
            pointer=f"/checklist/{missing[0]}",
            rule="required",
            missing=missing,
        )
    against = [key for key in items if said.answers[key].answer == ChecklistAnswer.NO]
    if against:
        raise ChecklistNotMet(
            _("You answered “%(question)s” with no: request changes or reject instead.")
            % {"question": items[against[0]].question},
            pointer=f"/checklist/{against[0]}",
            rule="not_met",
            against=against,
        )


def _record(
    actor: Actor,
    case: Case,
    turn: Turn,
    said: _Said,
    seen: Seen,
    authenticated_at: datetime,
    now: datetime,
) -> Decision:
    sealed = _sealed(actor, said.reason, selectors.REASON_PURPOSE)
    decision = Decision.objects.create(
        case=case,
        subject_id=case.subject_id,
        sha256=case.sha256,
        stage=turn.stage,
        reviewer_id=actor.id,
        verdict=said.verdict,
        reason=sealed,
        policy_id=case.policy_id,
        delivery_id=seen.delivery_id,
        seen_s=seen.seen_s,
        authenticated_at=authenticated_at,
        created_at=now,
    )
    _turns.append(
        actor,
        Event.REVIEW_CASE_DECIDED,
        case,
        now,
        {
            **_turns.facts_of(case, turn.stage),
            "decision_id": str(decision.id),
            "verdict": str(said.verdict),
            "delivery_id": str(seen.delivery_id),
            "seen_s": seen.seen_s,
            "checklist": {key: each.answer for key, each in sorted(said.answers.items())},
        },
        sealed=None if sealed is None else {"reason": sealed},
    )
    return decision


def _record_answers(
    actor: Actor,
    decision: Decision,
    said: _Said,
    items: Mapping[str, ChecklistItem],
    now: datetime,
) -> None:
    for key, each in said.answers.items():
        Answer.objects.create(
            decision=decision,
            item=items[key],
            policy_id=decision.policy_id,
            answer=each.answer,
            note=_sealed(actor, each.note, selectors.NOTE_PURPOSE),
            created_at=now,
        )


def _sealed(actor: Actor, text: str, purpose: str) -> bytes | None:
    if not text.strip():
        return None
    return sealing.seal(person_id=actor.id, text=text, purpose=purpose)
