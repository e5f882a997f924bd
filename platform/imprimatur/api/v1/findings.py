"""What a look round the destinations found that no record explains, and closing it."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.publishing import selectors as publishing
from imprimatur.publishing import services
from imprimatur.publishing.states import FindingKind

FINDING_KINDS = FindingKind.values


@extend_schema_serializer(component_name="Finding")
class FindingOutput(serializers.Serializer):
    """How a destination and the records differed; open until somebody closes it."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    destination_id = serializers.UUIDField()
    destination_slug = serializers.CharField()
    publication_id = serializers.UUIDField(allow_null=True)
    kind = serializers.ChoiceField(FINDING_KINDS)
    key = serializers.CharField()
    size_bytes = serializers.IntegerField()
    found_at = serializers.DateTimeField()
    quarantined_to = serializers.CharField(
        allow_blank=True, help_text="Where the publisher moved it, if the destination lets it."
    )
    closed_at = serializers.DateTimeField(allow_null=True)
    closed_by = serializers.UUIDField(allow_null=True)
    closing_reason = serializers.CharField(
        allow_null=True, help_text="Null while it is open, or once its author was erased."
    )


class FindingFilters(Filters):
    """Which findings."""

    brand_id = Identity(required=False)
    is_open = serializers.BooleanField(required=False, allow_null=True, default=None)


@extend_schema_serializer(component_name="FindingClosure")
class ClosureInput(Input):
    """What was made of a finding."""

    reason = Text(max_length=4000, help_text="Kept sealed; who may read the finding reads it.")


class FindingList(Endpoint):
    """All findings."""

    @operation(
        "list_findings",
        "List what was found at destinations, newest first",
        needs=Permission.PUBLISHING_FINDING_READ,
        query=FindingFilters,
        gives=page_of(FindingOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the findings that the asker may see."""
        filters = self.filtered(FindingFilters)
        return self.paged(
            filters,
            FindingOutput,
            lambda after, limit: publishing.list_findings(
                self.actor,
                brand_id=filters.get("brand_id"),
                is_open=filters.get("is_open"),
                after=after,
                limit=limit,
            ),
        )


class FindingDetail(Endpoint):
    """One finding."""

    @operation(
        "get_finding",
        "Get what was found at a destination",
        needs=Permission.PUBLISHING_FINDING_READ,
        gives=FindingOutput,
        refuses=[404],
    )
    def get(self, _request: Request, finding_id: UUID) -> Response:
        """Answer one finding."""
        return Response(FindingOutput(publishing.get_finding(self.actor, finding_id)).data)


class FindingClosure(Endpoint):
    """The end of one finding."""

    @operation(
        "close_finding",
        "Close a finding",
        needs=Permission.PUBLISHING_FINDING_CLOSE,
        takes=ClosureInput,
        gives=FindingOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The finding."},
        description="Says what was made of it. If the same thing is found again, that is a new "
        "finding.",
    )
    def post(self, _request: Request, finding_id: UUID) -> Response:
        """Close a finding."""
        wanted = self.parsed(ClosureInput)

        def act(_key: str, now: datetime) -> Answer:
            finding = services.close_finding(
                actor=self.actor, finding_id=finding_id, now=now, **wanted
            )
            headers = {"Location": reverse("api:finding", args=[finding_id])}
            return Answer(201, FindingOutput(finding).data, headers)

        return self.once(act)
