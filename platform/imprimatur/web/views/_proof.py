"""What every act with a recent proof shares: the password taken from its form, and what failed."""

from datetime import datetime

from django.http import HttpRequest

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from imprimatur.accounts import people
from imprimatur.web.forms.emergency import ProvenForm


def proven(request: HttpRequest, actor: Actor, form: ProvenForm, now: datetime) -> Actor:
    """Return the actor, with the password taken once more where the form asked for it."""
    if "password" not in form.fields:
        return actor
    people.reauthenticate(request, password=form.cleaned_data["password"], now=now)
    return people.actor_from_request(request)


def add_error(form: ProvenForm, error: DomainError) -> int:
    """Put what failed beside its field, with all that was typed; return the answer's status."""
    name = (error.pointer or "").lstrip("/")
    shown = {"present_password": "password"}.get(name, name)
    is_shown = shown in form.fields and not form.fields[shown].widget.is_hidden
    form.add_error(shown if is_shown else None, error.detail)
    return error.status
