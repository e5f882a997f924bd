"""The review queue and the page on which a person decides."""

from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy import freshness
from governance.policy.freshness import ReauthenticationNeeded
from governance.policy.permits import NotPermitted
from governance.review import services as review
from governance.review.records import ClaimRecord
from imprimatur.accounts import people
from imprimatur.web import words
from imprimatur.web.forms.decision import DecisionForm
from imprimatur.web.screens import cases
from imprimatur.web.screens import reviews as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen


@require_safe
@screen
def reviews(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the cases that wait for the person, or those in one state."""
    context = screens.queue(actor, request.GET.get("show", ""), uuid_of(request, "after"))
    return render(request, "web/reviews.html", context)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@screen
def case(request: HttpRequest, actor: Actor, case_id: UUID) -> HttpResponse:
    """Show one case, or record a decision about the bytes that were shown."""
    page = cases.case_page(actor, case_id, clock.now())
    if request.method != "POST":
        return _page(request, actor, page, _form(actor, page), 200)
    form = _form(actor, page, request.POST)
    if not form.is_valid():
        if "sha256" in form.errors:
            form.add_error(
                None, _("The form does not say which bytes you saw. Load the page again.")
            )
        return _page(request, actor, page, form, 400)
    try:
        decision = review.decide(
            actor=proven(request, actor, form), case_id=case_id, now=clock.now(), **form.said()
        )
    except (NotFound, NotPermitted):
        raise
    except ReauthenticationNeeded as error:
        form.refuse("/password", _("Give your password again, then record the decision."))
        return _page(request, actor, page, form, error.status)
    except DomainError as error:
        form.refuse(error.pointer, error.detail)
        return _page(request, actor, page, form, error.status)
    messages.success(request, _said(decision.verdict, decision.case_state))
    following = screens.next_case(actor)
    return redirect("web:review", following) if following else redirect("web:reviews")


@require_POST
@screen
def confirm(request: HttpRequest, actor: Actor, decision_id: UUID) -> HttpResponse:
    """Confirm that the changes which an approval asked for are made."""
    note = request.POST.get("note", "")
    confirmed = review.confirm_condition(
        actor=actor, decision_id=decision_id, note=note, now=clock.now()
    )
    messages.success(request, _("Confirmed: the changes are made."))
    return redirect("web:review", confirmed.id)


@require_POST
@screen
def leave(request: HttpRequest, actor: Actor, case_id: UUID) -> HttpResponse:
    """Say that the person no longer looks at the case, so that others can."""
    review.release_claim(actor=actor, case_id=case_id)
    messages.success(request, _("Left to the others. Nothing was decided."))
    return redirect("web:reviews")


def _form(actor: Actor, page: dict[str, Any], data: QueryDict | None = None) -> DecisionForm:
    is_fresh = freshness.is_fresh(actor, now=clock.now(), within_s=settings.REAUTHENTICATE_AFTER_S)
    return DecisionForm(
        data,
        initial={"sha256": page["case"]["sha256"]},
        questions=page["questions"],
        guidance=page["guidance"],
        stages=page["stages"],
        asks_password=not is_fresh,
    )


def proven(request: HttpRequest, actor: Actor, form: DecisionForm) -> Actor:
    """Return the actor, with the password that the form brought taken as proof if it did."""
    password = form.cleaned_data["password"]
    if not password:
        return actor
    at = people.reauthenticate(request, password=password, now=clock.now())
    return replace(actor, authenticated_at=at)


def _look(actor: Actor, page: dict[str, Any]) -> ClaimRecord | None:
    """Say to others that the person looks at the case, if they may decide in one stage of it."""
    if len(page["stages"]) == 1:
        with suppress(DomainError):  # Somebody else was faster; the page says so next time.
            return review.claim(actor=actor, case_id=page["case"]["id"], now=clock.now())
    return None


def _page(
    request: HttpRequest, actor: Actor, page: dict[str, Any], form: DecisionForm, status: int
) -> HttpResponse:
    if page["case"].get("content"):
        # A text stands on the page itself; an image records its own delivery.
        review.record_delivery(
            actor=actor,
            subject_id=page["case"]["subject_id"],
            sha256=page["case"]["sha256"],
            now=clock.now(),
        )
    if page["hindrance"] is None:
        page |= {"form": form, "claim": _look(actor, page)}
    elif form.is_bound:
        for error in form.non_field_errors():
            messages.error(request, str(error))
    return render(request, "web/review.html", page, status=status)


def _said(verdict: str, state: str) -> str:
    if state == "open":
        return _("Approved for your stage. The others decide now.")
    if state == "approved":
        return _("Case approved: every stage agrees on these bytes.")
    return _("Recorded: %(verdict)s. The requester reads your reason.") % {
        "verdict": words.state(verdict).label
    }
