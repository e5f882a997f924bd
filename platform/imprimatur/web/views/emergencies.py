"""Break-glass: the list, how it is opened, and the acts of the second and the third person."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permits import NotPermitted
from governance.review import services as review
from imprimatur.web.forms.emergency import AgreementForm, JudgementForm, OpeningForm, ProvenForm
from imprimatur.web.screens import emergencies as screens
from imprimatur.web.views._proof import add_error, proven
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen
from imprimatur.workflow import emergencies as workflow
from imprimatur.workflow.rosters import roster_of

FORMS: dict[str, type[ProvenForm]] = {
    "confirm": AgreementForm,
    "use": ProvenForm,
    "judge": JudgementForm,
}


@require_safe
@screen
def emergencies(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the emergencies that the person may see."""
    context = screens.page(actor, uuid_of(request, "after"))
    return render(request, "web/emergencies.html", context)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@screen
def opening(request: HttpRequest, actor: Actor, case_id: UUID) -> HttpResponse:
    """Show what breaking the glass means, or do it."""
    now = clock.now()
    context = screens.opening_page(actor, case_id, now)
    asks = context["asks_password"]
    if request.method != "POST":
        form = OpeningForm(initial={"sha256": context["case"]["sha256"]}, asks_password=asks)
        return render(request, "web/emergency_open.html", {**context, "form": form})
    form = OpeningForm(request.POST, asks_password=asks)
    status = 400
    if form.is_valid():
        try:
            opened = review.open_break_glass(
                actor=proven(request, actor, form, now),
                case_id=case_id,
                sha256=form.cleaned_data["sha256"],
                reason=form.cleaned_data["reason"],
                roster_of=roster_of,
                now=now,
            )
        except (NotFound, NotPermitted):
            raise
        except DomainError as error:
            status = add_error(form, error)
        else:
            messages.warning(request, _("Another person must confirm it now. Everybody is told."))
            return redirect("web:emergency", opened.id)
    return render(request, "web/emergency_open.html", {**context, "form": form}, status=status)


@require_safe
@screen
def emergency(request: HttpRequest, actor: Actor, break_glass_id: UUID) -> HttpResponse:
    """Show one emergency with what this person can do about it."""
    return _page(request, actor, break_glass_id, {}, 200)


@sensitive_post_parameters("confirm-password")
@require_POST
@screen
def confirm(request: HttpRequest, actor: Actor, break_glass_id: UUID) -> HttpResponse:
    """Agree as the second person."""

    def act(proven: Actor, given: dict[str, Any], now: datetime) -> str:
        review.confirm_break_glass(
            actor=proven,
            break_glass_id=break_glass_id,
            sha256=given["sha256"],
            roster_of=roster_of,
            now=now,
        )
        return _("Confirmed. The countdown runs; until it is used, any reviewer can stop it.")

    return _acted(request, actor, break_glass_id, "confirm", act)


@require_POST
@screen
def stop(request: HttpRequest, actor: Actor, break_glass_id: UUID) -> HttpResponse:
    """Stop it."""
    try:
        review.stop_break_glass(
            actor=actor, break_glass_id=break_glass_id, roster_of=roster_of, now=clock.now()
        )
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Stopped. The review goes on as usual."))
    return redirect("web:emergency", break_glass_id)


@sensitive_post_parameters("use-password")
@require_POST
@screen
def use(request: HttpRequest, actor: Actor, break_glass_id: UUID) -> HttpResponse:
    """Approve by it, once the countdown is over."""

    def act(proven: Actor, _given: dict[str, Any], now: datetime) -> str:
        review.use_break_glass(
            actor=proven, break_glass_id=break_glass_id, roster_of=roster_of, now=now
        )
        return _("Case approved by break-glass. A third person judges it now.")

    return _acted(request, actor, break_glass_id, "use", act)


@sensitive_post_parameters("judge-password")
@require_POST
@screen
def judge(request: HttpRequest, actor: Actor, break_glass_id: UUID) -> HttpResponse:
    """Say as the third person whether it was right."""

    def act(proven: Actor, given: dict[str, Any], now: datetime) -> str:
        judged = workflow.judge(
            actor=proven,
            break_glass_id=break_glass_id,
            verdict=given["verdict"],
            reason=given["reason"],
            now=now,
        )
        if judged.state == "faulted":
            return _("Recorded as wrong. What it let out is taken back.")
        return _("Recorded as right.")

    return _acted(request, actor, break_glass_id, "judge", act)


def _acted(
    request: HttpRequest,
    actor: Actor,
    break_glass_id: UUID,
    name: str,
    act: Callable[[Actor, dict[str, Any], datetime], str],
) -> HttpResponse:
    """Do one act with its form; what goes wrong stands beside the form, with what was typed."""
    now = clock.now()
    form = FORMS[name](request.POST, asks_password=screens.asks_password(actor, now), prefix=name)
    status = 400
    if form.is_valid():
        try:
            said = act(proven(request, actor, form, now), form.cleaned_data, now)
        except (NotFound, NotPermitted):
            raise
        except DomainError as error:
            status = add_error(form, error)
        else:
            messages.success(request, said)
            return redirect("web:emergency", break_glass_id)
    return _page(request, actor, break_glass_id, {name: form}, status)


def _page(
    request: HttpRequest,
    actor: Actor,
    break_glass_id: UUID,
    bound: dict[str, ProvenForm],
    status: int,
) -> HttpResponse:
    context = screens.emergency_page(actor, break_glass_id, clock.now())
    initial = {"sha256": context["emergency"]["sha256"]}
    forms = {
        name: bound.get(name)
        or form(initial=initial, asks_password=context["asks_password"], prefix=name)
        for name, form in FORMS.items()
        if context["can"][name] or name in bound
    }
    return render(request, "web/emergency.html", {**context, "forms": forms}, status=status)
