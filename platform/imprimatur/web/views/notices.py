"""What a person was told: the list, and the way from a notice to what it is about."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.notices import services as notices
from imprimatur.web.screens import notices as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def notices_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the person's notices, or mark them all as read."""
    if request.method == "POST":
        notices.mark_all_read(actor=actor, now=clock.now())
        return redirect("web:notices")
    context = screens.page(actor, uuid_of(request, "after"))
    return render(request, "web/notices.html", context)


@require_POST
@screen
def notice(_request: HttpRequest, actor: Actor, notice_id: UUID) -> HttpResponse:
    """Mark one as read, and go to the review that it is about."""
    read = notices.mark_read(actor=actor, notice_id=notice_id, now=clock.now())
    return redirect("web:review", read.case_id) if read.case_id else redirect("web:notices")
