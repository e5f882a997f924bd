"""The review queue: what waits for a person, what is held, and what stands in which state."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.jobs import selectors as jobs
from governance.kernel.actors import Actor
from governance.review import selectors as review
from imprimatur.web.screens import _shared, holds, together
from templates.brands.records import BrandRecord

PAGE = 24
HELD = 6
ALL_TABS = ("mine", "held", "open", "approved", "changes_requested", "rejected")


def queue(actor: Actor, show: str, after: UUID | None) -> dict[str, Any]:
    """Return a page of cases: those that wait for this person, or those in one state.

    Held images have no case yet; those who decide about them find them on a tab of their own, and
    the first of them before everything else that waits for them.
    """
    tabs = _tabs(actor)
    show = show if show in tabs else tabs[0]
    known = _shared.brands_by_id(actor)
    if show == "held":
        return _held_queue(actor, after, known, tabs)
    waiting = (
        jobs.list_held(actor, limit=HELD + 1)
        if show == "mine" and "held" in tabs and after is None
        else []
    )
    found = review.list_cases(
        actor,
        state=None if show == "mine" else show,
        decidable=show == "mine",
        after=after,
        limit=PAGE + 1,
    )
    kept, page = _shared.page_of(found, PAGE, after, {"show": show})
    return {
        "cases": _shared.case_cards(actor, kept, known),
        "together": [case.id for case in kept if together.may_be_decided_together(case)]
        if show == "mine"
        else [],
        "has_emergencies": bool(review.list_break_glass(actor, limit=1)),
        "held": holds.cards(actor, waiting[:HELD], known),
        "has_more_held": len(waiting) > HELD,
        "show": show,
        "tabs": _labelled(tabs, show),
        "page": page,
        "next_label": _("Next") if show == "mine" else "",
    }


def _tabs(actor: Actor) -> tuple[str, ...]:
    """Return the tabs that this person has a use for."""
    hidden = set()
    if not _shared.may_review(actor) and not review.waiting_for(actor):
        hidden.add("mine")
    if not _shared.may_decide_holds(actor):
        hidden.add("held")
    return tuple(tab for tab in ALL_TABS if tab not in hidden)


def _labelled(tabs: tuple[str, ...], show: str) -> list[dict[str, Any]]:
    labels = {
        "mine": _("For you"),
        "held": _("Held"),
        "open": _("Open"),
        "approved": _("Approved"),
        "changes_requested": _("Changes requested"),
        "rejected": _("Rejected"),
    }
    return [{"code": tab, "label": labels[tab], "is_current": tab == show} for tab in tabs]


def _held_queue(
    actor: Actor, after: UUID | None, known: Mapping[UUID, BrandRecord], tabs: tuple[str, ...]
) -> dict[str, Any]:
    found = jobs.list_held(actor, after=after, limit=PAGE + 1)
    kept, page = _shared.page_of(found, PAGE, after, {"show": "held"})
    return {
        "cases": [],
        "together": [],
        "has_emergencies": bool(review.list_break_glass(actor, limit=1)),
        "held": holds.cards(actor, kept, known),
        "has_more_held": False,
        "show": "held",
        "tabs": _labelled(tabs, "held"),
        "page": page,
        "next_label": _("Next"),
    }


def next_case(actor: Actor) -> UUID | None:
    """Return the next case that waits for this person and that nobody else looks at."""
    waiting = review.next_case(actor)
    return waiting.id if waiting else None
