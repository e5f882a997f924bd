"""Remarks on an image under review: a new one, its thread, and that it is settled."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permits import NotPermitted
from governance.review import services as review
from governance.review.services import AlreadyResolved, CaseClosed
from imprimatur.web.forms.remark import WHOLE, RemarkForm, SaidForm
from imprimatur.web.screens import threads as screens
from imprimatur.web.views._screen import screen
from imprimatur.workflow.rosters import roster_of


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def remark(request: HttpRequest, actor: Actor, case_id: UUID) -> HttpResponse:
    """Show the page for a new remark, or put it on the image."""
    context = screens.remark_page(actor, case_id)
    people = context["people"]
    if request.method != "POST":
        initial = {"sha256": context["case"]["sha256"], **_pointed_at(request)}
        form = RemarkForm(initial=initial, people=people)
        return _remark_page(request, context, form, 200)
    form = RemarkForm(request.POST, people=people)
    if form.is_valid():
        try:
            review.annotate(
                actor=actor,
                case_id=case_id,
                roster_of=roster_of,
                now=clock.now(),
                **form.place(),
                **form.said(),
            )
        except (NotFound, NotPermitted):
            raise
        except DomainError as error:
            _add(form, error)
            return _remark_page(request, context, form, error.status)
        messages.success(request, _("Remark kept."))
        return redirect(reverse("web:review", args=[case_id]) + "#remarks")
    return _remark_page(request, context, form, 400)


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def thread(request: HttpRequest, actor: Actor, annotation_id: UUID) -> HttpResponse:
    """Show one thread alone, or add an answer."""
    context = screens.thread_page(actor, annotation_id)
    people = context["people"]
    if request.method != "POST":
        return render(request, "web/thread.html", {**context, "form": SaidForm(people=people)})
    form = SaidForm(request.POST, people=people)
    if not form.is_valid():
        return render(request, "web/thread.html", {**context, "form": form}, status=400)
    try:
        review.reply(
            actor=actor,
            annotation_id=annotation_id,
            roster_of=roster_of,
            now=clock.now(),
            **form.said(),
        )
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        _add(form, error)
        return render(request, "web/thread.html", {**context, "form": form}, status=error.status)
    return redirect("web:thread", annotation_id)


@require_POST
@screen
def settle(request: HttpRequest, actor: Actor, annotation_id: UUID) -> HttpResponse:
    """Settle a thread, and go back to its page."""
    try:
        review.resolve(actor=actor, annotation_id=annotation_id, now=clock.now())
    except (AlreadyResolved, CaseClosed) as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Settled."))
    return redirect("web:thread", annotation_id)


def _pointed_at(request: HttpRequest) -> dict[str, float]:
    """Return the place that a click on the image put into the address, if both halves are there."""
    try:
        place = {name: float(request.GET[name]) for name in ("x", "y")}
    except (KeyError, ValueError):
        return {}
    return place if all(0 <= share <= WHOLE for share in place.values()) else {}


def _remark_page(
    request: HttpRequest, context: dict[str, Any], form: RemarkForm, status: int
) -> HttpResponse:
    marks = [*context["marks"], *form.marks()]
    context = {**context, "form": form, "marks": marks}
    return render(request, "web/remark.html", context, status=status)


def _add(form: SaidForm, error: DomainError) -> None:
    name = (error.pointer or "").lstrip("/")
    form.add_error(name if name in form.fields else None, error.detail)
