"""Brands that the asker may see."""

from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Input, Text
from imprimatur.api.pagination import slice_by_id
from templates.brands import markets
from templates.brands import selectors as brands
from templates.brands import services as brand_services


@extend_schema_serializer(component_name="Market")
class MarketOutput(serializers.Serializer):
    """One country, with the languages that are read there."""

    code = serializers.CharField(help_text="ISO 3166-1 alpha-2.")
    languages = serializers.ListField(
        child=serializers.CharField(), help_text="BCP 47, the main one first."
    )


class MarketInput(Input):
    """One market."""

    code = Text(max_length=8)
    languages = serializers.ListField(child=Text(max_length=16), max_length=8)


@extend_schema_serializer(component_name="NewMarkets")
class MarketsInput(Input):
    """All markets of a brand; the first is the default of an order."""

    markets = MarketInput(many=True)


@extend_schema_serializer(component_name="Brand")
class BrandOutput(serializers.Serializer):
    """One brand."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    data_class = serializers.CharField()
    palette = serializers.ListField(child=serializers.CharField(), help_text="Hex colors.")
    created_at = serializers.DateTimeField()
    markets = MarketOutput(many=True, help_text="The first is the default of an order.")


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


class BrandMarkets(Endpoint):
    """The markets of one brand."""

    @operation(
        "set_brand_markets",
        "Say where a brand's images are shown",
        needs=Permission.BRANDS_MARKET_SET,
        takes=MarketsInput,
        gives=BrandOutput,
        refuses=[404],
        description="Takes the place of all its markets. Rules and thresholds that name a market "
        "hold for its orders; orders that were placed keep theirs.",
    )
    def put(self, _request: Request, brand_id: UUID) -> Response:
        """Set all markets of one brand."""
        wanted = self.parsed(MarketsInput)["markets"]
        brand = brand_services.set_markets(
            actor=self.actor,
            brand_id=brand_id,
            markets=markets.markets_of(wanted),
            now=clock.now(),
        )
        return Response(BrandOutput(brand).data)
