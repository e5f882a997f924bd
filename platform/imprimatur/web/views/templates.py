"""The gallery of released templates."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.kernel.actors import Actor
from imprimatur.web.screens import gallery
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen


@require_safe
@screen
def templates(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what can be ordered."""
    context = gallery.gallery(actor, uuid_of(request, "brand"))
    return render(request, "web/templates.html", context)
