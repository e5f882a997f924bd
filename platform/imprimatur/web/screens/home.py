"""The first page after signing in: what waits, what runs, where to start."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.jobs import selectors as jobs
from governance.kernel.actors import Actor
from governance.ledger import selectors as ledger
from governance.review import selectors as review
from imprimatur.accounts import selectors as accounts
from imprimatur.web.screens import _shared, gallery, holds

CASES = 6
JOBS = 4
TEMPLATES = 4


def home(actor: Actor) -> dict[str, Any]:
    """Return what the person's roles make worth seeing first."""
    known = _shared.brands_by_id(actor)
    waiting = (
        review.list_cases(actor, decidable=True, limit=CASES) if _shared.may_review(actor) else ()
    )
    held = jobs.list_held(actor, limit=CASES) if _shared.may_decide_holds(actor) else []
    recent = jobs.list_jobs(actor, limit=JOBS)
    can_order = _shared.may_order(actor)
    mine = [job for job in recent if job.requester_id == actor.id]
    shown = mine if can_order else recent
    names = accounts.display_names({job.requester_id for job in shown})
    running = sum(job.state != "done" for job in shown)
    return {
        "summary": _summary(len(waiting), len(held), running),
        "can_order": can_order,
        "cases": _shared.case_cards(actor, waiting, known),
        "held": holds.cards(actor, held, known),
        "jobs": _shared.order_rows(shown, known, names, actor.id),
        "templates": gallery.cards(actor, known)[:TEMPLATES] if can_order else [],
        "checkpoint": ledger.find_checkpoint() if _shared.may_audit(actor) else None,
    }


def _summary(waiting: int, held: int, running: int) -> str:
    parts = []
    if waiting >= CASES:
        parts.append(_("Several cases wait for your decision."))
    elif waiting:
        parts.append(
            ngettext(
                "%(n)s case waits for your decision.",
                "%(n)s cases wait for your decision.",
                waiting,
            )
            % {"n": waiting}
        )
    if held >= CASES:
        parts.append(_("Several images are held for your decision."))
    elif held:
        parts.append(
            ngettext(
                "%(n)s image is held for your decision.",
                "%(n)s images are held for your decision.",
                held,
            )
            % {"n": held}
        )
    if running:
        parts.append(
            ngettext("%(n)s order is being made.", "%(n)s orders are being made.", running)
            % {"n": running}
        )
    return " ".join(parts) or _("Nothing waits for you.")
