"""What every screen does first: who is it, and what does an anticipated failure look like."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.cache import patch_cache_control

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from imprimatur.accounts import people
from imprimatur.web.views import errors

P = ParamSpec("P")


def screen(
    view: Callable[Concatenate[HttpRequest, Actor, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Hand the view its actor; send others to sign in; show an anticipated failure as a page."""

    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        actor = people.find_actor_from_request(request)
        if actor is None:
            return _sign_in_first(request)
        try:
            response = view(request, actor, *args, **kwargs)
        except DomainError as error:
            response = errors.page(request, error.status, error.detail)
        if "Cache-Control" not in response:
            patch_cache_control(response, private=True, no_cache=True)
        return response

    return inner


def is_fragment(request: HttpRequest) -> bool:
    """Tell whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    if is_fragment(request):
        # A fragment must not become the sign-in page; what was typed around it stays.
        return errors.signed_out_fragment(request)
    here = request.get_full_path() if request.method == "GET" else resolve_url("web:home")
    return redirect_to_login(here, resolve_url("web:sign-in"))
