"""From a request to an Actor, and in and out of a session: one set of rules for portal and API."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog
from django.contrib import auth
from django.http import HttpRequest
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor, ActorKind
from imprimatur.accounts import selectors, services
from imprimatur.accounts.errors import NotSignedIn, SignInRefused
from imprimatur.accounts.models import User

_AUTHENTICATED_AT = "authenticated_at"

log = structlog.get_logger(__name__)


def find_actor_from_request(request: HttpRequest) -> Actor | None:
    """Return who acts: the API's actor, as its authentication left it, or the session's person."""
    actor = getattr(request, "actor", None)
    if isinstance(actor, Actor):
        return actor
    user = getattr(request, "user", None)
    if isinstance(user, User) and user.is_active:
        at = _authenticated_at(request)
        return replace(selectors.actor_for(user), authenticated_at=at)
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
    remember_authentication(request, now)
    log.info("Signed in", user_id=str(user.id))
    return user.id


def reauthenticate(request: HttpRequest, *, password: str, now: datetime) -> datetime:
    """Take the password of whoever is signed in again, for acts that need a recent proof.

    The attempts are counted with those to sign in. The session goes on under a new id.
    Raises: NotSignedIn, also for a key; TooManyAttempts before the password is even looked at;
    WrongPassword.
    """
    actor = actor_from_request(request)
    if actor.kind is not ActorKind.PERSON:
        raise NotSignedIn(_("Only a person's session has a password."))
    services.check_password(
        actor=actor, password=password, address=request.META.get("REMOTE_ADDR", ""), now=now
    )
    request.session.cycle_key()
    remember_authentication(request, now)
    log.info("Reauthenticated", user_id=str(actor.id))
    return now


def remember_authentication(request: HttpRequest, now: datetime) -> None:
    """Note in the session when its person gave their password."""
    request.session[_AUTHENTICATED_AT] = now.isoformat()
    actor = getattr(request, "actor", None)
    if isinstance(actor, Actor):
        request.actor = replace(actor, authenticated_at=now)  # type: ignore[attr-defined]


def _authenticated_at(request: HttpRequest) -> datetime | None:
    """Return when the session's person last gave their password; None where nobody noted it."""
    at = request.session.get(_AUTHENTICATED_AT)
    return None if at is None else datetime.fromisoformat(at)


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
    remember_authentication(request, now)
    log.info("Password changed", user_id=str(user.id))


def sign_out(request: HttpRequest) -> None:
    """End the session; nothing happens where there is none."""
    auth.logout(request)
