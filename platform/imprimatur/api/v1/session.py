"""A person's session: who is signed in, signing in, signing out, and the CSRF token."""

from typing import Any

from django.middleware.csrf import get_token
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from imprimatur.accounts import people
from imprimatur.api.authentication import PersonAuthentication, enforce_csrf
from imprimatur.api.endpoints import PUBLIC, SIGNED_IN, Endpoint, PublicEndpoint, operation
from imprimatur.api.fields import Identity, Input, Text


@extend_schema_serializer(component_name="Credentials")
class CredentialsInput(Input):
    """A person's user name and password."""

    username = Text(max_length=150)
    password = Text(max_length=1024, write_only=True)


@extend_schema_serializer(component_name="Session")
class SessionOutput(serializers.Serializer):
    """Whether somebody is signed in, and the token that changing requests of a session carry."""

    signed_in = serializers.BooleanField()
    user_id = Identity(allow_null=True)
    csrf_token = serializers.CharField(help_text="Send it as the header X-CSRFToken.")


class Session(PublicEndpoint):
    """The session of this browser or client."""

    authentication_classes = [PersonAuthentication]

    @operation("get_session", "Who is signed in", needs=PUBLIC, gives=SessionOutput)
    def get(self, request: Request) -> Response:
        """Answer who is signed in, and hand out the CSRF token."""
        actor = people.find_actor_from_request(request)
        return Response(_body(request, actor.id if actor else None))

    @operation(
        "sign_in",
        "Sign in",
        needs=PUBLIC,
        takes=CredentialsInput,
        gives=SessionOutput,
        refuses=[401, 403, 429],
        description="Needs the CSRF token of `GET /session`, as header and cookie: a form on "
        "another site cannot sign a person in. The token changes with the sign-in.",
    )
    def post(self, request: Request) -> Response:
        """Start a session."""
        enforce_csrf(request)
        credentials = self.parsed(CredentialsInput)
        user_id = people.sign_in(request._request, now=clock.now(), **credentials)  # noqa: SLF001
        return Response(_body(request, user_id))

    @operation("sign_out", "Sign out", needs=SIGNED_IN, status=204)
    def delete(self, request: Request) -> Response:
        """End the session."""
        people.actor_from_request(request)
        people.sign_out(request._request)  # noqa: SLF001 (the session belongs to the plain request)
        return Response(status=204)


@extend_schema_serializer(component_name="Reauthentication")
class PasswordInput(Input):
    """The password of whoever is signed in."""

    password = Text(max_length=1024, write_only=True)


@extend_schema_serializer(component_name="Reauthenticated")
class ReauthenticatedOutput(serializers.Serializer):
    """When the person last gave their password."""

    authenticated_at = serializers.DateTimeField()


class Reauthentication(Endpoint):
    """A recent proof of who is signed in."""

    @operation(
        "reauthenticate",
        "Give one's password again",
        needs=SIGNED_IN,
        takes=PasswordInput,
        gives=ReauthenticatedOutput,
        refuses=[429],
        description="Decisions and withdrawals need a password that was given lately; without it "
        "they answer 403 `reauthentication_needed`, and the request is sent again, with a new "
        "Idempotency-Key, after this one. For a person, never a key. Tries count as sign-ins do.",
    )
    def post(self, request: Request) -> Response:
        """Take the password of whoever asks."""
        wanted = self.parsed(PasswordInput)
        at = people.reauthenticate(request._request, now=clock.now(), **wanted)  # noqa: SLF001
        return Response(ReauthenticatedOutput({"authenticated_at": at}).data)


def _body(request: Request, user_id: Any) -> dict[str, Any]:
    token = get_token(request._request)  # noqa: SLF001 (the token belongs to the plain request)
    return {
        "signed_in": user_id is not None,
        "user_id": str(user_id) if user_id else None,
        "csrf_token": token,
    }
