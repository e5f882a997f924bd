"""The ledger for auditors."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from governance.kernel.actors import Actor
from governance.policy.permissions import Permission
from governance.policy.permits import NotPermitted
from imprimatur.web.screens import _shared
from imprimatur.web.screens import ledger as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen


@require_safe
@screen
def ledger(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the latest checkpoint and the entries that the person may read."""
    if not _shared.may_audit(actor):
        raise NotPermitted(
            _("The ledger is read by auditors and platform admins."),
            permission=Permission.LEDGER_ENTRY_READ.value,
        )
    context = screens.ledger_page(actor, uuid_of(request, "after"))
    return render(request, "web/ledger.html", context)
