"""Brands that the asker may see."""

from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters
from imprimatur.api.pagination import slice_by_id
from templates.brands import selectors as brands


@extend_schema_serializer(component_name="Brand")
class BrandOutput(serializers.Serializer):
    """One brand."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    data_class = serializers.CharField()
    palette = serializers.ListField(child=serializers.CharField(), help_text="Hex colors.")
    created_at = serializers.DateTimeField()


class BrandList(Endpoint):
    """All brands."""

    @operation(
        "list_brands",
        "List brands",
        needs=Permission.BRANDS_BRAND_READ,
        query=Filters,
        gives=page_of(BrandOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the brands that the asker may see."""
        rows = brands.list_brands(self.actor)
        return self.paged(
            self.filtered(), BrandOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )


class BrandDetail(Endpoint):
    """One brand."""

    @operation(
        "get_brand",
        "Get a brand",
        needs=Permission.BRANDS_BRAND_READ,
        gives=BrandOutput,
        refuses=[404],
    )
    def get(self, _request: Request, brand_id: UUID) -> Response:
        """Answer one brand."""
        return Response(BrandOutput(brands.get_brand(self.actor, brand_id)).data)
