"""Backtests of proposed scoring policies, and how scores agree with what people decided."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permits import NotPermitted
from governance.review import selectors as review
from imprimatur.web.screens import backtests
from imprimatur.web.screens import calibration as calibrations
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen
from imprimatur.workflow import backtest as backtesting

DIGITS = 6


@require_POST
@screen
def run_backtest(request: HttpRequest, actor: Actor, policy_id: UUID) -> HttpResponse:
    """Backtest a proposed policy over as many images as were asked for."""
    given = request.POST.get("assets", "")
    # Nonsense is refused as a number that is out of range is.
    count = int(given) if given.isascii() and given.isdigit() and len(given) <= DIGITS else 0
    try:
        backtesting.run(actor=actor, policy_id=policy_id, count=count, now=clock.now())
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Backtest done: its report is on file with the review."))
    case = review.find_case_for_subject(policy_id)
    return redirect("web:reviews") if case is None else redirect("web:review", case.id)


@require_safe
@screen
def backtest(request: HttpRequest, actor: Actor, backtest_id: UUID) -> HttpResponse:
    """Show one report."""
    return render(request, "web/backtest.html", backtests.report_page(actor, backtest_id))


@require_safe
@screen
def calibration(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show how a brand's scorers agree with its reviewers."""
    context = calibrations.page(actor, uuid_of(request, "brand"))
    return render(request, "web/calibration.html", context)
