"""Takes one reviewer's decision on exact bytes, and what follows from it, in one transaction."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import StaleState
from governance.kernel.roles import Role
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.outbox import services as outbox
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors
from governance.review.models import Approval, Case, Decision, Stage, SubjectKind
from governance.review.records import DecisionRecord
from governance.review.services._cases import BytesChanged, check_reason, lock_case
from governance.review.states import REVIEW_CASE, Verdict
from governance.sealing import services as sealing
from governance.tables.records import move

_ENDS = {
    Verdict.REJECT: Event.REVIEW_CASE_REJECTED,
    Verdict.REQUEST_CHANGES: Event.REVIEW_CASE_CHANGES_REQUESTED,
}


class ReasonRequired(DomainError):
    """Whoever turns something down says why."""

    code = "reason_required"
    status = 422


class AlreadyDecided(DomainError):
    """The reviewer has decided this case; one person decides once, in one stage."""

    code = "already_decided"
    status = 409


def decide(
    *, actor: Actor, case_id: UUID, verdict: str, sha256: str, reason: str, now: datetime
) -> DecisionRecord:
    """Record a verdict on the bytes that were on the screen; the last one needed moves the case on.

    `sha256` is what the reviewer saw. An approval that completes the last stage approves the case;
    a rejection or a request for changes ends it at once.
    Raises: NotFound, InvalidInput, IllegalTransition, AlreadyDecided, BytesChanged, ReasonRequired;
    NotPermitted for a contributor or without the stage's role.
    """
    if verdict not in Verdict.values:
        raise InvalidInput(
            _("“%(verdict)s” is not a verdict.") % {"verdict": verdict},
            pointer="/verdict",
            rule="enum",
        )
    with transaction.atomic():
        case = lock_case(actor, case_id)
        transition = REVIEW_CASE.target(verdict, case.state)
        stages = list(case.policy.stages.order_by("position"))
        stage = stages[case.stage_position - 1]
        _check_not_decided(actor, case)
        permits.require(actor, Permission.REVIEW_CASE_DECIDE, _context(case, stage))
        _check_input(case, verdict=verdict, sha256=sha256, reason=reason)
        decision = _record(actor, case, stage, verdict=verdict, reason=reason, now=now)
        approval_id = None
        if verdict != Verdict.APPROVE:
            move(case, transition, closed_at=now)
            _append(actor, _ENDS[Verdict(verdict)], case, now, _facts(case, stage))
        elif _has_quorum(case, stage):
            if stage is stages[-1]:
                approval_id = _approve(actor, case, stages, now)
                move(case, transition, closed_at=now)
            else:
                _open_next_stage(case)
    return DecisionRecord(
        id=decision.id,
        case_id=case.id,
        subject_id=case.subject_id,
        sha256=case.sha256,
        stage_position=stage.position,
        stage_name=stage.name,
        reviewer_id=actor.id,
        verdict=str(verdict),
        created_at=now,
        case_state=str(case.state),
        approval_id=approval_id,
    )


def _context(case: Case, stage: Stage) -> Context:
    return Context(
        brand_id=case.brand_id,
        contributors=selectors.contributors(case.subject_id) | {case.requested_by},
        owner_id=case.requested_by,
        stage_role=Role(stage.role),
    )


def _check_not_decided(actor: Actor, case: Case) -> None:
    if case.decisions.filter(reviewer_id=actor.id).exists():
        raise AlreadyDecided(
            _("You have decided on this already; somebody else takes the next decision."),
            case_id=str(case.id),
        )


def _check_input(case: Case, *, verdict: str, sha256: str, reason: str) -> None:
    if sha256 != case.sha256:
        raise BytesChanged(
            _("What you looked at is not what is under review: open the page again."),
            pointer="/sha256",
            case_id=str(case.id),
        )
    if verdict != Verdict.APPROVE and not reason.strip():
        raise ReasonRequired(
            _("Say why: the requester reads your reason."), pointer="/reason", rule="required"
        )
    check_reason(reason, required=False)


def _record(
    actor: Actor, case: Case, stage: Stage, *, verdict: str, reason: str, now: datetime
) -> Decision:
    sealed = None
    if reason.strip():
        sealed = sealing.seal(person_id=actor.id, text=reason, purpose=selectors.REASON_PURPOSE)
    decision = Decision.objects.create(
        case=case,
        subject_id=case.subject_id,
        sha256=case.sha256,
        stage=stage,
        reviewer_id=actor.id,
        verdict=verdict,
        reason=sealed,
        policy_id=case.policy_id,
        created_at=now,
    )
    _append(
        actor,
        Event.REVIEW_CASE_DECIDED,
        case,
        now,
        {**_facts(case, stage), "decision_id": str(decision.id), "verdict": str(verdict)},
        sealed=None if sealed is None else {"reason": sealed},
    )
    return decision


def _has_quorum(case: Case, stage: Stage) -> bool:
    approvals = case.decisions.filter(
        stage=stage, sha256=case.sha256, verdict=Verdict.APPROVE
    ).exclude(reviewer_id__in=selectors.contributors(case.subject_id))
    return approvals.values("reviewer_id").distinct().count() >= stage.quorum


def _open_next_stage(case: Case) -> None:
    rows = Case.objects.filter(
        id=case.id, state=case.state, stage_position=case.stage_position
    ).update(stage_position=case.stage_position + 1)
    if rows != 1:
        raise StaleState(_("Somebody else moved this review first."), act="approve")
    case.stage_position += 1


def _approve(actor: Actor, case: Case, stages: list[Stage], now: datetime) -> UUID:
    """Write the ledger entry, the approval that names it, and the hint to the publisher."""
    approval_id = uuid7()
    entry_id = _append(
        actor,
        Event.REVIEW_CASE_APPROVED,
        case,
        now,
        {
            "approval_id": str(approval_id),
            "case_id": str(case.id),
            "policy_id": str(case.policy_id),
            "policy_number": case.policy.number,
            "pins": dict(case.pins),
            "stages": [_stage_facts(case, stage) for stage in stages],
            "contributors": sorted(map(str, selectors.contributors(case.subject_id))),
        },
    )
    Approval.objects.create(
        id=approval_id,
        case=case,
        subject_id=case.subject_id,
        sha256=case.sha256,
        entry_id=entry_id,
        policy_id=case.policy_id,
        created_at=now,
    )
    if case.subject.kind == SubjectKind.ASSET:
        outbox.wake("publishing.release", queue="publisher", case_id=str(case.id))
    return approval_id


def _stage_facts(case: Case, stage: Stage) -> dict[str, Any]:
    approvals = case.decisions.filter(stage=stage, verdict=Verdict.APPROVE).order_by("id")
    return {
        "position": stage.position,
        "name": stage.name,
        "role": stage.role,
        "quorum": stage.quorum,
        "reviewers": [
            str(reviewer) for reviewer in approvals.values_list("reviewer_id", flat=True)
        ],
    }


def _facts(case: Case, stage: Stage) -> dict[str, Any]:
    return {
        "case_id": str(case.id),
        "policy_id": str(case.policy_id),
        "stage": stage.position,
        "stage_name": stage.name,
    }


def _append(
    actor: Actor,
    event: Event,
    case: Case,
    now: datetime,
    facts: dict[str, Any],
    sealed: dict[str, bytes] | None = None,
) -> UUID:
    return ledger.append(
        actor=actor,
        event=event,
        subject=selectors.subject_ref(case.subject),
        now=now,
        facts=facts,
        sealed=sealed,
    )
