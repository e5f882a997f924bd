"""Reviews: the cases that wait, what was decided, and a person's decision on exact bytes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.policy.permissions import Permission
from governance.review import selectors as review
from governance.review import services as review_services
from governance.review.records import AnswerSpec
from governance.review.states import CaseState, ChecklistAnswer, Verdict
from imprimatur.api import images
from imprimatur.api.endpoints import BYTES, Endpoint, operation, page_of
from imprimatur.api.fields import ROLES, Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.workflow import contents

_SHA256 = r"^[0-9a-f]{64}$"
CASE_STATES = CaseState.values
VERDICTS = Verdict.values
ANSWERS = ChecklistAnswer.values


class SubjectOutput(serializers.Serializer):
    """What is decided about, as exact bytes."""

    kind = serializers.CharField()
    id = serializers.UUIDField()
    sha256 = serializers.CharField()


class GivenAnswerOutput(serializers.Serializer):
    """What a decision answered to one item of the checklist."""

    key = serializers.CharField()
    answer = serializers.ChoiceField(ANSWERS)
    note = serializers.CharField(allow_null=True)


class GivenDecisionOutput(serializers.Serializer):
    """What one reviewer said; reason and answers are left out in lists, and gone once erased."""

    id = serializers.UUIDField()
    reviewer_id = serializers.UUIDField()
    verdict = serializers.ChoiceField(VERDICTS)
    reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    seen_s = serializers.IntegerField(help_text="Seconds from the bytes' delivery to the decision.")
    answers = GivenAnswerOutput(many=True)
    confirmed_by = serializers.UUIDField(
        allow_null=True, help_text="Who said that the changes an approval asked for are made."
    )


@extend_schema_serializer(component_name="Claim")
class ClaimOutput(serializers.Serializer):
    """That somebody is looking at a stage, until a time; it ends by itself."""

    person_id = serializers.UUIDField()
    until = serializers.DateTimeField()


class CaseStageOutput(serializers.Serializer):
    """One step of the review; stages of one position are decided side by side."""

    position = serializers.IntegerField()
    key = serializers.CharField()
    name = serializers.CharField()
    role = serializers.ChoiceField(ROLES, allow_null=True)
    quorum = serializers.IntegerField()
    is_open = serializers.BooleanField()
    due_at = serializers.DateTimeField(allow_null=True)
    asked = serializers.ListField(
        child=serializers.CharField(),
        help_text="Who is asked now: `role:…`, `group:<id>`, `person:<id>`.",
    )
    assigned_to = serializers.UUIDField(allow_null=True)
    escalations = serializers.IntegerField()
    claims = ClaimOutput(many=True)
    decisions = GivenDecisionOutput(many=True)


class ChecklistItemOutput(serializers.Serializer):
    """One question; an empty `stage_key` means that every stage answers it."""

    key = serializers.CharField()
    question = serializers.CharField()
    guidance = serializers.CharField()
    stage_key = serializers.CharField()


@extend_schema_serializer(component_name="Case")
class CaseOutput(serializers.Serializer):
    """The review of one subject's bytes; `stage` is the first open step, null once it is closed."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(CASE_STATES)
    brand_id = serializers.UUIDField()
    subject = SubjectOutput()
    title = serializers.CharField()
    policy_id = serializers.UUIDField()
    pins = serializers.DictField(child=serializers.CharField())
    risk = serializers.IntegerField(help_text="0..100; the riskiest case is decided first.")
    market = serializers.CharField()
    stage = CaseStageOutput(allow_null=True)
    stages = CaseStageOutput(many=True)
    checklist = ChecklistItemOutput(many=True, help_text="Empty in lists.")
    requested_by = serializers.UUIDField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    approval_id = serializers.UUIDField(allow_null=True)


class AnswerInput(Input):
    """An answer to one item of the checklist."""

    answer = serializers.ChoiceField(ANSWERS)
    note = Text(default="", allow_blank=True, max_length=1000)


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
        help_text="Required for every verdict but approve.",
    )
    stage = Text(
        default="",
        allow_blank=True,
        max_length=40,
        help_text="The key of the stage; needed only where several open stages ask the person.",
    )
    checklist = serializers.DictField(
        child=AnswerInput(),
        default=dict,
        help_text="Answers by the item's key; an approval answers every item.",
    )


@extend_schema_serializer(component_name="Decision")
class DecisionOutput(serializers.Serializer):
    """A decision as it was taken, and what it did to the case."""

    id = serializers.UUIDField()
    case_id = serializers.UUIDField()
    sha256 = serializers.CharField()
    stage_position = serializers.IntegerField()
    stage_key = serializers.CharField()
    stage_name = serializers.CharField()
    reviewer_id = serializers.UUIDField()
    verdict = serializers.ChoiceField(VERDICTS)
    seen_s = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    case_state = serializers.ChoiceField(CASE_STATES)
    approval_id = serializers.UUIDField(allow_null=True)


class CaseFilters(Filters):
    """Which cases."""

    brand_id = Identity(required=False)
    state = serializers.ChoiceField(CASE_STATES, required=False)
    market = Text(required=False, max_length=16)
    decidable = serializers.BooleanField(
        default=False,
        help_text="Only those that wait for the asker's decision: the riskiest first, then what "
        "is due first.",
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
                market=filters.get("market"),
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


class CaseContent(Endpoint):
    """The exact bytes that one case is about."""

    @operation(
        "get_case_content",
        "Get the exact bytes under review",
        needs=Permission.REVIEW_CASE_READ,
        gives=BYTES,
        media_type="*/*",
        refuses=[404, 409],
        headers=images.HEADERS,
        description="An image's bytes before marking; a template version, a review policy, rules "
        "or a scoring policy as canonical JSON (RFC 8785). Their SHA-256 is the case's. Where a "
        "person reviews the case it is recorded that they were sent these bytes: a decision needs "
        "that. With `If-None-Match` and the same SHA-256, the answer is 304.",
    )
    def get(self, request: Request, case_id: UUID) -> HttpResponseBase:
        """Answer the bytes; access is checked before the ETag is compared."""
        case = review.get_case(self.actor, case_id)
        content = contents.show(actor=self.actor, case=case, now=clock.now())
        return images.answer(
            request,
            name=case.subject.id,
            sha256=content.sha256,
            media_type=content.media_type,
            read=lambda: content.data,
        )


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
        "had a part in. Other bytes than the case's answer 409 `bytes_changed`, bytes that were "
        "not sent to this person 409 `not_seen`, and a password that was given too long ago 403 "
        "`reauthentication_needed`. A refused attempt is recorded.",
    )
    def post(self, _request: Request, case_id: UUID) -> Response:
        """Record a decision."""
        wanted = answers_of(self.parsed(DecisionInput))

        def act(_key: str, now: datetime) -> Answer:
            decision = review_services.decide(actor=self.actor, case_id=case_id, now=now, **wanted)
            headers = {"Location": reverse("api:case", args=[case_id])}
            return Answer(201, DecisionOutput(decision).data, headers)

        return self.once(act)


def answers_of(parsed: dict[str, Any]) -> dict[str, Any]:
    """Turn the answers of a checked body into those that the review knows."""
    answers = {key: AnswerSpec(**answer) for key, answer in parsed["checklist"].items()}
    return {**parsed, "checklist": answers}
