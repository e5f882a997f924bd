"""The page on which the compliance stage decides about an image that could not be judged."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from generation.jobs import services as jobs
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permits import NotPermitted
from imprimatur.web.forms.hold import ACCEPT, HoldForm
from imprimatur.web.screens import holds as screens
from imprimatur.web.views._screen import screen


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def hold(request: HttpRequest, actor: Actor, item_id: UUID) -> HttpResponse:
    """Show one held image, or record whether it goes into review."""
    if request.method != "POST":
        return _page(request, actor, item_id, None, 200)
    form = HoldForm(request.POST)
    if not form.is_valid():
        return _page(request, actor, item_id, form, 400)
    accept = form.cleaned_data["outcome"] == ACCEPT
    try:
        jobs.resolve_hold(
            actor=actor,
            item_id=item_id,
            accept=accept,
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        form.add_error("reason" if error.pointer == "/reason" else None, error.detail)
        return _page(request, actor, item_id, form, error.status)
    messages.success(
        request,
        _("Sent into review. Every stage decides about it now, as about any other image.")
        if accept
        else _("Image refused. The requester reads your reason."),
    )
    following = screens.next_held(actor)
    return redirect("web:hold", following) if following else redirect("web:reviews")


def _page(
    request: HttpRequest, actor: Actor, item_id: UUID, form: HoldForm | None, status: int
) -> HttpResponse:
    context = screens.hold_page(actor, item_id)
    if context["hindrance"] is None:
        context["form"] = form or HoldForm()
    elif form is not None:
        for error in form.non_field_errors():
            messages.error(request, str(error))
    return render(request, "web/hold.html", context, status=status)
