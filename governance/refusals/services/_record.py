"""Records refusals, each with its reason and ledger entry in one transaction; none is silent."""

import math
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor, ActorKind
from governance.kernel.errors import InvalidInput
from governance.kernel.subjects import SubjectRef
from governance.ledger import bodies
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.refusals.models import Refusal
from governance.refusals.records import RefusalRecord
from governance.refusals.selectors import DETAIL_PURPOSE, record_of
from governance.refusals.states import OVERRIDABLE_BY, Stage
from governance.sealing import services as sealing

LONGEST_REASON = 500


def seal_detail(*, person_id: UUID, text: str) -> bytes:
    """Seal the offending text under its author's key, for `record(detail=…)`."""
    return sealing.seal(person_id=person_id, text=text, purpose=DETAIL_PURPOSE)


def record(
    *,
    actor: Actor,
    brand_id: UUID,
    stage: str,
    category: str,
    reason: str,
    requester_id: UUID,
    subject: SubjectRef,
    now: datetime,
    scorer: str = "",
    score: float | None = None,
    threshold: float | None = None,
    detail: bytes | None = None,
) -> RefusalRecord:
    """Record that something was stopped, and why; the stage says who may override it, if anybody.

    `subject` names what was stopped. A person other than the requester who records it is the one
    who refused, and so never decides about it again. `reason` is a plain sentence for the
    requester that repeats no personal text; that goes, sealed with `seal_detail`, into `detail`.
    A measurement that is not a number (a broken scorer) is recorded as none: the reason says so.
    Raises: InvalidInput.
    """
    _check(stage=stage, category=category, reason=reason, scorer=scorer, score=score)
    measured = score is not None and math.isfinite(score)
    with transaction.atomic():
        row = Refusal(
            created_at=now,
            brand_id=brand_id,
            stage=stage,
            category=category,
            scorer=scorer,
            score=score if measured else None,
            threshold=threshold if measured else None,
            reason=reason,
            detail=detail,
            requester_id=requester_id,
            subject_kind=subject.kind,
            subject_id=subject.id,
            overridable_by=OVERRIDABLE_BY.get(stage, ""),
            decided_by=_decider(actor, requester_id),
        )
        row.save(force_insert=True)
        ledger.append(
            actor=actor,
            event=Event.REFUSALS_REFUSAL_RECORDED,
            subject=SubjectRef("refusal", row.id, brand_id),
            now=now,
            facts=_facts(row, subject),
        )
    return record_of(row)


def _decider(actor: Actor, requester_id: UUID) -> UUID | None:
    """Return the person whose decision a refusal is; a rule's has none."""
    is_decision = actor.kind is ActorKind.PERSON and actor.id != requester_id
    return actor.id if is_decision else None


def _facts(row: Refusal, subject: SubjectRef) -> dict[str, object]:
    facts: dict[str, object] = {
        "stage": row.stage,
        "category": row.category,
        "reason": row.reason,
        "requester_id": str(row.requester_id),
        "refused_kind": subject.kind,
        "refused_id": str(subject.id),
    }
    if row.overridable_by:
        facts["overridable_by"] = row.overridable_by
    if row.decided_by is not None:
        facts["decided_by"] = str(row.decided_by)
    if subject.sha256 is not None:
        facts["refused_sha256"] = subject.sha256
    if row.scorer:
        facts["scorer"] = row.scorer
    if row.score is not None:
        facts["score"] = bodies.number_text(row.score)
    if row.threshold is not None:
        facts["threshold"] = bodies.number_text(row.threshold)
    return facts


def _check(*, stage: str, category: str, reason: str, scorer: str, score: float | None) -> None:
    if stage not in Stage.values:
        raise InvalidInput("A refusal happens at a known stage.", pointer="/stage", rule="enum")
    if not category:
        raise InvalidInput("A refusal names its category.", pointer="/category", rule="required")
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise InvalidInput(
            f"A refusal gives its reason, in at most {LONGEST_REASON} characters.",
            pointer="/reason",
            rule="length",
        )
    if score is not None and not scorer:
        raise InvalidInput("A score names its scorer.", pointer="/scorer", rule="required")
