"""Who asks: a key in the Authorization header, or a person's session with its CSRF token."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from governance.kernel import clock
from governance.kernel.actors import Actor
from imprimatur.accounts import people
from imprimatur.accounts import services as accounts
from imprimatur.api.errors import CsrfFailed, InvalidCredentials
from imprimatur.api.problems import CHALLENGE

# `Bearer` and a key: RFC 6750, section 2.1.
_SCHEME_AND_KEY = 2


@dataclass(frozen=True, slots=True)
class Principal:
    """What the framework wants to know of whoever asks; everything else is in the Actor."""

    pk: UUID
    is_authenticated: bool = True
    is_active: bool = True


class KeyAuthentication(BaseAuthentication):
    """Takes `Authorization: Bearer imp_…`; a key that does not hold is refused, not passed over."""

    def authenticate(self, request: Request) -> tuple[Principal, Actor] | None:
        """Return who the key acts as; None if the request has no such header."""
        words = request.META.get("HTTP_AUTHORIZATION", "").split()
        if not words or words[0].lower() != "bearer":
            return None
        key = words[1] if len(words) == _SCHEME_AND_KEY else ""
        actor = accounts.authenticate_key(key, clock.now())
        if actor is None:
            raise InvalidCredentials(_("The API key is not valid."))
        return _as_principal(request, actor)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (the framework's)
        """Return the challenge that goes with a 401."""
        return CHALLENGE


class PersonAuthentication(BaseAuthentication):
    """Takes the session; whatever changes something must bring the CSRF token with it."""

    def authenticate(self, request: Request) -> tuple[Principal, Actor] | None:
        """Return the person who is signed in, None if nobody is. Raises: CsrfFailed."""
        actor = people.find_actor_from_request(request._request)  # noqa: SLF001 (the plain request)
        if actor is None:
            return None
        enforce_csrf(request)
        return _as_principal(request, actor)


def enforce_csrf(request: Request) -> None:
    """Let pass a request that changes nothing or brings the token. Raises: CsrfFailed."""
    from rest_framework.authentication import CSRFCheck

    plain = request._request  # noqa: SLF001 (Django's check needs the plain request)
    check = CSRFCheck(_unused)
    check.process_request(plain)
    reason = check.process_view(plain, _unused, (), {})
    if reason:
        raise CsrfFailed(_("The CSRF token is missing or wrong: %(reason)s") % {"reason": reason})


def _as_principal(request: Request, actor: Actor) -> tuple[Principal, Actor]:
    request._request.actor = actor  # type: ignore[attr-defined]  # noqa: SLF001
    return Principal(actor.id), actor


def _unused(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()
