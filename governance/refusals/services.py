"""Records refusals, each with its reason and ledger entry in one transaction; none is silent."""

import math
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger import bodies
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.refusals.models import Refusal
from governance.refusals.records import RefusalRecord
from governance.refusals.selectors import DETAIL_PURPOSE, record_of
from governance.refusals.states import Stage
from governance.sealing import services as sealing

LONGEST_REASON = 500


def seal_detail(*, person_id: UUID, text: str) -> bytes:
    """Seal the offending text under its author's key, for `record(detail=…)`."""
    return sealing.seal(person_id=person_id, text=text, purpose=DETAIL_PURPOSE)


def record(  # noqa: PLR0913  a refusal is one sentence with many parts
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
    overridable_by: Role = Role.COMPLIANCE_REVIEWER,
) -> RefusalRecord:
    """Record that something was stopped, and why.

    `subject` names what was stopped. `reason` is a plain sentence for the requester that repeats
    no personal text; that goes, sealed with `seal_detail`, into `detail`. A measurement that is
    not a number (a broken scorer) is recorded as none: the reason says so.
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
            overridable_by=overridable_by,
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


def _facts(row: Refusal, subject: SubjectRef) -> dict[str, object]:
    facts: dict[str, object] = {
        "stage": row.stage,
        "category": row.category,
        "reason": row.reason,
        "requester_id": str(row.requester_id),
        "refused_kind": subject.kind,
        "refused_id": str(subject.id),
        "overridable_by": row.overridable_by,
    }
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
