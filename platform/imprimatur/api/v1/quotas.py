"""What is left of the quota of the asker and of the asker's brand, and what was used of it."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.policy.permissions import Permission
from governance.quota import selectors as quota
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity
from imprimatur.api.pagination import slice_by_id
from imprimatur.api.v1.templates import CostsOutput
from imprimatur.workflow import usage


@extend_schema_serializer(component_name="Balance")
class BalanceOutput(serializers.Serializer):
    """One account in one period, in images; `available` can still be reserved."""

    id = serializers.UUIDField()
    holder_kind = serializers.CharField(help_text="user, brand, or model.")
    holder_id = serializers.UUIDField()
    brand_id = serializers.UUIDField(allow_null=True)
    unit = serializers.CharField()
    period = serializers.CharField(help_text="Year and month, such as 2026-11.")
    granted = serializers.IntegerField()
    reserved = serializers.IntegerField()
    spent = serializers.IntegerField()
    available = serializers.IntegerField()


@extend_schema_serializer(component_name="Use")
class UseOutput(serializers.Serializer):
    """What one holder used in one period."""

    id = serializers.UUIDField(help_text="The account's.")
    holder_kind = serializers.CharField(help_text="user, brand, or model.")
    holder_id = serializers.UUIDField()
    brand_id = serializers.UUIDField(allow_null=True)
    period = serializers.CharField(help_text="Year and month, such as 2026-11.")
    images = serializers.IntegerField(help_text="Made, and so spent.")
    gpu_s = serializers.FloatField(help_text="Seconds of the device's work on them.")
    costs = CostsOutput()


class UseFilters(Filters):
    """Whose use; without a brand everything that the asker may see, models included."""

    brand_id = Identity(required=False)
    period = serializers.CharField(
        required=False, max_length=7, help_text="Year and month; default: this month."
    )


class BalanceFilters(Filters):
    """Whose balances; the asker's own unless somebody else is named."""

    brand_id = Identity(help_text="The brand whose quota it is.")
    user_id = Identity(required=False)
    period = serializers.RegexField(
        r"^[0-9]{4}-(0[1-9]|1[0-2])$",
        required=False,
        help_text="Year and month; default: this month.",
        error_messages={"invalid": _("A period is a year and a month, such as 2026-11.")},
    )


class BalanceList(Endpoint):
    """Balances."""

    @operation(
        "list_quotas",
        "List quota balances",
        needs=Permission.QUOTA_ACCOUNT_READ,
        query=BalanceFilters,
        gives=page_of(BalanceOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer those of the person's and the brand's accounts that the asker may see."""
        filters = self.filtered(BalanceFilters)
        rows = quota.list_balances(
            self.actor,
            user_id=filters.get("user_id", self.actor.id),
            brand_id=filters["brand_id"],
            period=filters.get("period") or quota.period_of(clock.now()),
        )
        return self.paged(
            filters, BalanceOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )


class UseList(Endpoint):
    """Uses."""

    @operation(
        "list_quota_usage",
        "List what was used",
        needs=Permission.QUOTA_ACCOUNT_READ,
        query=UseFilters,
        gives=page_of(UseOutput),
        description="Images, device time and money of each account in one month. The time of work "
        "that came to nothing is not in it: its quota was given back.",
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of what the accounts that the asker may see have used."""
        filters = self.filtered(UseFilters)
        period = filters.get("period") or quota.period_of(clock.now())
        return self.paged(
            filters,
            UseOutput,
            lambda after, limit: usage.list_usage(
                self.actor,
                period=period,
                brand_id=filters.get("brand_id"),
                after=after,
                limit=limit,
            ),
        )
