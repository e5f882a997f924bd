"""One verdict on several images of little risk; each is decided and recorded by itself."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput
from governance.policy.freshness import ReauthenticationNeeded
from governance.review import services as review
from governance.review.services import ChecklistIncomplete, ChecklistNotMet, ReasonRequired
from imprimatur.accounts.errors import WrongPassword
from imprimatur.web.forms.together import TogetherForm
from imprimatur.web.screens import emergencies
from imprimatur.web.screens import together as screens
from imprimatur.web.views._screen import screen
from imprimatur.web.views.reviews import proven

# What is wrong with the form itself, whichever image it is about.
OF_THE_FORM = (
    ChecklistIncomplete,
    ChecklistNotMet,
    InvalidInput,
    ReasonRequired,
    ReauthenticationNeeded,
    WrongPassword,
)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@screen
def together(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the chosen images whole, or record one verdict on each of them."""
    sent = request.POST if request.method == "POST" else request.GET
    page = screens.page(actor, _ids(sent.getlist("chosen")))
    if request.method != "POST":
        return _page(request, page, _form(actor, page), 200)
    form = _form(actor, page, request.POST)
    if not form.is_valid():
        return _page(request, page, form, 400)
    try:
        done, refused = _decide(request, actor, page, form)
    except OF_THE_FORM as error:
        is_old = isinstance(error, ReauthenticationNeeded)
        form.refuse("/password" if is_old else error.pointer, error.detail)
        return _page(request, page, form, error.status)
    for said in refused:
        messages.error(request, said)
    if done:
        text = ngettext("%(n)s decision recorded.", "%(n)s decisions recorded.", done)
        messages.success(request, text % {"n": done})
    return redirect("web:reviews")


def _decide(
    request: HttpRequest, actor: Actor, page: dict[str, Any], form: TogetherForm
) -> tuple[int, list[str]]:
    """Decide each chosen image; return how many were, and what was said of the others.

    Raises: what is wrong with the form, before the first decision.
    """
    actor = proven(request, actor, form)
    titles = {card["token"]: card["title"] for card in page["cases"]}
    said = {**form.answer(), "stage": page["stage"]}
    done, refused = 0, []
    for token in form.cleaned_data["chosen"]:
        case_id, _colon, sha256 = token.partition(":")
        try:
            review.decide_in_bulk(
                actor=actor, case_id=UUID(case_id), sha256=sha256, now=clock.now(), **said
            )
        except DomainError as error:
            if isinstance(error, OF_THE_FORM) and not done:
                raise
            refused.append(f"{titles[token]}: {error.detail}")
        else:
            done += 1
    return done, refused


def _form(actor: Actor, page: dict[str, Any], data: Any = None) -> TogetherForm:
    return TogetherForm(
        data,
        chosen={card["token"]: card["title"] for card in page["cases"]},
        questions=page["questions"],
        guidance=page["guidance"],
        stages={},
        asks_password=emergencies.asks_password(actor, clock.now()),
    )


def _page(
    request: HttpRequest, page: dict[str, Any], form: TogetherForm, status: int
) -> HttpResponse:
    chosen = form["chosen"].value() or ()
    cases = [{**card, "is_chosen": card["token"] in chosen} for card in page["cases"]]
    context = {**page, "cases": cases, "form": form}
    return render(request, "web/together.html", context, status=status)


def _ids(chosen: Iterable[str]) -> list[UUID]:
    """Return the cases that are named; what is no id names none."""
    found = []
    for token in chosen:
        try:
            found.append(UUID(token.partition(":")[0]))
        except ValueError:
            continue
    return found
