"""What was refused and why: the list, the page on which one appeals, and the override."""

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
from imprimatur.web.forms.appeal import AppealForm, OverrideForm
from imprimatur.web.screens import refusals as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen
from imprimatur.workflow import appeals as workflow


@require_safe
@screen
def refusals_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the refusals, newest first."""
    context = screens.refusals_page(actor, request.GET.get("show", ""), uuid_of(request, "after"))
    return render(request, "web/refusals.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def refusal(request: HttpRequest, actor: Actor, refusal_id: UUID) -> HttpResponse:
    """Show one refusal and what can be done, or open an appeal and show that."""
    if request.method != "POST":
        return _page(request, actor, refusal_id, 200)
    form = AppealForm(request.POST)
    if not form.is_valid():
        return _page(request, actor, refusal_id, 400, appeal_form=form)
    try:
        appeal = refusals.open_appeal(
            actor=actor,
            refusal_id=refusal_id,
            argument=form.cleaned_data["argument"],
            now=clock.now(),
        )
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        form.add_error("argument" if error.pointer == "/argument" else None, error.detail)
        return _page(request, actor, refusal_id, error.status, appeal_form=form)
    messages.success(request, _("Appeal opened. Somebody who had no part in it decides."))
    return redirect("web:appeal", appeal.id)


@require_POST
@screen
def override(request: HttpRequest, actor: Actor, refusal_id: UUID) -> HttpResponse:
    """Override a refusal that nobody appealed, and come back to it."""
    form = OverrideForm(request.POST)
    if not form.is_valid():
        return _page(request, actor, refusal_id, 400, override_form=form)
    try:
        workflow.override(
            actor=actor,
            refusal_id=refusal_id,
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        form.add_error("reason" if error.pointer == "/reason" else None, error.detail)
        return _page(request, actor, refusal_id, error.status, override_form=form)
    messages.success(request, _("Refusal overridden. The requester reads your reason."))
    return redirect("web:refusal", refusal_id)


@require_POST
@screen
def words(request: HttpRequest, actor: Actor, refusal_id: UUID) -> HttpResponse:
    """Show what was refused to whoever may decide about it; the reading is recorded."""
    shown = workflow.reveal(actor=actor, refusal_id=refusal_id, now=clock.now())
    shown = shown if shown is not None else _("Erased")
    return _page(request, actor, refusal_id, 200, shown_words=shown)


def _page(
    request: HttpRequest,
    actor: Actor,
    refusal_id: UUID,
    status: int,
    *,
    appeal_form: AppealForm | None = None,
    override_form: OverrideForm | None = None,
    shown_words: str | None = None,
) -> HttpResponse:
    context = screens.refusal_page(actor, refusal_id, shown_words)
    for allowed, name, form, fresh in (
        ("may_appeal", "appeal_form", appeal_form, AppealForm),
        ("may_override", "override_form", override_form, OverrideForm),
    ):
        if context[allowed]:
            context[name] = form or fresh()
        elif form is not None:
            for error in form.non_field_errors():
                messages.error(request, str(error))
    return render(request, "web/refusal.html", context, status=status)
