"""Reviews: the cases that wait, what was decided, and a person's decision on exact bytes."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from governance.review import selectors as review
from governance.review import services as review_services
from governance.review.states import CaseState, Verdict
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import ROLES, Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer

_SHA256 = r"^[0-9a-f]{64}$"
CASE_STATES = CaseState.values
VERDICTS = Verdict.values


class SubjectOutput(serializers.Serializer):
    """What is decided about, as exact bytes."""

    kind = serializers.CharField()
    id = serializers.UUIDField()
    sha256 = serializers.CharField()


class GivenDecisionOutput(serializers.Serializer):
    """What one reviewer said; the reason is null in lists, and once it was erased."""

    id = serializers.UUIDField()
    reviewer_id = serializers.UUIDField()
    verdict = serializers.ChoiceField(VERDICTS)
    reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class CaseStageOutput(serializers.Serializer):
    """One step of the review."""

    position = serializers.IntegerField()
    name = serializers.CharField()
    role = serializers.ChoiceField(ROLES)
    quorum = serializers.IntegerField()
    decisions = GivenDecisionOutput(many=True)


@extend_schema_serializer(component_name="Case")
class CaseOutput(serializers.Serializer):
    """The review of one subject's bytes; `stage` is the open step, null once the case is closed."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(CASE_STATES)
    brand_id = serializers.UUIDField()
    subject = SubjectOutput()
    title = serializers.CharField()
    policy_id = serializers.UUIDField()
    pins = serializers.DictField(child=serializers.CharField())
    stage = CaseStageOutput(allow_null=True)
    stages = CaseStageOutput(many=True)
    requested_by = serializers.UUIDField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    approval_id = serializers.UUIDField(allow_null=True)


@extend_schema_serializer(component_name="NewDecision")
class DecisionInput(Input):
    """A verdict on the bytes that were on the screen."""

    verdict = serializers.ChoiceField(VERDICTS)
    sha256 = serializers.RegexField(
        _SHA256, help_text="The SHA-256 of the bytes that the reviewer saw."
    )
    reason = Text(
        default="",
        allow_blank=True,
        max_length=4000,
        help_text="Required to reject or to request changes.",
    )


@extend_schema_serializer(component_name="Decision")
class DecisionOutput(serializers.Serializer):
    """A decision as it was taken, and what it did to the case."""

    id = serializers.UUIDField()
    case_id = serializers.UUIDField()
    sha256 = serializers.CharField()
    stage_position = serializers.IntegerField()
    stage_name = serializers.CharField()
    reviewer_id = serializers.UUIDField()
    verdict = serializers.ChoiceField(VERDICTS)
    created_at = serializers.DateTimeField()
    case_state = serializers.ChoiceField(CASE_STATES)
    approval_id = serializers.UUIDField(allow_null=True)


class CaseFilters(Filters):
    """Which cases."""

    brand_id = Identity(required=False)
    state = serializers.ChoiceField(CASE_STATES, required=False)
    decidable = serializers.BooleanField(
        default=False, help_text="Only those that wait for the asker's decision, oldest first."
    )


class CaseList(Endpoint):
    """All review cases."""

    @operation(
        "list_cases",
        "List review cases, newest first",
        needs=Permission.REVIEW_CASE_READ,
        query=CaseFilters,
        gives=page_of(CaseOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the cases that the asker may see."""
        filters = self.filtered(CaseFilters)
        return self.paged(
            filters,
            CaseOutput,
            lambda after, limit: review.list_cases(
                self.actor,
                brand_id=filters.get("brand_id"),
                state=filters.get("state"),
                decidable=filters["decidable"],
                after=after,
                limit=limit,
            ),
        )


class CaseDetail(Endpoint):
    """One review case."""

    @operation(
        "get_case",
        "Get a review case",
        needs=Permission.REVIEW_CASE_READ,
        gives=CaseOutput,
        refuses=[404],
    )
    def get(self, _request: Request, case_id: UUID) -> Response:
        """Answer one case with what was decided and why."""
        return Response(CaseOutput(review.get_case(self.actor, case_id)).data)


class CaseDecisions(Endpoint):
    """The decisions on one case."""

    @operation(
        "decide",
        "Decide a review case",
        needs=Permission.REVIEW_CASE_DECIDE,
        takes=DecisionInput,
        gives=DecisionOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The case."},
        description="Only a person who is signed in decides, never a key, and never on what they "
        "had a part in. Other bytes than the case's answer 409 `bytes_changed`.",
    )
    def post(self, _request: Request, case_id: UUID) -> Response:
        """Record a decision."""
        wanted = self.parsed(DecisionInput)

        def act(_key: str, now: datetime) -> Answer:
            decision = review_services.decide(actor=self.actor, case_id=case_id, now=now, **wanted)
            headers = {"Location": reverse("api:case", args=[case_id])}
            return Answer(201, DecisionOutput(decision).data, headers)

        return self.once(act)
