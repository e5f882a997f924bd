"""What was released, its passports, and the order to publish it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permits import NotPermitted
from governance.release import selectors as releases
from governance.release.services import AlreadyWithdrawn
from imprimatur.publishing import services as publishing
from imprimatur.web.forms.withdrawal import WithdrawalForm
from imprimatur.web.screens import published as screens
from imprimatur.web.screens.emergencies import asks_password
from imprimatur.web.views._proof import add_error, proven
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen


@require_safe
@screen
def published(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the releases, newest first."""
    context = screens.published(actor, uuid_of(request, "after"))
    return render(request, "web/published.html", context)


@require_POST
@screen
def publish(request: HttpRequest, actor: Actor, release_id: UUID) -> HttpResponse:
    """Order one delivery, and come back to the release."""
    form = screens.publication_form(actor, release_id, request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose one of the brand's destinations."))
    else:
        try:
            publication = publishing.request_publication(
                actor=actor,
                release_id=release_id,
                destination_id=form.cleaned_data["destination"],
                now=clock.now(),
            )
        except (NotFound, NotPermitted):
            raise
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            messages.success(
                request,
                _("Ordered: the publisher delivers it to %(name)s and verifies it there.")
                % {"name": publication.destination_name},
            )
    return redirect(f"{reverse('web:published')}#release-{release_id}")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@screen
def withdraw(request: HttpRequest, actor: Actor, release_id: UUID) -> HttpResponse:
    """Ask once more and why, or withdraw the release and come back to it."""
    now = clock.now()
    context = screens.withdrawal_page(actor, release_id)
    asks = asks_password(actor, now)
    if request.method != "POST":
        form = WithdrawalForm(asks_password=asks)
        return render(request, "web/withdraw.html", {**context, "form": form})
    form = WithdrawalForm(request.POST, asks_password=asks)
    status = 400
    if form.is_valid():
        try:
            publishing.withdraw(
                actor=proven(request, actor, form, now),
                release_id=release_id,
                reason=form.cleaned_data["reason"],
                now=now,
            )
        except AlreadyWithdrawn as error:
            messages.warning(request, error.detail)
            return redirect(f"{reverse('web:published')}#release-{release_id}")
        except (NotFound, NotPermitted):
            raise
        except DomainError as error:
            status = add_error(form, error)
        else:
            messages.success(
                request, _("Release withdrawn. Nothing of it is published from now on.")
            )
            return redirect(f"{reverse('web:published')}#release-{release_id}")
    return render(request, "web/withdraw.html", {**context, "form": form}, status=status)


@require_safe
@screen
def passport(_request: HttpRequest, actor: Actor, release_id: UUID) -> HttpResponse:
    """Hand out the exact bytes of a passport."""
    response = HttpResponse(
        releases.get_passport(actor, release_id), content_type="application/json"
    )
    response["Content-Disposition"] = f'attachment; filename="passport-{release_id}.json"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
