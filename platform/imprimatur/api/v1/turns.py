"""Working through the queue: the next case, claims, assignments, conditions, many at once."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.kernel.errors import DomainError
from governance.policy.permissions import Permission
from governance.review import services as review
from imprimatur.api.endpoints import Endpoint, operation
from imprimatur.api.fields import Identity, Input, Text, Whole
from imprimatur.api.idempotency import Answer
from imprimatur.api.v1.cases import (
    CaseOutput,
    ClaimOutput,
    DecisionInput,
    DecisionOutput,
    answers_of,
)
from imprimatur.workflow import reviewing

MOST_AT_ONCE = 50


@extend_schema_serializer(component_name="NextCaseWanted")
class NextCaseInput(Input):
    """Which cases, where not all."""

    brand_id = Identity(required=False)
    market = Text(required=False, max_length=16)


@extend_schema_serializer(component_name="NextCase")
class NextCaseOutput(serializers.Serializer):
    """The case that was claimed; null where none waits."""

    case = CaseOutput(allow_null=True)


@extend_schema_serializer(component_name="NewClaim")
class ClaimInput(Input):
    """For how long, and for which stage."""

    minutes = Whole(required=False, min_value=1, max_value=480)
    stage = Text(default="", allow_blank=True, max_length=40)


@extend_schema_serializer(component_name="NewAssignment")
class AssignmentInput(Input):
    """Who decides a stage, and why they and not others."""

    stage = Text(max_length=40, help_text="The key of an open stage.")
    person_id = Identity()
    reason = Text(max_length=4000)


@extend_schema_serializer(component_name="NewConfirmation")
class ConfirmationInput(Input):
    """A note on how the changes were made."""

    note = Text(default="", allow_blank=True, max_length=4000)


@extend_schema_serializer(component_name="NewCaseDecision")
class CaseDecisionInput(DecisionInput):
    """A verdict on one case among many."""

    case_id = Identity()


@extend_schema_serializer(component_name="NewDecisions")
class DecisionsInput(Input):
    """Decisions on several cases; each is taken, recorded and answered by itself."""

    decisions = serializers.ListField(
        child=CaseDecisionInput(), min_length=1, max_length=MOST_AT_ONCE
    )


@extend_schema_serializer(component_name="DecisionResult")
class DecisionResultOutput(serializers.Serializer):
    """What became of one decision: what was recorded, or why it was refused."""

    case_id = serializers.UUIDField()
    status = serializers.IntegerField(help_text="The status that the decision alone would answer.")
    decision = DecisionOutput(allow_null=True)
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


@extend_schema_serializer(component_name="DecisionResults")
class DecisionResultsOutput(serializers.Serializer):
    """One result for each decision, in the order in which they came."""

    results = DecisionResultOutput(many=True)


class NextCase(Endpoint):
    """What to look at next."""

    @operation(
        "claim_next_case",
        "Claim the case to decide next",
        needs=Permission.REVIEW_CASE_DECIDE,
        takes=NextCaseInput,
        gives=NextCaseOutput,
        description="The riskiest case that waits for the person and that nobody else looks at, "
        "among equals the one that is due first. Asked again, it may answer the next one.",
    )
    def post(self, _request: Request) -> Response:
        """Claim the next case and answer it."""
        wanted = self.parsed(NextCaseInput)
        found = review.claim_next(actor=self.actor, now=clock.now(), **wanted)
        return Response(NextCaseOutput({"case": found}).data)


class CaseClaim(Endpoint):
    """One's own claim on one case."""

    @operation(
        "claim_case",
        "Say that one is looking at a case, or still is",
        needs=Permission.REVIEW_CASE_DECIDE,
        takes=ClaimInput,
        gives=ClaimOutput,
        refuses=[404, 409],
        description="It ends by itself. Where others look at the case already, as many as it "
        "still needs, the answer is 409 `claimed_by_other` and says until when.",
    )
    def post(self, _request: Request, case_id: UUID) -> Response:
        """Claim a case, or renew the claim."""
        wanted = self.parsed(ClaimInput)
        held = review.claim(actor=self.actor, case_id=case_id, now=clock.now(), **wanted)
        return Response(ClaimOutput(held).data)

    @operation(
        "release_claim",
        "Say that one no longer looks at a case",
        needs=Permission.REVIEW_CASE_DECIDE,
        status=204,
        refuses=[404],
    )
    def delete(self, _request: Request, case_id: UUID) -> Response:
        """End one's claim; without one nothing happens."""
        review.release_claim(actor=self.actor, case_id=case_id)
        return Response(status=204)


class CaseAssignments(Endpoint):
    """To whom a case's stages were given."""

    @operation(
        "assign_case",
        "Give an open stage of a case to one person",
        needs=Permission.REVIEW_TURN_ASSIGN,
        takes=AssignmentInput,
        gives=CaseOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The case."},
        description="For the brand's managers and compliance reviewers who had no part in it, and "
        "never to oneself. The person must review in this brand and have no part in it either.",
    )
    def post(self, _request: Request, case_id: UUID) -> Response:
        """Assign a stage."""
        wanted = self.parsed(AssignmentInput)

        def act(_key: str, now: datetime) -> Answer:
            case = reviewing.assign(
                actor=self.actor,
                case_id=case_id,
                stage_key=wanted["stage"],
                person_id=wanted["person_id"],
                reason=wanted["reason"],
                now=now,
            )
            headers = {"Location": reverse("api:case", args=[case_id])}
            return Answer(201, CaseOutput(case).data, headers)

        return self.once(act)


class DecisionConfirmation(Endpoint):
    """That the changes which an approval asked for are made."""

    @operation(
        "confirm_condition",
        "Confirm that the changes an approval asked for are made",
        needs=Permission.REVIEW_CONDITION_CONFIRM,
        takes=ConfirmationInput,
        gives=CaseOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The case."},
        description="By a reviewer of the brand who had no part in the image. Until then nothing "
        "of it is published.",
    )
    def post(self, _request: Request, decision_id: UUID) -> Response:
        """Confirm the changes."""
        wanted = self.parsed(ConfirmationInput)

        def act(_key: str, now: datetime) -> Answer:
            case = review.confirm_condition(
                actor=self.actor, decision_id=decision_id, now=now, **wanted
            )
            headers = {"Location": reverse("api:case", args=[case.id])}
            return Answer(201, CaseOutput(case).data, headers)

        return self.once(act)


class Decisions(Endpoint):
    """Decisions on several cases at once."""

    @operation(
        "decide_many",
        "Decide up to 50 review cases",
        needs=Permission.REVIEW_CASE_DECIDE,
        takes=DecisionsInput,
        gives=DecisionResultsOutput,
        description="Each decision is taken, recorded and answered by itself, in its own "
        "transaction; one that is refused stops no other. Only cases below a risk are approved "
        "this way, the others answer `too_risky_for_bulk`. It needs no Idempotency-Key: nobody "
        "decides a case twice.",
    )
    def post(self, _request: Request) -> Response:
        """Decide them one after the other."""
        now = clock.now()
        results = [self._one(one, now) for one in self.parsed(DecisionsInput)["decisions"]]
        return Response(DecisionResultsOutput({"results": results}).data)

    def _one(self, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        told = {"case_id": wanted["case_id"], "decision": None, "code": None, "detail": None}
        try:
            decision = review.decide_in_bulk(actor=self.actor, now=now, **answers_of(wanted))
        except DomainError as error:
            return {**told, "status": error.status, "code": error.code, "detail": error.detail}
        return {**told, "status": 201, "decision": decision}
