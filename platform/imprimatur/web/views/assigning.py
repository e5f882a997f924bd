"""Giving an open stage of a review to one person."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permissions import Permission
from governance.policy.permits import NotPermitted
from imprimatur.web.forms.assignment import AssignmentForm
from imprimatur.web.screens import assigning as screens
from imprimatur.web.views._screen import screen
from imprimatur.workflow import reviewing

FIELDS = {"/stage": "stage", "/person_id": "person", "/reason": "reason"}


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def assign(request: HttpRequest, actor: Actor, case_id: UUID) -> HttpResponse:
    """Show who could decide an open stage, or give it to one of them."""
    context = screens.page(actor, case_id)
    offered = {"stages": context["stages"], "people": context["people"]}
    if request.method != "POST":
        form = AssignmentForm(**offered)
        return render(request, "web/assign.html", {**context, "form": form})
    if not context["may"]:
        raise NotPermitted(
            _("This review is over, you had a part in it, or giving it away takes another role."),
            permission=Permission.REVIEW_TURN_ASSIGN.value,
        )
    form = AssignmentForm(request.POST, **offered)
    status = 400
    if form.is_valid():
        try:
            reviewing.assign(
                actor=actor,
                case_id=case_id,
                stage_key=form.cleaned_data["stage"],
                person_id=form.cleaned_data["person"],
                reason=form.cleaned_data["reason"],
                now=clock.now(),
            )
        except (NotFound, NotPermitted):
            raise
        except DomainError as error:
            form.add_error(FIELDS.get(error.pointer or ""), error.detail)
            status = error.status
        else:
            messages.success(request, _("Given. They are told, and the others are not asked."))
            return redirect("web:review", case_id)
    return render(request, "web/assign.html", {**context, "form": form}, status=status)
