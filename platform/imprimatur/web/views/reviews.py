"""The review queue and the page on which a person decides."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permits import NotPermitted
from governance.review import services as review
from imprimatur.web import words
from imprimatur.web.forms.decision import DecisionForm
from imprimatur.web.screens import reviews as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen


@require_safe
@screen
def reviews(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the cases that wait for the person, or those in one state."""
    context = screens.queue(actor, request.GET.get("show", ""), uuid_of(request, "after"))
    return render(request, "web/reviews.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def case(request: HttpRequest, actor: Actor, case_id: UUID) -> HttpResponse:
    """Show one case, or record a decision about the bytes that were shown."""
    if request.method != "POST":
        return _page(request, actor, case_id, None, 200)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        if "sha256" in form.errors:
            form.add_error(
                None, _("The form does not say which bytes you saw. Load the page again.")
            )
        return _page(request, actor, case_id, form, 400)
    try:
        decision = review.decide(
            actor=actor,
            case_id=case_id,
            verdict=form.cleaned_data["verdict"],
            sha256=form.cleaned_data["sha256"],
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        form.add_error("reason" if error.pointer == "/reason" else None, error.detail)
        return _page(request, actor, case_id, form, error.status)
    messages.success(request, _said(decision.verdict, decision.case_state))
    following = screens.next_case(actor)
    return redirect("web:review", following) if following else redirect("web:reviews")


def _page(
    request: HttpRequest, actor: Actor, case_id: UUID, form: DecisionForm | None, status: int
) -> HttpResponse:
    context = screens.case_page(actor, case_id)
    if context["hindrance"] is None:
        fresh = DecisionForm(initial={"sha256": context["case"]["sha256"]})
        context["form"] = form or fresh
    elif form is not None:
        for error in form.non_field_errors():
            messages.error(request, str(error))
    return render(request, "web/review.html", context, status=status)


def _said(verdict: str, state: str) -> str:
    if state == "open":
        return _("Approved for your stage. The next stage decides now.")
    if state == "approved":
        return _("Case approved: every stage agrees on these bytes.")
    return _("Recorded: %(verdict)s. The requester reads your reason.") % {
        "verdict": words.state(verdict).label
    }
