"""The order form and its live preview."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_POST

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.policy.permits import NotPermitted
from governance.quota.errors import QuotaExceeded
from imprimatur.web.forms.order import OrderForm
from imprimatur.web.screens import ordering as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import is_fragment, screen
from imprimatur.workflow import order as workflow
from templates.prompts.records import VersionRecord


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def order(request: HttpRequest, actor: Actor, template_id: UUID) -> HttpResponse:
    """Show the form, or place the order and go to its contact sheet."""
    version = screens.released_version(actor, template_id)
    if request.method != "POST":
        form = screens.order_form(actor, version, asset=_asset(request))
        starter = version.content.get("starter", {})
        preview = _preview(actor, version, form, starter, form.usual_variants, None)
        return _page(request, actor, version, form, 200, **preview)
    form = screens.order_form(actor, version, request.POST)
    if not form.is_valid():
        return _page(request, actor, version, form, 400)
    width, height = form.size()
    try:
        job = workflow.place(
            actor=actor,
            template_id=template_id,
            variables=form.variables(),
            variants=form.cleaned_data["variants"],
            profile=form.cleaned_data.get("profile"),
            width=width,
            height=height,
            seed=form.cleaned_data["seed"],
            market=form.market(),
            wish=form.wish(),
            idempotency_key=form.cleaned_data["idempotency_key"],
            now=clock.now(),
        )
    except (NotFound, NotPermitted):
        raise
    except InvalidInput as error:
        for pointer, detail in _problems(error):
            form.add_problem(pointer, detail)
        return _page(request, actor, version, form, error.status)
    except (workflow.OrderRefused, QuotaExceeded) as error:
        if error.pointer:
            form.add_problem(error.pointer, screens.objection(error))
        refusal = screens.refusal(error)
        return _page(request, actor, version, form, error.status, refusal=refusal)
    except DomainError as error:
        form.add_error(None, error.detail)
        return _page(request, actor, version, form, error.status)
    return redirect("web:job", job.id)


@require_POST
@screen
def preview(request: HttpRequest, actor: Actor, template_id: UUID) -> HttpResponse:
    """Show the prompt that the values would make: as a fragment, or within the page."""
    version = screens.released_version(actor, template_id)
    form = screens.order_form(actor, version, request.POST)
    form.is_valid()
    wrong = form.first_variable_error()
    if wrong:
        context: dict[str, Any] = {"preview_error": wrong}
    else:
        variants = form.cleaned_data.get("variants") or 1
        profile = form.cleaned_data.get("profile")
        size = form.size() if "size" in form.cleaned_data else (None, None)
        context = _preview(actor, version, form, form.variables(), variants, profile, size)
    if is_fragment(request):
        response = render(request, "web/parts/preview.html", context)
    else:
        response = _page(request, actor, version, form, 200, **context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _preview(
    actor: Actor,
    version: VersionRecord,
    form: OrderForm,
    variables: dict[str, Any],
    variants: int,
    profile: str | None,
    size: tuple[int | None, int | None] = (None, None),
) -> dict[str, Any]:
    try:
        compiled = workflow.preview(
            actor=actor,
            template_id=version.template_id,
            variables=variables,
            variants=variants,
            profile=profile,
            width=size[0],
            height=size[1],
            market=form.market() if form.is_bound else None,
            wish=form.wish(),
            now=clock.now(),
        )
    except DomainError as error:
        return {"preview_error": error.detail}
    return {
        "preview": compiled,
        "marked": screens.marked(compiled),
        "findings": screens.findings(compiled, form),
        "wait": screens.wait(compiled),
        "takes": screens.takes(compiled.estimate),
        "short": screens.short(compiled.estimate),
    }


def _asset(request: HttpRequest) -> tuple[UUID | None, str]:
    """Return the image that a link asks to make others from, and the field that it is for."""
    ways = {"start_from": "source", "look_at": "references", "outlines_of": "control"}
    for name, field in ways.items():
        if name in request.GET:
            return uuid_of(request, name), field
    return None, ""


def _problems(error: InvalidInput) -> list[tuple[str | None, str]]:
    listed = error.facts.get("errors")
    if isinstance(listed, list) and listed:
        return [(problem["pointer"], problem["detail"]) for problem in listed]
    return [(error.pointer, error.detail)]


def _page(
    request: HttpRequest,
    actor: Actor,
    version: VersionRecord,
    form: OrderForm,
    status: int,
    **more: Any,
) -> HttpResponse:
    context = {**screens.ordering(actor, version, form, clock.now()), **more}
    return render(request, "web/order.html", context, status=status)
