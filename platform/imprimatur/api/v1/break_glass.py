"""The short way in an emergency: two people, a reason, a countdown, and a judgement afterwards."""

from collections.abc import Callable
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
from governance.review.records import BreakGlassRecord
from governance.review.states import BreakGlassState
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.api.v1.cases import CASE_STATES, SubjectOutput
from imprimatur.workflow import emergencies
from imprimatur.workflow.rosters import roster_of

BREAK_GLASS_STATES = BreakGlassState.values
_SHA256 = r"^[0-9a-f]{64}$"


@extend_schema_serializer(component_name="BreakGlass")
class BreakGlassOutput(serializers.Serializer):
    """How far it went; reasons are null in lists, and once they were erased."""

    id = serializers.UUIDField()
    case_id = serializers.UUIDField()
    case_state = serializers.ChoiceField(CASE_STATES)
    subject = SubjectOutput()
    brand_id = serializers.UUIDField()
    title = serializers.CharField()
    state = serializers.ChoiceField(BREAK_GLASS_STATES)
    opened_by = serializers.UUIDField()
    opened_at = serializers.DateTimeField()
    reason = serializers.CharField(allow_null=True)
    confirmed_by = serializers.UUIDField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    effective_at = serializers.DateTimeField(
        allow_null=True, help_text="When the countdown is over, by the database's clock."
    )
    stopped_by = serializers.UUIDField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)
    used_at = serializers.DateTimeField(allow_null=True)
    judge_until = serializers.DateTimeField(allow_null=True)
    overdue_at = serializers.DateTimeField(
        allow_null=True, help_text="When the alarm over a missing judgement was raised."
    )
    judged_by = serializers.UUIDField(allow_null=True)
    judged_at = serializers.DateTimeField(allow_null=True)
    judgement_reason = serializers.CharField(allow_null=True)


@extend_schema_serializer(component_name="NewBreakGlass")
class BreakGlassInput(Input):
    """Which bytes, and why they cannot wait for their review."""

    sha256 = serializers.RegexField(_SHA256, help_text="The SHA-256 of the bytes that you saw.")
    reason = Text(max_length=4000, help_text="Kept sealed; reviewers and auditors read it.")


@extend_schema_serializer(component_name="BreakGlassConfirmation")
class ConfirmationInput(Input):
    """Which bytes the second person saw."""

    sha256 = serializers.RegexField(_SHA256, help_text="The SHA-256 of the bytes that you saw.")


@extend_schema_serializer(component_name="BreakGlassJudgement")
class JudgementInput(Input):
    """Whether it was right, and why."""

    verdict = serializers.ChoiceField(["uphold", "fault"])
    reason = Text(max_length=4000, help_text="Kept sealed; reviewers and auditors read it.")


class BreakGlassFilters(Filters):
    """Which of them."""

    brand_id = Identity(required=False)
    case_id = Identity(required=False)
    state = serializers.ChoiceField(BREAK_GLASS_STATES, required=False)


