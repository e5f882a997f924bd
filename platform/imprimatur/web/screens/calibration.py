"""How a brand's scorers agree with its reviewers, as plots and the tables beside them."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from imprimatur.web import plots, words
from imprimatur.web.plots import Dot
from imprimatur.web.screens import _shared
from imprimatur.workflow import agreement, calibration
from imprimatur.workflow.agreement import Interval
from imprimatur.workflow.calibration import Calibration, Month

# By convention: below the first a month is like the one before, above the second it is not.
STEADY, CHANGED = 0.1, 0.25


def page(actor: Actor, brand_id: UUID | None) -> dict[str, Any]:
    """Return the calibration of one brand, or of the first that the actor sees.

    Raises: NotFound for a hidden brand, NotPermitted.
    """
    known = [
        brand
        for brand in _shared.brands_by_id(actor).values()
        if permits.may(actor, Permission.GENERATION_ASSET_READ, Context(brand_id=brand.id))
    ]
    if brand_id is None:
        if not known:
            return {"brands": [], "report": None}
        brand_id = known[0].id
    elif brand_id not in {brand.id for brand in known}:
        raise NotFound(_("No brand has this id."))
    report = calibration.report(actor=actor, brand_id=brand_id)
    return {
        "brands": [
            {"id": brand.id, "name": brand.name, "is_current": brand.id == brand_id}
            for brand in known
        ],
        "report": {
            "images": report.images,
            "decided": report.decided,
            "emergencies": report.emergencies,
            "policy_number": report.policy_number,
            "least": agreement.LEAST_OF_EACH,
            "most": calibration.MOST,
            "scorers": [_scorer(each) for each in report.scorers],
        },
    }


def _scorer(each: Calibration) -> dict[str, Any]:
    name = words.scorer(each.scorer)
    return {
        "key": each.scorer,
        "name": name,
        "version": each.version,
        "weights_sha256": each.weights_sha256,
        "images": each.images,
        "older": each.older,
        "approved": each.approved,
        "rejected": each.rejected,
        "threshold": each.threshold,
        "direction": {
            "better": _("Higher values are better"),
            "worse": _("Higher values are worse"),
        }.get(each.direction or "", _("Which way it points is not on record")),
        "auc": _percent_of(each.auc),
        "precision": None if each.at is None else _percent(each.at.precision),
        "recall": None if each.at is None else _percent(each.at.recall),
        "at": each.at,
        "spread": _spread(each, name),
        "agreement": _agreement(each, name),
        "months": [_month(month) for month in each.months],
    }


def _spread(each: Calibration, name: str) -> str:
    if each.spread is None:
        return ""
    return plots.back_to_back(
        each.spread.approved,
        each.spread.rejected,
        ends=(each.spread.low, each.spread.high),
        limit=each.threshold,
        title=_("%(scorer)s: values of approved and of rejected images") % {"scorer": name},
        description=_(
            "%(approved)s approved images upward, %(rejected)s rejected ones downward, in %(bars)s "
            "steps of the value; the line is the threshold."
        )
        % {"approved": each.approved, "rejected": each.rejected, "bars": calibration.BARS},
    )


def _agreement(each: Calibration, name: str) -> str:
    if not any(month.auc for month in each.months):
        return ""
    return plots.dots(
        [
            Dot(
                month.month[5:],
                *((None, None, None) if month.auc is None else _ends(month.auc)),
            )
            for month in each.months
        ],
        title=_("%(scorer)s: agreement by month") % {"scorer": name},
        description=_("Area under the curve, with its interval of 95 in 100; a half is chance."),
        guide=0.5,
    )


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _month(month: Month) -> dict[str, Any]:
    return {
        "month": month.month,
        "images": month.images,
        "approved": month.approved,
        "rejected": month.rejected,
        "auc": _percent_of(month.auc),
        "drift": None if month.drift is None else f"{month.drift:.2f}",
        "drifted": _drifted(month.drift),
    }


def _drifted(drift: float | None) -> dict[str, str] | None:
    if drift is None:
        return None
    if drift < STEADY:
        return {"icon": "check", "tone": "good", "text": _("steady")}
    if drift <= CHANGED:
        return {"icon": "flag", "tone": "warn", "text": _("moved")}
    return {"icon": "alert", "tone": "bad", "text": _("changed")}


def _percent_of(interval: Interval | None) -> dict[str, str] | None:
    if interval is None:
        return None
    low, high = f"{interval.low:.2f}", f"{interval.high:.2f}"
    return {"value": f"{interval.value:.2f}", "low": low, "high": high}


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.0f} %"
