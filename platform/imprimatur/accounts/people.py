"""From a request to an Actor, and in and out of a session: one set of rules for portal and API."""

from datetime import datetime
from uuid import UUID

import structlog
from django.contrib import auth
from django.http import HttpRequest

from governance.kernel.actors import Actor
from imprimatur.accounts import selectors, services
from imprimatur.accounts.errors import NotSignedIn, SignInRefused
from imprimatur.accounts.models import User

log = structlog.get_logger(__name__)


def find_actor_from_request(request: HttpRequest) -> Actor | None:
    """Return who acts: the API's actor, as its authentication left it, or the session's person."""
    actor = getattr(request, "actor", None)
    if isinstance(actor, Actor):
        return actor
    user = getattr(request, "user", None)
    if isinstance(user, User) and user.is_active:
        return selectors.actor_for(user)
    return None


def actor_from_request(request: HttpRequest) -> Actor:
    """Return who acts. Raises: NotSignedIn if nobody does."""
    actor = find_actor_from_request(request)
    if actor is None:
        raise NotSignedIn("Sign in first.")
    return actor


def sign_in(request: HttpRequest, *, username: str, password: str, now: datetime) -> UUID:
    """Start a session for whoever the name and password belong to; return the person's id.

    Raises: TooManyAttempts before the password is even looked at; SignInRefused, in the same words
    for an unknown name, a wrong password and a disabled person.
    """
    address = request.META.get("REMOTE_ADDR", "")
    services.count_attempt(username=username, address=address, now=now)
    user = auth.authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        log.warning(
            "Sign-in refused",
            attempted=services.attempt_digest("name", username)[:16],
            address=address,
        )
        raise SignInRefused("The user name or the password is not right.")
    services.forget_attempts(username=username, address=address)
    auth.login(request, user)
    log.info("Signed in", user_id=str(user.id))
    return user.id


def change_password(
    request: HttpRequest, *, present_password: str, new_password: str, now: datetime
) -> None:
    """Give whoever is signed in a new password; this session goes on under a new id, others end.

    Raises: InvalidInput, TooManyAttempts, WrongPassword; NotPermitted for a key.
    """
    user = services.change_password(
        actor=actor_from_request(request),
        present_password=present_password,
        new_password=new_password,
        address=request.META.get("REMOTE_ADDR", ""),
        now=now,
    )
    # The API put its own principal here, and Django renews the session of this very user only.
    request.user = User.objects.get(pk=user.id)
    auth.update_session_auth_hash(request, request.user)
    log.info("Password changed", user_id=str(user.id))


def sign_out(request: HttpRequest) -> None:
    """End the session; nothing happens where there is none."""
    auth.logout(request)
