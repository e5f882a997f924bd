"""Puts what governs a brand before reviewers, as images are: policies, rules, scoring policies."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.subjects import SubjectRef
from governance.review import selectors
from governance.review.records import CaseRecord, DecisionRecord
from governance.review.services._cases import open_case
from governance.review.services._decide import decide
from governance.review.services._deliveries import record_delivery
from governance.review.services._subjects import register_subject
from governance.review.states import Verdict


def submit_content(
    *, actor: Actor, subject: SubjectRef, title: str, now: datetime, parent_id: UUID | None = None
) -> CaseRecord:
    """Register a proposal's content with its author, and open the case that decides about it.

    `subject` has its brand and sha256; `parent_id` is the version that it
    would take the place of.
    Raises: what `register_subject` and `open_case` raise.
    """
    if subject.brand_id is None or subject.sha256 is None:
        message = "a proposal belongs to a brand and has its content's sha256"
        raise TypeError(message)
    with transaction.atomic():
        register_subject(
            subject_id=subject.id,
            kind=subject.kind,
            sha256=subject.sha256,
            brand_id=subject.brand_id,
            contributors={actor.id: "author"},
            parent_id=parent_id,
            now=now,
        )
        return open_case(
            actor=actor,
            subject_id=subject.id,
            title=title,
            pins={},
            requested_by=actor.id,
            now=now,
        )


def approve_content(
    *, actor: Actor, subject_id: UUID, sha256: str, now: datetime
) -> DecisionRecord:
    """Approve the content that the actor was shown, in its case; the last approval needed counts.

    `sha256` is of the content that was on their screen, which is recorded as its delivery. For a
    caller that showed it just now; a reviewer who reads first and decides later calls `decide`.
    Raises: NotFound, and what `decide` raises.
    """
    case = selectors.find_case_for_subject(subject_id)
    if case is None:
        raise NotFound(_("There is no review case for this."))
    record_delivery(actor=actor, subject_id=subject_id, sha256=sha256, now=now)
    # In a transaction of its own, because a refused attempt stays on record.
    return decide(
        actor=actor,
        case_id=case.id,
        verdict=Verdict.APPROVE.value,
        sha256=sha256,
        reason="",
        now=now,
    )