class BreakGlassList(Endpoint):
    """All emergencies."""

    @operation(
        "list_break_glass",
        "List break-glass emergencies, newest first",
        needs=Permission.REVIEW_BREAK_GLASS_READ,
        query=BreakGlassFilters,
        gives=page_of(BreakGlassOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of those that the asker may see."""
        filters = self.filtered(BreakGlassFilters)
        return self.paged(
            filters,
            BreakGlassOutput,
            lambda after, limit: review.list_break_glass(
                self.actor,
                brand_id=filters.get("brand_id"),
                case_id=filters.get("case_id"),
                state=filters.get("state"),
                after=after,
                limit=limit,
            ),
        )


class BreakGlassDetail(Endpoint):
    """One emergency."""

    @operation(
        "get_break_glass",
        "Get a break-glass emergency",
        needs=Permission.REVIEW_BREAK_GLASS_READ,
        gives=BreakGlassOutput,
        refuses=[404],
    )
    def get(self, _request: Request, break_glass_id: UUID) -> Response:
        """Answer one with its reasons."""
        return Response(BreakGlassOutput(review.get_break_glass(self.actor, break_glass_id)).data)


class _Act(Endpoint):
    """One act of an emergency, once for each Idempotency-Key."""

    def acted(self, act: Callable[[datetime], BreakGlassRecord]) -> Response:
        """Do it, and answer with how far it went."""

        def answer(_key: str, now: datetime) -> Answer:
            record = act(now)
            headers = {"Location": reverse("api:break-glass-detail", args=[record.id])}
            return Answer(201, BreakGlassOutput(record).data, headers)

        return self.once(answer)


class CaseBreakGlass(_Act):
    """The emergencies of one case."""

    @operation(
        "open_break_glass",
        "Break the glass for a review",
        needs=Permission.REVIEW_BREAK_GLASS_OPEN,
        takes=BreakGlassInput,
        gives=BreakGlassOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The break-glass."},
        description="The first of two people, who had no part in the image, saw these bytes and "
        "gave their password lately. Nothing happens before another confirms; reviewers, auditors "
        "and platform admins are told at once.",
    )
    def post(self, _request: Request, case_id: UUID) -> Response:
        """Open it."""
        wanted = self.parsed(BreakGlassInput)
        return self.acted(
            lambda now: review_services.open_break_glass(
                actor=self.actor, case_id=case_id, roster_of=roster_of, now=now, **wanted
            )
        )


class BreakGlassConfirmation(_Act):
    """The second person's agreement."""

    @operation(
        "confirm_break_glass",
        "Confirm a break-glass as the second person",
        needs=Permission.REVIEW_BREAK_GLASS_CONFIRM,
        takes=ConfirmationInput,
        gives=BreakGlassOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The break-glass."},
        description="It starts the countdown, during which any reviewer of the brand can stop it.",
    )
    def post(self, _request: Request, break_glass_id: UUID) -> Response:
        """Confirm it."""
        wanted = self.parsed(ConfirmationInput)
        return self.acted(
            lambda now: review_services.confirm_break_glass(
                actor=self.actor,
                break_glass_id=break_glass_id,
                roster_of=roster_of,
                now=now,
                **wanted,
            )
        )


class BreakGlassStop(_Act):
    """The stop of an emergency."""

    @operation(
        "stop_break_glass",
        "Stop a break-glass before it is used",
        needs=Permission.REVIEW_BREAK_GLASS_STOP,
        gives=BreakGlassOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The break-glass."},
    )
    def post(self, _request: Request, break_glass_id: UUID) -> Response:
        """Stop it."""
        return self.acted(
            lambda now: review_services.stop_break_glass(
                actor=self.actor, break_glass_id=break_glass_id, roster_of=roster_of, now=now
            )
        )


class BreakGlassUse(_Act):
    """The approval that an emergency leads to."""

    @operation(
        "use_break_glass",
        "Approve by break-glass once its countdown is over",
        needs=Permission.REVIEW_BREAK_GLASS_USE,
        gives=BreakGlassOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The break-glass."},
        description="One of the two does it. Before the countdown is over, it answers 409 "
        "`countdown_runs`. A third person then judges it until `judge_until`.",
    )
    def post(self, _request: Request, break_glass_id: UUID) -> Response:
        """Use it."""
        return self.acted(
            lambda now: review_services.use_break_glass(
                actor=self.actor, break_glass_id=break_glass_id, roster_of=roster_of, now=now
            )
        )


class BreakGlassJudgement(_Act):
    """What a third person says about it afterwards."""

    @operation(
        "judge_break_glass",
        "Judge a used break-glass as a third person",
        needs=Permission.REVIEW_BREAK_GLASS_JUDGE,
        takes=JudgementInput,
        gives=BreakGlassOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The break-glass."},
        description="`fault` withdraws the release that it led to, or voids the case before there "
        "is one.",
    )
    def post(self, _request: Request, break_glass_id: UUID) -> Response:
        """Judge it."""
        wanted = self.parsed(JudgementInput)
        return self.acted(
            lambda now: emergencies.judge(
                actor=self.actor, break_glass_id=break_glass_id, now=now, **wanted
            )
        )
