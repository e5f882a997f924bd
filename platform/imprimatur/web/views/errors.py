"""The pages for what did not work: what happened and where to go; none shows internals."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

TITLES = {
    400: gettext_lazy("That cannot be right"),
    403: gettext_lazy("This is not yours to do"),
    404: gettext_lazy("There is nothing here"),
    409: gettext_lazy("That is not possible any more"),
    422: gettext_lazy("This was refused"),
    429: gettext_lazy("Too many attempts"),
}


def page(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """Show one failure, with its status."""
    context = {
        "status": status,
        "title": TITLES.get(status, gettext_lazy("This did not work")),
        "detail": detail,
    }
    return render(request, "web/error.html", context, status=status)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Answer 403 for what Django itself refuses."""
    return page(request, 403, _("You may see this, but you may not do it."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Answer 404."""
    return page(request, 404, _("The address is wrong, or what it names is hidden from you."))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Answer a form whose token is stale: most often the session ended in another tab."""
    return page(
        request,
        403,
        _(
            "This form was open for too long, or cookies are off. "
            "Go back, load the page again and send it once more."
        ),
    )


def failed(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """Answer 500 without touching the database: it may be what failed."""
    context = {
        "status": 500,
        "title": _("Something broke on our side"),
        "detail": _(
            "It is in the log. Nothing was released or published by it. Try again in a moment."
        ),
    }
    return HttpResponse(render_to_string("web/error.html", context), status=500)


def signed_out_fragment(request: HttpRequest) -> HttpResponse:
    """Answer htmx for whoever is signed out: polling leaves for sign-in, forms keep their text."""
    response = render(request, "web/parts/signed_out.html", status=401)
    if request.method == "GET":
        response["HX-Redirect"] = request.headers.get("HX-Current-URL", "/")
    return response
