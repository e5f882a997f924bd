"""Whoever asks: name, roles per brand, and for a key what it is limited to."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel.actors import ActorKind
from imprimatur.accounts import selectors as accounts
from imprimatur.api.endpoints import SIGNED_IN, Endpoint, operation
from imprimatur.api.fields import ROLES


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
