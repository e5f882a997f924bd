"""Deliveries of released images, and the destinations that they may go to."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input
from imprimatur.api.idempotency import Answer
from imprimatur.api.pagination import slice_by_id
from imprimatur.publishing import selectors as publishing
from imprimatur.publishing import services
from imprimatur.publishing.selectors import PublicationRecord
from imprimatur.publishing.states import PublicationState

PUBLICATION_STATES = PublicationState.values


@extend_schema_serializer(component_name="NewPublication")
class PublicationInput(Input):
    """Where to."""

    destination_id = Identity()


@extend_schema_serializer(component_name="Publication")
class PublicationOutput(serializers.Serializer):
    """One delivery; `location` is where the bytes were read back and found right."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    release_id = serializers.UUIDField()
    marked_sha256 = serializers.CharField()
    destination_id = serializers.UUIDField()
    destination_slug = serializers.CharField()
    rendition = serializers.CharField()
    attempt = serializers.IntegerField()
    state = serializers.ChoiceField(PUBLICATION_STATES)
    requested_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    location = serializers.CharField(allow_blank=True)
    published_at = serializers.DateTimeField(allow_null=True)
    recalled_at = serializers.DateTimeField(
        allow_null=True, help_text="When the copy of a withdrawn release was seen to be gone."
    )
    failure = serializers.CharField(allow_blank=True)
    waits_for_person = serializers.BooleanField(
        help_text="The publisher has given up: order a failed one anew, retry a recall."
    )


class PublicationFilters(Filters):
    """Which publications."""

    brand_id = Identity(required=False)
    release_id = Identity(required=False)


@extend_schema_serializer(component_name="Destination")
class DestinationOutput(serializers.Serializer):
    """A place that released images may go to; its credential stays with the publisher."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()


class DestinationFilters(Filters):
    """Which destinations."""

    brand_id = Identity(required=False)


class PublicationList(Endpoint):
    """All publications."""

    @operation(
        "list_publications",
        "List publications, newest first",
        needs=Permission.PUBLISHING_PUBLICATION_READ,
        query=PublicationFilters,
        gives=page_of(PublicationOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the publications that the asker may see."""
        filters = self.filtered(PublicationFilters)
        return self.paged(
            filters,
            PublicationOutput,
            lambda after, limit: publishing.list_publications(
                self.actor,
                brand_id=filters.get("brand_id"),
                release_id=filters.get("release_id"),
                after=after,
                limit=limit,
            ),
        )


class PublicationDetail(Endpoint):
    """One publication."""

    @operation(
        "get_publication",
        "Watch a publication",
        needs=Permission.PUBLISHING_PUBLICATION_READ,
        gives=PublicationOutput,
        refuses=[404],
    )
    def get(self, _request: Request, publication_id: UUID) -> Response:
        """Answer one publication."""
        publication = publishing.get_publication(self.actor, publication_id)
        return Response(PublicationOutput(publication).data)


class PublicationRecall(Endpoint):
    """The recall of one publication."""

    @operation(
        "retry_recall",
        "Try a recall anew",
        needs=Permission.PUBLISHING_RECALL_RETRY,
        gives=PublicationOutput,
        status=202,
        creates=True,
        refuses=[404],
        headers={"Location": "Where to watch the publication."},
        description="For a recall that the publisher gave up, once its cause is seen to.",
    )
    def post(self, _request: Request, publication_id: UUID) -> Response:
        """Let the publisher try again to take a copy away."""
        return self.once(
            lambda _key, now: accepted(
                services.retry_recall(actor=self.actor, publication_id=publication_id, now=now)
            )
        )


class DestinationList(Endpoint):
    """All destinations."""

    @operation(
        "list_destinations",
        "List approved destinations",
        needs=Permission.PUBLISHING_DESTINATION_READ,
        query=DestinationFilters,
        gives=page_of(DestinationOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the destinations that the asker may see."""
        filters = self.filtered(DestinationFilters)
        rows = publishing.list_destinations(self.actor, brand_id=filters.get("brand_id"))
        return self.paged(
            filters, DestinationOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )


def accepted(publication: PublicationRecord) -> Answer:
    """Answer that a delivery is ordered, and where to watch it."""
    headers = {"Location": reverse("api:publication", args=[publication.id])}
    return Answer(202, PublicationOutput(publication).data, headers)
