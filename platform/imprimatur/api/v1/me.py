"""Whoever asks: name, roles per brand, what a key is limited to, and one's own password."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.kernel.actors import ActorKind
from governance.policy.permissions import Permission
from imprimatur.accounts import people
from imprimatur.accounts import selectors as accounts
from imprimatur.api.endpoints import SIGNED_IN, Endpoint, operation
from imprimatur.api.fields import ROLES, Input, Text


class HeldRoles(serializers.Serializer):
    """The roles held in one brand."""

    brand_id = serializers.UUIDField()
    roles = serializers.ListField(child=serializers.ChoiceField(ROLES))


@extend_schema_serializer(component_name="Me")
class MeOutput(serializers.Serializer):
    """Whoever asks, as the permission table sees them."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(
        [ActorKind.PERSON.value, ActorKind.INTEGRATION.value],
        help_text="A person with a session, or a key that acts as the person who made it.",
    )
    name = serializers.CharField()
    is_platform_admin = serializers.BooleanField()
    roles = HeldRoles(many=True)
    scopes = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="The permissions that a key is limited to; null for a person.",
    )
    key_id = serializers.UUIDField(allow_null=True)


@extend_schema_serializer(component_name="NewPassword")
class PasswordInput(Input):
    """The password that holds now, and the one that shall."""

    present_password = Text(max_length=1024, write_only=True)
    new_password = Text(max_length=1024, write_only=True)


class Me(Endpoint):
    """Whoever asks."""

    @operation("get_me", "Who asks, with which roles", needs=SIGNED_IN, gives=MeOutput)
    def get(self, _request: Request) -> Response:
        """Answer who asks."""
        actor = self.actor
        roles = [
            {"brand_id": brand_id, "roles": sorted(held)} for brand_id, held in actor.roles.items()
        ]
        facts = {
            "id": actor.id,
            "kind": actor.kind.value,
            "name": accounts.display_name(actor.id),
            "is_platform_admin": actor.is_platform_admin,
            "roles": sorted(roles, key=lambda each: str(each["brand_id"])),
            "scopes": None if actor.scopes is None else sorted(actor.scopes),
            "key_id": actor.key_id,
        }
        return Response(MeOutput(facts).data)


class MyPassword(Endpoint):
    """One's own password."""

    @operation(
        "change_password",
        "Change one's own password",
        needs=Permission.ACCOUNTS_PASSWORD_CHANGE,
        takes=PasswordInput,
        status=204,
        refuses=[409, 429],
        description="For a person who is signed in, never a key. Every other session of theirs "
        "ends; keys stay until they are revoked. Tries count as sign-ins do.",
    )
    def post(self, request: Request) -> Response:
        """Change the password of whoever asks."""
        wanted = self.parsed(PasswordInput)
        people.change_password(request._request, now=clock.now(), **wanted)  # noqa: SLF001
        return Response(status=204)
