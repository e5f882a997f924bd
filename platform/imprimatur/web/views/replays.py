"""Has the image of a review made again from its recipe."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from generation.jobs import services as jobs
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.review import selectors as review
from imprimatur.web.views._screen import screen


@require_POST
@screen
def ask(request: HttpRequest, actor: Actor, case_id: UUID) -> HttpResponse:
    """Ask for a replay of the case's image, and go back to the case."""
    case = review.get_case(actor, case_id)
    jobs.ask_for_replay(actor=actor, asset_id=case.subject.id, now=clock.now())
    messages.success(request, _("Asked for. The outcome will stand here."))
    return redirect("web:review", case_id)
