"""Groups of a brand's people that the stages of review policies ask."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.policy.permissions import Permission
from governance.review import selectors as review
from governance.review import services as review_services
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.api.pagination import slice_by_id
from imprimatur.workflow import policies


@extend_schema_serializer(component_name="ReviewGroup")
class GroupOutput(serializers.Serializer):
    """One group, with who is in it now."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    name = serializers.CharField()
    members = serializers.ListField(child=serializers.UUIDField())
    created_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="NewReviewGroup")
class GroupInput(Input):
    """A group to make."""

    brand_id = Identity()
    name = Text(max_length=100)


@extend_schema_serializer(component_name="NewReviewGroupMember")
class MemberInput(Input):
    """Somebody to put into a group."""

    person_id = Identity()


class GroupFilters(Filters):
    """Which groups."""

    brand_id = Identity()


class GroupList(Endpoint):
    """All groups of a brand."""

    @operation(
        "list_review_groups",
        "List review groups",
        needs=Permission.BRANDS_BRAND_READ,
        query=GroupFilters,
        gives=page_of(GroupOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the groups of one brand."""
        filters = self.filtered(GroupFilters)
        rows = review.list_groups(self.actor, filters["brand_id"])
        return self.paged(
            filters, GroupOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )

    @operation(
        "create_review_group",
        "Create a review group",
        needs=Permission.REVIEW_GROUP_CHANGE,
        takes=GroupInput,
        gives=GroupOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The group."},
    )
    def post(self, _request: Request) -> Response:
        """Make an empty group."""
        wanted = self.parsed(GroupInput)

        def act(_key: str, now: datetime) -> Answer:
            group = review_services.create_group(actor=self.actor, now=now, **wanted)
            headers = {"Location": reverse("api:review-group", args=[group.id])}
            return Answer(201, GroupOutput(group).data, headers)

        return self.once(act)


class GroupDetail(Endpoint):
    """One group."""

    @operation(
        "get_review_group",
        "Get a review group",
        needs=Permission.BRANDS_BRAND_READ,
        gives=GroupOutput,
        refuses=[404],
    )
    def get(self, _request: Request, group_id: UUID) -> Response:
        """Answer one group with its members."""
        return Response(GroupOutput(review.get_group(self.actor, group_id)).data)


class GroupMembers(Endpoint):
    """The members of one group."""

    @operation(
        "add_review_group_member",
        "Add a member to a review group",
        needs=Permission.REVIEW_GROUP_CHANGE,
        takes=MemberInput,
        gives=GroupOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The group."},
        description="Nobody adds themselves, and only members of the brand can be added.",
    )
    def post(self, _request: Request, group_id: UUID) -> Response:
        """Put somebody into the group."""
        wanted = self.parsed(MemberInput)

        def act(_key: str, now: datetime) -> Answer:
            group = policies.add_to_group(actor=self.actor, group_id=group_id, now=now, **wanted)
            headers = {"Location": reverse("api:review-group", args=[group_id])}
            return Answer(201, GroupOutput(group).data, headers)

        return self.once(act)


class GroupMember(Endpoint):
    """One member of a group."""

    @operation(
        "remove_review_group_member",
        "Remove a member from a review group",
        needs=Permission.REVIEW_GROUP_CHANGE,
        gives=GroupOutput,
        refuses=[404],
    )
    def delete(self, _request: Request, group_id: UUID, person_id: UUID) -> Response:
        """Take somebody out of the group."""
        group = review_services.remove_member(
            actor=self.actor, group_id=group_id, person_id=person_id, now=clock.now()
        )
        return Response(GroupOutput(group).data)
