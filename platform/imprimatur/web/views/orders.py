"""The list of orders, one order's contact sheet, and stopping an image."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from generation.jobs import selectors as job_selectors
from generation.jobs import services as jobs
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.lifecycle import IllegalTransition
from imprimatur.web.screens import orders as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen


@require_safe
@screen
def orders(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the orders, newest first."""
    return render(request, "web/orders.html", screens.orders(actor, uuid_of(request, "after")))


@require_safe
@screen
def job(request: HttpRequest, actor: Actor, job_id: UUID) -> HttpResponse:
    """Show one order's contact sheet."""
    return render(request, "web/job.html", {"job": screens.contact_sheet(actor, job_id)})


@require_safe
@screen
def job_fragment(request: HttpRequest, actor: Actor, job_id: UUID) -> HttpResponse:
    """Show the sheet alone, or 204 while nothing moved since `seen`."""
    sheet = screens.contact_sheet(actor, job_id)
    if request.GET.get("seen") == sheet["version"]:
        return HttpResponse(status=204)
    return render(request, "web/parts/sheet.html", {"job": sheet})


@require_POST
@screen
def cancel_item(request: HttpRequest, actor: Actor, item_id: UUID) -> HttpResponse:
    """Stop one image, and come back to its sheet."""
    job_id, _item = job_selectors.get_item(actor, item_id)
    try:
        state = jobs.cancel_item(actor=actor, item_id=item_id, now=clock.now())
    except IllegalTransition:
        messages.warning(
            request, _("This image is finished already, so there is nothing to cancel.")
        )
    else:
        messages.success(
            request,
            _("Image cancelled. It cost no quota.")
            if state == "cancelled"
            else _("The worker was asked to stop; the image ends as cancelled within seconds."),
        )
    return redirect("web:job", job_id)
