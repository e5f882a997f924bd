"""Review policies: who decides about what, proposed and read; their cases decide about them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.kernel.roles import Role
from governance.policy.permissions import Permission
from governance.review import selectors as review
from governance.review.records import ItemSpec, PolicyRecord, StageSpec
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import ROLES, Filters, Identity, Input, Text, Variables, Whole
from imprimatur.api.idempotency import Answer
from imprimatur.api.pagination import slice_by_id
from imprimatur.workflow import policies

_KINDS_HELP = "asset, template_version, review_policy, rule_set or scoring_policy."


class StageInput(Input):
    """One stage: it asks for a role, for named people, or for a group."""

    name = Text(max_length=100)
    key = Text(required=False, max_length=40, help_text="Made from the name if there is none.")
    position = Whole(
        required=False,
        help_text="Stages of one position are decided side by side; without it, one after another.",
    )
    role = serializers.ChoiceField(ROLES, required=False)
    people = serializers.ListField(child=Identity(), required=False, max_length=50)
    group_id = Identity(required=False)
    quorum = Whole(default=1, help_text="How many different people must approve.")
    due_min = Whole(required=False, help_text="Business minutes until the stage is overdue.")
    remind_min = Whole(required=False, help_text="Business minutes until a reminder.")
    escalate_to = Text(
        required=False, max_length=40, help_text="The key of the stage that is asked when overdue."
    )


class QuestionInput(Input):
    """One question of the checklist."""

    question = Text(max_length=300)
    key = Text(required=False, max_length=40, help_text="Made from the question if there is none.")
    guidance = Text(required=False, allow_blank=True, max_length=1000)
    stage_key = Text(
        required=False, max_length=40, help_text="Asked in that stage only; else in each."
    )


@extend_schema_serializer(component_name="NewReviewPolicy")
class PolicyInput(Input):
    """The next version of a policy."""

    brand_id = Identity()
    subject_kind = Text(max_length=32, help_text=_KINDS_HELP)
    name = Text(max_length=100)
    stages = StageInput(many=True)
    checklist = QuestionInput(many=True, required=False)
    calendar = Variables(
        required=False,
        help_text='Business hours: `{"timezone": "Europe/Berlin", "week": {"mon": [["09:00", '
        '"17:30"]]}, "holidays": ["2026-12-25"]}`; without it every hour counts.',
    )
    min_view_s = Whole(
        default=0, help_text="The least seconds between seeing something and deciding on it."
    )


class StageOutput(serializers.Serializer):
    """One stage."""

    position = serializers.IntegerField()
    key = serializers.CharField()
    name = serializers.CharField()
    role = serializers.ChoiceField(ROLES, allow_null=True)
    people = serializers.ListField(child=serializers.UUIDField())
    group_id = serializers.UUIDField(allow_null=True)
    quorum = serializers.IntegerField()
    due_min = serializers.IntegerField(allow_null=True)
    remind_min = serializers.IntegerField(allow_null=True)
    escalate_to = serializers.CharField(allow_blank=True)


class QuestionOutput(serializers.Serializer):
    """One question of the checklist."""

    key = serializers.CharField()
    question = serializers.CharField()
    guidance = serializers.CharField(allow_blank=True)
    stage_key = serializers.CharField(allow_blank=True)


class WarningOutput(serializers.Serializer):
    """What a policy cannot do for some people."""

    code = serializers.CharField()
    detail = serializers.CharField()
    people = serializers.ListField(child=serializers.UUIDField())


@extend_schema_serializer(component_name="ReviewPolicy")
class PolicyOutput(serializers.Serializer):
    """One version; the newest approved one of a brand and a kind counts."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    subject_kind = serializers.CharField(help_text=_KINDS_HELP)
    name = serializers.CharField()
    number = serializers.IntegerField()
    stages = StageOutput(many=True)
    checklist = QuestionOutput(many=True)
    calendar = serializers.DictField()
    min_view_s = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of everything that the policy says.")
    proposed_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    approved_by = serializers.UUIDField(allow_null=True)
    approved_at = serializers.DateTimeField(allow_null=True)
    warnings = WarningOutput(many=True, help_text="Only in the answer to a proposal.")


