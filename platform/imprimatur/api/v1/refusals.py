"""Recorded blocks, each with its reason and who may override it."""

from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from governance.refusals import selectors as refusals
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity


@extend_schema_serializer(component_name="Refusal")
class RefusalOutput(serializers.Serializer):
    """One block: where, why, and who may lift it."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    brand_id = serializers.UUIDField()
    stage = serializers.CharField(help_text="prompt, image, gate, quota, or licence.")
    category = serializers.CharField()
    scorer = serializers.CharField(allow_blank=True)
    score = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    reason = serializers.CharField()
    explanation = serializers.CharField(help_text="The reason with what to do next, for people.")
    requester_id = serializers.UUIDField()
    subject_kind = serializers.CharField()
    subject_id = serializers.UUIDField()
    overridable_by = serializers.CharField(help_text="The role that may override it.")


class RefusalFilters(Filters):
    """Which refusals."""

    brand_id = Identity(required=False)
    requester_id = Identity(required=False)


class RefusalList(Endpoint):
    """All refusals."""

    @operation(
        "list_refusals",
        "List refusals, newest first",
        needs=Permission.REFUSALS_REFUSAL_READ,
        query=RefusalFilters,
        gives=page_of(RefusalOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the refusals that the asker may see."""
        filters = self.filtered(RefusalFilters)
        return self.paged(
            filters,
            RefusalOutput,
            lambda after, limit: refusals.list_refusals(
                self.actor,
                brand_id=filters.get("brand_id"),
                requester_id=filters.get("requester_id"),
                after=after,
                limit=limit,
            ),
        )


class RefusalDetail(Endpoint):
    """One refusal."""

    @operation(
        "get_refusal",
        "Get a refusal",
        needs=Permission.REFUSALS_REFUSAL_READ,
        gives=RefusalOutput,
        refuses=[404],
    )
    def get(self, _request: Request, refusal_id: UUID) -> Response:
        """Answer one refusal."""
        return Response(RefusalOutput(refusals.get_refusal(self.actor, refusal_id)).data)
