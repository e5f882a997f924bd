"""The first page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.kernel.actors import Actor
from imprimatur.web.screens import home as screens
from imprimatur.web.views._screen import screen


@require_safe
@screen
def home(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what waits for the person and where to start."""
    return render(request, "web/home.html", screens.home(actor))
