"""Keys for integrations: made and revoked by a person, shown once, kept as a digest."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.policy.permissions import Permission
from imprimatur.accounts import selectors as accounts
from imprimatur.accounts import services as account_services
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Moment, Text
from imprimatur.api.idempotency import Answer


@extend_schema_serializer(component_name="NewKey")
class KeyInput(Input):
    """What a key is for, what it may do, and when it ends."""

    name = Text(max_length=80)
    scopes = serializers.ListField(
        child=Text(max_length=80),
        min_length=1,
        max_length=50,
        help_text="Permissions such as generation:job:create; none that needs a person.",
    )
    expires_at = Moment(help_text="With its offset; within 366 days.")
    brand_id = Identity(required=False, help_text="Limit it to one of your brands.")


@extend_schema_serializer(component_name="Key")
class KeyOutput(serializers.Serializer):
    """One key; `prefix` is how to find it, its secret is nowhere."""

    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    brand_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(component_name="CreatedKey")
class CreatedKeyOutput(KeyOutput):
    """A key at its making: the one answer that holds it; a replay of the request does not."""

    key = serializers.CharField(
        allow_null=True, help_text="Send it as `Authorization: Bearer …`. Null in a replay."
    )


class KeyList(Endpoint):
    """The asker's keys."""

    @operation(
        "list_keys",
        "List keys",
        needs=Permission.ACCOUNTS_KEY_CREATE,
        query=Filters,
        gives=page_of(KeyOutput),
        description="One's own, revoked ones too; a platform admin sees everybody's.",
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of keys, without their secrets."""
        return self.paged(
            self.filtered(),
            KeyOutput,
            lambda after, limit: accounts.list_keys(self.actor, after=after, limit=limit),
        )

    @operation(
        "create_key",
        "Make a key",
        needs=Permission.ACCOUNTS_KEY_CREATE,
        takes=KeyInput,
        gives=CreatedKeyOutput,
        status=201,
        creates=True,
        headers={"Location": "The key."},
        description="A key acts as whoever makes it, never more. It is shown in this answer only: "
        "a replay of the request brings the same answer with `key` null.",
    )
    def post(self, _request: Request) -> Response:
        """Make a key."""
        wanted = self.parsed(KeyInput)

        def act(_key: str, now: datetime) -> Answer:
            record, text = account_services.create_key(actor=self.actor, now=now, **wanted)
            facts = KeyOutput(record).data
            headers = {"Location": reverse("api:key", args=[record.id])}
            return Answer(201, {**facts, "key": text}, headers, kept={**facts, "key": None})

        return self.once(act)


class KeyDetail(Endpoint):
    """One key."""

    @operation(
        "revoke_key",
        "Revoke a key",
        needs=Permission.ACCOUNTS_KEY_REVOKE,
        gives=KeyOutput,
        refuses=[404],
        description="It ends at once. Revoking it again changes nothing.",
    )
    def delete(self, _request: Request, key_id: UUID) -> Response:
        """Revoke a key."""
        record = account_services.revoke_key(actor=self.actor, key_id=key_id, now=clock.now())
        return Response(KeyOutput(record).data)