@extend_schema_serializer(component_name="ReviewPolicyInReview")
class PolicyCaseOutput(PolicyOutput):
    """One version with its review."""

    case_id = serializers.UUIDField(allow_null=True, help_text="The case that decides about it.")


@extend_schema_serializer(component_name="ReviewPolicyCheck")
class PolicyCheckOutput(serializers.Serializer):
    """What a proposal would come to."""

    stages = StageOutput(many=True)
    checklist = QuestionOutput(many=True)
    warnings = WarningOutput(many=True)


class PolicyFilters(Filters):
    """Which policies."""

    brand_id = Identity()
    subject_kind = Text(required=False, max_length=32)


class PolicyList(Endpoint):
    """All review policies of a brand."""

    @operation(
        "list_review_policies",
        "List review policies",
        needs=Permission.BRANDS_BRAND_READ,
        query=PolicyFilters,
        gives=page_of(PolicyOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the policy versions of one brand."""
        filters = self.filtered(PolicyFilters)
        rows = review.list_policies(self.actor, filters["brand_id"], filters.get("subject_kind"))
        return self.paged(
            filters, PolicyOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )

    @operation(
        "propose_review_policy",
        "Propose a review policy",
        needs=Permission.REVIEW_POLICY_PROPOSE,
        takes=PolicyInput,
        gives=PolicyCaseOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The policy."},
        description="It counts once the reviewers of its case approved it. A policy that nobody "
        "could satisfy answers 422 `policy_unsatisfiable`.",
    )
    def post(self, _request: Request) -> Response:
        """Propose the next version of a policy."""
        brand_id, content = _content(self.parsed(PolicyInput))

        def act(_key: str, now: datetime) -> Answer:
            policy = policies.propose(actor=self.actor, brand_id=brand_id, content=content, now=now)
            headers = {"Location": reverse("api:review-policy", args=[policy.id])}
            return Answer(201, _with_case(policy), headers)

        return self.once(act)


class PolicyDetail(Endpoint):
    """One version of a review policy."""

    @operation(
        "get_review_policy",
        "Get a review policy",
        needs=Permission.BRANDS_BRAND_READ,
        gives=PolicyCaseOutput,
        refuses=[404],
        description="To somebody who may decide about it, this is how its content is delivered.",
    )
    def get(self, _request: Request, policy_id: UUID) -> Response:
        """Answer one version, whole."""
        policy = policies.show_policy(actor=self.actor, policy_id=policy_id, now=clock.now())
        return Response(_with_case(policy))


class PolicyCheck(Endpoint):
    """A try of a review policy."""

    @operation(
        "check_review_policy",
        "Try a review policy",
        needs=Permission.REVIEW_POLICY_PROPOSE,
        takes=PolicyInput,
        gives=PolicyCheckOutput,
        refuses=[404, 422],
        description="Checks everything that a proposal is checked for; nothing is recorded.",
    )
    def post(self, _request: Request) -> Response:
        """Answer what a proposal would come to."""
        brand_id, content = _content(self.parsed(PolicyInput))
        checked, warnings = policies.check(actor=self.actor, brand_id=brand_id, content=content)
        stages, checklist = checked.stages, checked.checklist
        return Response(
            PolicyCheckOutput({"stages": stages, "checklist": checklist, "warnings": warnings}).data
        )


def _content(wanted: Mapping[str, Any]) -> tuple[UUID, dict[str, Any]]:
    """Return the brand, and the rest as `content_of` takes it."""
    content = dict(wanted)
    brand_id: UUID = content.pop("brand_id")
    content["stages"] = [_stage(stage) for stage in content["stages"]]
    content["checklist"] = [ItemSpec(**item) for item in content.get("checklist", ())]
    return brand_id, content


def _stage(wanted: Mapping[str, Any]) -> StageSpec:
    role = wanted.get("role")
    return StageSpec(**{**wanted, "role": None if role is None else Role(role)})


def _with_case(policy: PolicyRecord) -> dict[str, Any]:
    case = review.find_case_for_subject(policy.id)
    case_id = None if case is None else str(case.id)
    return {**PolicyOutput(policy).data, "case_id": case_id}
