"""Whether an image can be made again, for its reviewers: the last replay in words."""

from typing import Any

from django.utils.translation import gettext as _

from generation.jobs import selectors as jobs
from generation.jobs.records import ReplayRecord
from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review.records import CaseRecord
from imprimatur.web.screens import steps


def on_page(actor: Actor, case: CaseRecord) -> dict[str, Any] | None:
    """Return the last replay of an image's case, and whether this person may ask; None for others.

    Raises: NotFound for an image that the actor may not see.
    """
    if case.subject.kind != "asset":
        return None
    last = next(iter(jobs.list_replays(actor, asset_id=case.subject.id, limit=1)), None)
    may_ask = permits.may(
        actor, Permission.GENERATION_REPLAY_CREATE, Context(brand_id=case.brand_id)
    )
    if last is None and not may_ask:
        return None
    return {
        "case_id": case.id,
        "last": None if last is None else _shown(last),
        "may_ask": may_ask and (last is None or last.is_over),
    }


def _shown(replay: ReplayRecord) -> dict[str, Any]:
    return {
        "state": replay.outcome or replay.state,
        "at": replay.finished_at or replay.created_at,
        "text": " ".join(filter(None, (_said(replay), _began(replay)))),
        "changed": replay.report.get("changed", []) if replay.outcome == "drifted" else [],
    }


def _began(replay: ReplayRecord) -> str:
    """Say at which step of the image's template a drift began; empty where nothing is known."""
    began = replay.report.get("first_drift")
    if not began:
        return ""
    return _("It began at step %(number)d: %(name)s.") % {
        "number": began["number"],
        "name": steps.name_of(began["name"]),
    }


def _said(replay: ReplayRecord) -> str:
    """Say in one or two sentences what was found."""
    if replay.failure:
        return replay.failure
    if not replay.is_over:
        return _("A worker makes the image again when no ordered image waits.")
    if replay.outcome == "same":
        return _("Made again from its recipe, the image is the same to the byte.")
    if replay.report.get("are_pixels_same"):
        return _("Every pixel is the same; only the file was written differently.")
    pixels = replay.report.get("pixels", {})
    if "differing_share" not in pixels:
        return _("Made again, the image is another one; how far they lie apart was not measured.")
    return _(
        "Made again, %(share)s %% of the pixels differ, by %(most)d of 255 at most; the mean color "
        "difference is %(delta)s (1 is just noticeable)."
    ) % {
        "share": f"{100 * pixels['differing_share']:.2f}",
        "most": pixels["largest_difference"],
        "delta": f"{pixels['ciede2000_mean']:.2f}",
    }
