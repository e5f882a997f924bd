"""People and their roles, looked after by platform admins; nobody grants anything to oneself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.kernel.roles import Role
from governance.policy.permissions import Permission
from imprimatur.accounts import selectors as accounts
from imprimatur.accounts import services as account_services
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import ROLES, Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.api.pagination import slice_by_id


@extend_schema_serializer(component_name="NewUser")
class UserInput(Input):
    """A person to add; they can sign in and hold no role yet."""

    username = Text(
        max_length=40, help_text="A pseudonym: lower-case letters, digits, dots, dashes."
    )
    name = Text(max_length=120)
    password = Text(max_length=1024, write_only=True)
    email = Text(required=False, max_length=254)


@extend_schema_serializer(component_name="User")
class UserOutput(serializers.Serializer):
    """One person."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    name = serializers.CharField()
    is_active = serializers.BooleanField()
    is_platform_admin = serializers.BooleanField()
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="UserChange")
class UserChangeInput(Input):
    """Whether the person may sign in."""

    is_active = serializers.BooleanField()


@extend_schema_serializer(component_name="NewRole")
class RoleInput(Input):
    """A role for somebody else: in a brand, or platform admin without one."""

    role = serializers.ChoiceField(ROLES)
    brand_id = Identity(required=False)


@extend_schema_serializer(component_name="HeldRole")
class RoleOutput(serializers.Serializer):
    """One role that a person holds, or held until `revoked_at`."""

    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    brand_id = serializers.UUIDField(allow_null=True)
    role = serializers.ChoiceField(ROLES)
    granted_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)


class UserList(Endpoint):
    """All people."""

    @operation(
        "list_users",
        "List people",
        needs=Permission.ACCOUNTS_USER_READ,
        query=Filters,
        gives=page_of(UserOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the people that the asker may see."""
        return self.paged(
            self.filtered(),
            UserOutput,
            lambda after, limit: accounts.list_users(self.actor, after=after, limit=limit),
        )

    @operation(
        "create_user",
        "Add a person",
        needs=Permission.ACCOUNTS_USER_CREATE,
        takes=UserInput,
        gives=UserOutput,
        status=201,
        creates=True,
        headers={"Location": "The person."},
    )
    def post(self, _request: Request) -> Response:
        """Add a person."""
        wanted = self.parsed(UserInput)

        def act(_key: str, now: datetime) -> Answer:
            user = account_services.create_user(actor=self.actor, now=now, **wanted)
            headers = {"Location": reverse("api:user", args=[user.id])}
            return Answer(201, UserOutput(user).data, headers)

        return self.once(act)


class UserDetail(Endpoint):
    """One person."""

    @operation(
        "get_user",
        "Get a person",
        needs=Permission.ACCOUNTS_USER_READ,
        gives=UserOutput,
        refuses=[404],
    )
    def get(self, _request: Request, user_id: UUID) -> Response:
        """Answer one person."""
        return Response(UserOutput(accounts.get_user(self.actor, user_id)).data)

    @operation(
        "change_user",
        "Disable or enable a person",
        needs=Permission.ACCOUNTS_USER_DISABLE,
        takes=UserChangeInput,
        gives=UserOutput,
        refuses=[404],
        description="Sessions and keys of a disabled person are dead from the next request on.",
    )
    def patch(self, _request: Request, user_id: UUID) -> Response:
        """Shut a person out, or let them in again."""
        may_sign_in = self.parsed(UserChangeInput)["is_active"]
        change = account_services.enable_user if may_sign_in else account_services.disable_user
        user = change(actor=self.actor, user_id=user_id, now=clock.now())
        return Response(UserOutput(user).data)


class UserRoles(Endpoint):
    """The roles of one person."""

    @operation(
        "list_roles",
        "List a person's roles",
        needs=Permission.ACCOUNTS_USER_READ,
        query=Filters,
        gives=page_of(RoleOutput),
    )
    def get(self, _request: Request, user_id: UUID) -> Response:
        """Answer a page of the roles that a person holds now."""
        rows = accounts.list_memberships(self.actor, user_id=user_id)
        return self.paged(
            self.filtered(), RoleOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )

    @operation(
        "grant_role",
        "Grant a role",
        needs=Permission.ACCOUNTS_MEMBERSHIP_GRANT,
        takes=RoleInput,
        gives=RoleOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The person."},
    )
    def post(self, _request: Request, user_id: UUID) -> Response:
        """Grant a role to somebody else."""
        wanted: dict[str, Any] = self.parsed(RoleInput)
        wanted["role"] = Role(wanted["role"])

        def act(_key: str, now: datetime) -> Answer:
            held = account_services.grant_role(actor=self.actor, user_id=user_id, now=now, **wanted)
            headers = {"Location": reverse("api:user", args=[user_id])}
            return Answer(201, RoleOutput(held).data, headers)

        return self.once(act)


class RoleDetail(Endpoint):
    """One role that somebody holds."""

    @operation(
        "revoke_role",
        "Revoke a role",
        needs=Permission.ACCOUNTS_MEMBERSHIP_REVOKE,
        gives=RoleOutput,
        refuses=[404],
    )
    def delete(self, _request: Request, membership_id: UUID) -> Response:
        """Take a brand's role back from somebody else."""
        held = account_services.revoke_role(
            actor=self.actor, membership_id=membership_id, now=clock.now()
        )
        return Response(RoleOutput(held).data)
