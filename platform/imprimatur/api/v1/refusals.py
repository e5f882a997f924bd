"""Recorded blocks, each with its reason and who may override it, and the override itself."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.policy.permissions import Permission
from governance.refusals import selectors as refusals
from governance.refusals import services as refusal_services
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.workflow import appeals


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
    overridable_by = serializers.CharField(
        allow_null=True, help_text="The role that may override it; null where nobody may."
    )
    decided_by = serializers.UUIDField(
        allow_null=True, help_text="The person who refused; null where a rule did."
    )
    override_id = serializers.UUIDField(allow_null=True, help_text="Set once it is overridden.")


@extend_schema_serializer(component_name="NewOverride")
class OverrideInput(Input):
    """Why a refusal is lifted."""

    reason = Text(
        max_length=refusal_services.MAX_TEXT_LENGTH,
        help_text="Kept sealed; the requester reads it.",
    )


@extend_schema_serializer(component_name="Override")
class OverrideOutput(serializers.Serializer):
    """That a person lifted a refusal."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    refusal_id = serializers.UUIDField()
    appeal_id = serializers.UUIDField(allow_null=True)
    decided_by = serializers.UUIDField()
    valid_until = serializers.DateTimeField(
        allow_null=True, help_text="Until when the refused prompt may be ordered, once."
    )


@extend_schema_serializer(component_name="RefusedWords")
class RefusedWordsOutput(serializers.Serializer):
    """What was refused, in its author's words."""

    refusal_id = serializers.UUIDField()
    words = serializers.CharField(
        allow_null=True, help_text="Null where there are none, or their author was erased."
    )


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


class RefusalOverride(Endpoint):
    """The override of one refusal that nobody appealed."""

    @operation(
        "override_refusal",
        "Override a refusal",
        needs=Permission.REFUSALS_REFUSAL_OVERRIDE,
        takes=OverrideInput,
        gives=OverrideOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The refusal."},
        description="Only a compliance reviewer who is signed in and had no part in it. A refusal "
        "that is under appeal is decided there; where an appeal was decided, that stands.",
    )
    def post(self, _request: Request, refusal_id: UUID) -> Response:
        """Lift a refusal."""
        wanted = self.parsed(OverrideInput)

        def act(_key: str, now: datetime) -> Answer:
            lifted = appeals.override(actor=self.actor, refusal_id=refusal_id, now=now, **wanted)
            headers = {"Location": reverse("api:refusal", args=[refusal_id])}
            return Answer(201, OverrideOutput(lifted).data, headers)

        return self.once(act)


class RefusalWords(Endpoint):
    """What was refused, for whoever may decide about it."""

    @operation(
        "read_refused_words",
        "Read what was refused",
        needs=Permission.REFUSALS_REFUSAL_OVERRIDE,
        gives=RefusedWordsOutput,
        refuses=[404],
        description="Each reading is on record: who read whose words, and when.",
    )
    def get(self, _request: Request, refusal_id: UUID) -> Response:
        """Answer the refused words, and record that they were read."""
        words = appeals.reveal(actor=self.actor, refusal_id=refusal_id, now=clock.now())
        return Response(RefusedWordsOutput({"refusal_id": refusal_id, "words": words}).data)
