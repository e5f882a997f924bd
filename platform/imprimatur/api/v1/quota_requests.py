"""Asking for more quota, and deciding about it: never by the same person."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from governance.quota import selectors as quota
from governance.quota import services
from governance.quota.records import RequestRecord
from governance.quota.states import HolderKind, RequestState
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text, Whole
from imprimatur.api.idempotency import Answer

REQUEST_STATES = RequestState.values
DECISIONS = ["grant", "decline"]


@extend_schema_serializer(component_name="QuotaRequest")
class RequestOutput(serializers.Serializer):
    """One request for more, and what became of it."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    brand_id = serializers.UUIDField(help_text="The brand that it is asked for.")
    requested_by = serializers.UUIDField()
    holder_kind = serializers.CharField(help_text="user, brand, or model.")
    holder_id = serializers.UUIDField()
    period = serializers.CharField(help_text="Year and month, such as 2026-11.")
    amount = serializers.IntegerField(help_text="Images asked for.")
    reason = serializers.CharField(allow_null=True, help_text="Null once it was erased.")
    state = serializers.ChoiceField(REQUEST_STATES)
    decided_by = serializers.UUIDField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    granted = serializers.IntegerField(allow_null=True, help_text="Images granted.")
    answer = serializers.CharField(allow_null=True, help_text="What the decider wrote.")


@extend_schema_serializer(component_name="QuotaRequestCreation")
class RequestInput(Input):
    """What is asked for: so many images on top, for one account in one month."""

    brand_id = Identity()
    holder_kind = serializers.ChoiceField(HolderKind.values)
    holder_id = Identity(help_text="The person, the brand itself, or the model profile.")
    period = Text(max_length=7, help_text="Year and month, this one or a later one.")
    amount = Whole(min_value=1, max_value=services.LARGEST_GRANT)
    reason = Text(max_length=2000, help_text="Kept sealed; whoever decides reads it.")


@extend_schema_serializer(component_name="QuotaRequestDecision")
class DecisionInput(Input):
    """Granted, in whole or in part, or declined."""

    decision = serializers.ChoiceField(DECISIONS)
    amount = Whole(
        required=False,
        min_value=1,
        max_value=services.LARGEST_GRANT,
        help_text="Images to grant, at most what was asked; default: all. Only with a grant.",
    )
    answer = Text(
        required=False,
        max_length=2000,
        default="",
        allow_blank=True,
        help_text="The requester reads it; needed to decline.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the decision. Raises: ValidationError for an amount that would mean nothing."""
        if attrs["decision"] == "decline" and "amount" in attrs:
            raise serializers.ValidationError(
                {"amount": _("Whoever declines grants nothing: leave the amount out.")}
            )
        return attrs


class RequestFilters(Filters):
    """Which requests."""

    brand_id = Identity(required=False)
    state = serializers.ChoiceField(REQUEST_STATES, required=False)


class RequestList(Endpoint):
    """All requests for more."""

    @operation(
        "list_quota_requests",
        "List requests for more quota, newest first",
        needs=Permission.QUOTA_REQUEST_READ,
        query=RequestFilters,
        gives=page_of(RequestOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the requests that the asker may see."""
        filters = self.filtered(RequestFilters)
        return self.paged(
            filters,
            RequestOutput,
            lambda after, limit: quota.list_requests(
                self.actor,
                brand_id=filters.get("brand_id"),
                state=filters.get("state"),
                after=after,
                limit=limit,
            ),
        )

    @operation(
        "create_quota_request",
        "Ask for more quota",
        needs=Permission.QUOTA_REQUEST_CREATE,
        takes=RequestInput,
        gives=RequestOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "Where to watch the request."},
        description="Somebody else decides about it: a platform admin, or for a person's account a "
        "manager of the brand. One open request for each account and month.",
    )
    def post(self, _request: Request) -> Response:
        """Ask for more."""
        wanted = self.parsed(RequestInput)

        def act(_key: str, now: datetime) -> Answer:
            return _created(services.ask_for_more(actor=self.actor, now=now, **wanted))

        return self.once(act)


class RequestDetail(Endpoint):
    """One request for more."""

    @operation(
        "get_quota_request",
        "Get a request for more quota",
        needs=Permission.QUOTA_REQUEST_READ,
        gives=RequestOutput,
        refuses=[404],
    )
    def get(self, _request: Request, request_id: UUID) -> Response:
        """Answer one request."""
        return Response(RequestOutput(quota.get_request(self.actor, request_id)).data)


class RequestDecision(Endpoint):
    """The decision on one request."""

    @operation(
        "decide_quota_request",
        "Grant or decline a request for more quota",
        needs=Permission.QUOTA_REQUEST_DECIDE,
        takes=DecisionInput,
        gives=RequestOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The request."},
        description="Neither the requester nor the holder decides. Granting adds the images to the "
        "account in the same step.",
    )
    def post(self, _request: Request, request_id: UUID) -> Response:
        """Grant or decline."""
        wanted = self.parsed(DecisionInput)

        def act(_key: str, now: datetime) -> Answer:
            facts: dict[str, Any] = {"actor": self.actor, "request_id": request_id, "now": now}
            if wanted["decision"] == "decline":
                return _created(services.decline_request(answer=wanted["answer"], **facts))
            return _created(
                services.grant_request(
                    amount=wanted.get("amount"), answer=wanted["answer"], **facts
                )
            )

        return self.once(act)


class RequestWithdrawal(Endpoint):
    """The withdrawal of one request."""

    @operation(
        "withdraw_quota_request",
        "Withdraw a request for more quota",
        needs=Permission.QUOTA_REQUEST_WITHDRAW,
        gives=RequestOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The request."},
        description="Only one's own, and only while nobody has decided.",
    )
    def post(self, _request: Request, request_id: UUID) -> Response:
        """Take a request back."""

        def act(_key: str, now: datetime) -> Answer:
            return _created(
                services.withdraw_request(actor=self.actor, request_id=request_id, now=now)
            )

        return self.once(act)


def _created(request: RequestRecord) -> Answer:
    headers = {"Location": reverse("api:quota-request", args=[request.id])}
    return Answer(201, RequestOutput(request).data, headers)
