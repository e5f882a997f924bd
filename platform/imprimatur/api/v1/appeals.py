"""Appeals against refusals: one's own, those that wait for a decision, and the decision."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from governance.refusals import selectors as refusals
from governance.refusals import services as refusal_services
from governance.refusals.records import AppealRecord
from governance.refusals.states import AppealState, Ruling
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.api.v1.refusals import RefusalOutput
from imprimatur.workflow import appeals

APPEAL_STATES = AppealState.values
RULINGS = Ruling.values


@extend_schema_serializer(component_name="Appeal")
class AppealOutput(serializers.Serializer):
    """One appeal; its texts are null in lists, and once their author was erased."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(APPEAL_STATES, help_text="What is upheld is the refusal.")
    brand_id = serializers.UUIDField()
    appellant_id = serializers.UUIDField()
    refusal = RefusalOutput()
    argument = serializers.CharField(allow_null=True)
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.UUIDField(allow_null=True)
    reason = serializers.CharField(allow_null=True, help_text="The decider's.")


@extend_schema_serializer(component_name="NewAppeal")
class AppealInput(Input):
    """Why the refusal is believed to be wrong."""

    argument = Text(
        max_length=refusal_services.MAX_TEXT_LENGTH,
        help_text="Kept sealed; whoever decides reads it.",
    )


@extend_schema_serializer(component_name="AppealDecision")
class AppealDecisionInput(Input):
    """Whether the refusal stands, and why."""

    ruling = serializers.ChoiceField(
        RULINGS, help_text="uphold: the refusal stands; overturn: it is overridden."
    )
    reason = Text(
        max_length=refusal_services.MAX_TEXT_LENGTH,
        help_text="Kept sealed; the requester reads it.",
    )


class AppealFilters(Filters):
    """Which appeals."""

    brand_id = Identity(required=False)
    refusal_id = Identity(required=False)
    state = serializers.ChoiceField(APPEAL_STATES, required=False)
    decidable = serializers.BooleanField(
        default=False, help_text="Only open ones that the asker may decide, oldest first."
    )


class AppealList(Endpoint):
    """All appeals."""

    @operation(
        "list_appeals",
        "List appeals, newest first",
        needs=Permission.REFUSALS_APPEAL_READ,
        query=AppealFilters,
        gives=page_of(AppealOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the appeals that the asker may see."""
        filters = self.filtered(AppealFilters)
        return self.paged(
            filters,
            AppealOutput,
            lambda after, limit: refusals.list_appeals(
                self.actor,
                brand_id=filters.get("brand_id"),
                refusal_id=filters.get("refusal_id"),
                state=filters.get("state"),
                decidable=filters["decidable"],
                after=after,
                limit=limit,
            ),
        )


class AppealDetail(Endpoint):
    """One appeal."""

    @operation(
        "get_appeal",
        "Get an appeal",
        needs=Permission.REFUSALS_APPEAL_READ,
        gives=AppealOutput,
        refuses=[404],
    )
    def get(self, _request: Request, appeal_id: UUID) -> Response:
        """Answer one appeal with its texts."""
        return Response(AppealOutput(refusals.get_appeal(self.actor, appeal_id)).data)


class AppealDecision(Endpoint):
    """The decision on one appeal."""

    @operation(
        "decide_appeal",
        "Decide an appeal",
        needs=Permission.REFUSALS_APPEAL_DECIDE,
        takes=AppealDecisionInput,
        gives=AppealOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The appeal."},
        description="Only a compliance reviewer who is signed in decides, never a key, and nobody "
        "who had a part in what was refused, or refused it. An overturned prompt may be ordered "
        "once, word for word, within days; an overturned image goes into review like any other. "
        "A second decision answers 409 `appeal_closed`; a refused attempt is on record.",
    )
    def post(self, _request: Request, appeal_id: UUID) -> Response:
        """Uphold or overturn a refusal."""
        wanted = self.parsed(AppealDecisionInput)

        def act(_key: str, now: datetime) -> Answer:
            appeal = appeals.decide(actor=self.actor, appeal_id=appeal_id, now=now, **wanted)
            return answer(appeal)

        return self.once(act)


class AppealWithdrawal(Endpoint):
    """The withdrawal of one's own appeal."""

    @operation(
        "withdraw_appeal",
        "Withdraw an appeal",
        needs=Permission.REFUSALS_APPEAL_OPEN,
        gives=AppealOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The appeal."},
        description="By the appellant, while nobody has decided; another appeal can follow.",
    )
    def post(self, _request: Request, appeal_id: UUID) -> Response:
        """Take one's own appeal back."""

        def act(_key: str, now: datetime) -> Answer:
            return answer(
                refusal_services.withdraw_appeal(actor=self.actor, appeal_id=appeal_id, now=now)
            )

        return self.once(act)


class RefusalAppeal(Endpoint):
    """The appeal against one refusal."""

    @operation(
        "appeal_refusal",
        "Appeal against a refusal",
        needs=Permission.REFUSALS_APPEAL_OPEN,
        takes=AppealInput,
        gives=AppealOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The appeal."},
        description="By whoever was refused, signed in, once. Only the refusal of a prompt or an "
        "image can be appealed; others answer 422 `refusal_not_overridable` and say what helps.",
    )
    def post(self, _request: Request, refusal_id: UUID) -> Response:
        """Open an appeal."""
        wanted = self.parsed(AppealInput)

        def act(_key: str, now: datetime) -> Answer:
            return answer(
                refusal_services.open_appeal(
                    actor=self.actor, refusal_id=refusal_id, now=now, **wanted
                )
            )

        return self.once(act)


def answer(appeal: AppealRecord) -> Answer:
    """Answer with an appeal as it now stands.

    What is kept for a replay leaves the texts out: they stay under their authors' keys alone.
    """
    told = dict(AppealOutput(appeal).data)
    headers = {"Location": reverse("api:appeal", args=[appeal.id])}
    return Answer(201, told, headers, kept={**told, "argument": None, "reason": None})
