"""Several images of little risk side by side, for one verdict on each of those that are chosen."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.review import selectors as review
from governance.review.records import CaseRecord, CaseStage, ItemRecord
from imprimatur.web.screens import _shared

# Every image is shown whole, as a decision asks for; more would not be looked at.
MOST = 12


def may_be_decided_together(case: CaseRecord) -> bool:
    """Tell whether an open case is an image of so little risk that it may be one of many."""
    return case.subject.kind == "asset" and case.risk < settings.BULK_RISK_BELOW


def page(actor: Actor, case_ids: Sequence[UUID]) -> dict[str, Any]:
    """Return those of the cases that this person can decide as one: alike in policy and stage.

    The first decides which; the others are counted as left out.
    """
    asked = list(dict.fromkeys(case_ids))
    ready = [found for found in (_ready(actor, each) for each in asked[:MOST]) if found]
    kept = [
        (case, stage)
        for case, stage in ready
        if (case.policy_id, stage.key) == (ready[0][0].policy_id, ready[0][1].key)
    ]
    cases = [case for case, _stage in kept]
    stage = kept[0][1] if kept else None
    items = _items(*kept[0]) if kept else []
    known = _shared.brands_by_id(actor)
    return {
        "cases": [
            {**card, "token": token_of(case)}
            for card, case in zip(_shared.case_cards(actor, cases, known), cases, strict=True)
        ],
        "left_out": len(asked) - len(kept),
        "stage": stage.key if stage else "",
        "stage_name": stage.name if stage else "",
        "questions": {item.key: item.question for item in items},
        "guidance": {item.key: item.guidance for item in items},
    }


def _items(case: CaseRecord, stage: CaseStage) -> list[ItemRecord]:
    """Return the questions that a stage of the case answers."""
    return [item for item in case.checklist if item.stage_key in {"", stage.key}]


def token_of(case: CaseRecord) -> str:
    """Return what a form says of one image: its case and the bytes that were shown."""
    return f"{case.id}:{case.subject.sha256}"


def _ready(actor: Actor, case_id: UUID) -> tuple[CaseRecord, CaseStage] | None:
    """Return a case with the stage that asks this person, or None where they cannot decide it."""
    try:
        case = review.get_case(actor, case_id)
    except NotFound:
        return None
    if not may_be_decided_together(case):
        return None
    if any(said.reviewer_id == actor.id for stage in case.stages for said in stage.decisions):
        return None
    stages = review.stages_for(actor, case)
    return (case, stages[0]) if stages else None
