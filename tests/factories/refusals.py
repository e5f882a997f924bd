"""Refusals for tests: of an order, of an image, at any stage, each as the product records it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from imprimatur.workflow import appeals, order

from generation.jobs import selectors as jobs
from generation.jobs.models import JobItem
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.refusals import selectors, services
from governance.refusals.records import AppealRecord, OverrideRecord, RefusalRecord
from governance.review import services as reviews
from tests.factories import jobs as make
from tests.factories import orders, review

REFUSED = {"detail": "a h4zard badge"}
ARGUMENT = "It is a badge of our own Hazard family."
REASON = "A family name, not a warning."


def of_order(desk: orders.Desk, **changes: Any) -> RefusalRecord:
    """Place an order that a rule refuses, and return the refusal."""
    with pytest.raises(order.OrderRefused) as caught:
        desk.place(**({"with_variables": REFUSED} | changes))
    return selectors.get_refusal(SYSTEM, UUID(str(caught.value.facts["refusal_id"])))


def of_image(shop: make.Shop) -> tuple[RefusalRecord, JobItem]:
    """Order an image that its scores refuse, and return the refusal with the item."""
    ordered = shop.order().items[0]
    make.finish(make.claimed(ordered), "refuse")
    item = JobItem.objects.get(pk=ordered.id)
    assert item.refusal_id is not None
    return selectors.get_refusal(SYSTEM, item.refusal_id), item


def at(stage: str, team: review.Team, *, now: datetime = review.NOW) -> RefusalRecord:
    """Record a refusal at any stage, of the team's requester."""
    return services.record(
        actor=SYSTEM,
        brand_id=team.brand_id,
        stage=stage,
        category="some_rule",
        reason="A rule says no.",
        requester_id=team.requester.id,
        subject=SubjectRef("order", uuid7(), team.brand_id),
        now=now,
        detail=services.seal_detail(person_id=team.requester.id, text="Jane Doe drinking"),
    )


def appeal(
    refusal: RefusalRecord, actor: Actor | None = None, argument: str = ARGUMENT
) -> AppealRecord:
    """Appeal as the one who was refused, still a marketer of the brand, or as `actor`."""
    return services.open_appeal(
        actor=actor or requester_of(refusal),
        refusal_id=refusal.id,
        argument=argument,
        now=review.NOW,
    )


def requester_of(refusal: RefusalRecord) -> Actor:
    """Return the one who was refused."""
    return Actor(refusal.requester_id, roles={refusal.brand_id: frozenset({Role.MARKETER})})


def decide(
    opened: AppealRecord, actor: Actor, ruling: str = "overturn", reason: str = REASON
) -> AppealRecord:
    """Decide an appeal through the workflow."""
    return appeals.decide(
        actor=actor, appeal_id=opened.id, ruling=ruling, reason=reason, now=review.NOW
    )


def override(refusal: RefusalRecord, actor: Actor, reason: str = REASON) -> OverrideRecord:
    """Override a refusal that nobody appealed, through the workflow."""
    return appeals.override(actor=actor, refusal_id=refusal.id, reason=reason, now=review.NOW)


def contribute(refusal: RefusalRecord, person_id: UUID, part: str) -> None:
    """Give a person a part in what was refused."""
    reviews.add_contribution(
        subject_id=refusal.subject_id, actor_id=person_id, part=part, now=review.NOW
    )


def state_of(item: JobItem) -> str:
    """Return an item's present state, as our own processes see it."""
    return jobs.get_item(SYSTEM, item.id)[1].state
