"""Signing in and out, and how the portal looks to this browser."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from governance.kernel import clock
from imprimatur.accounts import people
from imprimatur.accounts.errors import SignInRefused, TooManyAttempts
from imprimatur.web.forms.session import SignInForm

THEME_COOKIE = "im_theme"
THEMES = ("light", "dark")
YEAR_S = 365 * 24 * 3600
PLATES = tuple(f"a{number}" for number in range(12))


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for name and password, and go where the person wanted to go."""
    target = _safe_next(request)
    if request.method != "POST":
        if people.find_actor_from_request(request) is not None:
            return redirect(target)
        return _sign_in_page(request, SignInForm(), target, 200)
    form = SignInForm(request.POST)
    if not form.is_valid():
        return _sign_in_page(request, form, target, 400)
    try:
        people.sign_in(
            request,
            username=form.cleaned_data["username"],
            password=form.cleaned_data["password"],
            now=clock.now(),
        )
    except SignInRefused:
        form.add_error(None, _("This user name and password do not belong together."))
        return _sign_in_page(request, form, target, 401)
    except TooManyAttempts as error:
        form.add_error(None, error.detail)
        response = _sign_in_page(request, form, target, 429)
        response["Retry-After"] = str(error.facts.get("retry_after_s", 60))
        return response
    return redirect(target)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    people.sign_out(request)
    messages.success(request, _("You are signed out."))
    return redirect("web:sign-in")


@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Remember light, dark or the system's choice, in this browser only."""
    response = redirect(_safe_next(request))
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            THEME_COOKIE,
            theme,
            max_age=YEAR_S,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure(),
        )
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


def _sign_in_page(request: HttpRequest, form: SignInForm, target: str, status: int) -> HttpResponse:
    context = {"form": form, "next": target, "plates": PLATES}
    return render(request, "web/sign_in.html", context, status=status)


def _safe_next(request: HttpRequest) -> str:
    """Return where to go next: an address of ours, or home."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else "/"
