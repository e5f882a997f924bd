"""The appeals that wait, and the page on which one is decided or taken back."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permits import NotPermitted
from governance.refusals import services as refusals
from governance.refusals.errors import AppealClosed
from imprimatur.web.forms.appeal import RulingForm
from imprimatur.web.screens import refusals as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen
from imprimatur.workflow import appeals as workflow


@require_safe
@screen
def appeals(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the appeals that wait for the person, or all that they may see."""
    context = screens.appeals_page(actor, request.GET.get("show", ""), uuid_of(request, "after"))
    return render(request, "web/appeals.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def appeal(request: HttpRequest, actor: Actor, appeal_id: UUID) -> HttpResponse:
    """Show one appeal, or record the decision about it."""
    if request.method != "POST":
        return _page(request, actor, appeal_id, None, 200)
    form = RulingForm(request.POST)
    if not form.is_valid():
        return _page(request, actor, appeal_id, form, 400)
    try:
        decided = workflow.decide(
            actor=actor,
            appeal_id=appeal_id,
            ruling=form.cleaned_data["ruling"],
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        form.add_error("reason" if error.pointer == "/reason" else None, error.detail)
        return _page(request, actor, appeal_id, form, error.status)
    messages.success(
        request,
        _("Refusal overturned. The requester reads your reason.")
        if decided.state == "overturned"
        else _("The refusal stands. The requester reads your reason."),
    )
    following = screens.next_appeal(actor)
    return redirect("web:appeal", following) if following else redirect("web:appeals")


@require_POST
@screen
def withdraw(request: HttpRequest, actor: Actor, appeal_id: UUID) -> HttpResponse:
    """Take one's own appeal back, and come back to its page."""
    try:
        refusals.withdraw_appeal(actor=actor, appeal_id=appeal_id, now=clock.now())
    except AppealClosed as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("Appeal taken back."))
    return redirect("web:appeal", appeal_id)


def _page(
    request: HttpRequest, actor: Actor, appeal_id: UUID, form: RulingForm | None, status: int
) -> HttpResponse:
    context = screens.appeal_page(actor, appeal_id)
    if context["hindrance"] is None:
        context["form"] = form or RulingForm()
    elif form is not None:
        for error in form.non_field_errors():
            messages.error(request, str(error))
    return render(request, "web/appeal.html", context, status=status)
