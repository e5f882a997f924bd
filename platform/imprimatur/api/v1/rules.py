"""A brand's rules and scoring policies, proposed and read; their cases decide about them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.policy.permissions import Permission
from governance.review import selectors as review
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Flag, Identity, Input, Variables
from imprimatur.api.idempotency import Answer
from imprimatur.api.pagination import slice_by_id
from imprimatur.workflow import policies
from templates.brands import screening
from templates.brands import selectors as brands
from templates.brands import services as brand_services
from templates.brands.records import RulesRecord, ScoringPolicyRecord

_DELIVERED = "To somebody who may decide about it, this is how its content is delivered."


class VersionOutput(serializers.Serializer):
    """One numbered version; the highest approved number counts."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    number = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of its content.")
    proposed_by = serializers.UUIDField()
    approved_by = serializers.UUIDField(allow_null=True)
    approved_at = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(component_name="Rules")
class RulesOutput(VersionOutput):
    """One set of a brand's rules."""

    rules = serializers.SerializerMethodField()

    def get_rules(self, record: RulesRecord) -> list[dict[str, Any]]:
        """Write the rules as they are proposed."""
        return screening.document_of(record.rules)


@extend_schema_serializer(component_name="RulesInReview")
class RulesCaseOutput(RulesOutput):
    """One set of rules with its review."""

    case_id = serializers.UUIDField(allow_null=True, help_text="The case that decides about it.")


@extend_schema_serializer(component_name="ScoringPolicy")
class ScoringPolicyOutput(VersionOutput):
    """One scoring policy; an advisory one flags where it would refuse."""

    advisory = serializers.BooleanField()
    thresholds = serializers.DictField()
    markets = serializers.DictField(help_text="By country: what is judged otherwise there.")
    templates = serializers.DictField(help_text="By slug: what is judged otherwise for a template.")
    concepts = serializers.ListField(
        child=serializers.DictField(), help_text="What the brand does not show, in words."
    )
    cascades = serializers.ListField(
        child=serializers.DictField(), help_text="Which scorer asks which for a second opinion."
    )


@extend_schema_serializer(component_name="ScoringPolicyInReview")
class ScoringPolicyCaseOutput(ScoringPolicyOutput):
    """One scoring policy with its review."""

    case_id = serializers.UUIDField(allow_null=True, help_text="The case that decides about it.")


@extend_schema_serializer(component_name="NewRules")
class RulesInput(Input):
    """The next set of a brand's rules."""

    brand_id = Identity()
    rules = serializers.ListField(
        child=Variables(), help_text="Each with a category, terms and a reason."
    )


@extend_schema_serializer(component_name="NewScoringPolicy")
class ScoringPolicyInput(Input):
    """The next scoring policy of a brand."""

    brand_id = Identity()
    advisory = Flag()
    thresholds = Variables(
        help_text='By scorer: `{"sharpness": {"threshold": 0.1, "severity": "flag"}}`; a rule may '
        "also name the `version` of the scorer that its threshold was set for, and be `advisory` "
        "alone."
    )
    markets = Variables(
        required=False,
        help_text='By country: `{"DE": {"advisory": false, "thresholds": {...}}}`. Comes last, '
        "after the template's.",
    )
    templates = Variables(required=False, help_text="By a template's slug, in the same form.")
    concepts = serializers.ListField(
        child=Variables(), required=False, help_text="Each with a name, prompts, and against."
    )
    cascades = serializers.ListField(
        child=Variables(),
        required=False,
        help_text="Each with first, second, from, to, and combine.",
    )


class BrandFilters(Filters):
    """Whose."""

    brand_id = Identity()


class RulesList(Endpoint):
    """All rules of a brand."""

    @operation(
        "list_rules",
        "List a brand's rules",
        needs=Permission.BRANDS_BRAND_READ,
        query=BrandFilters,
        gives=page_of(RulesOutput),
        refuses=[404],
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the sets of rules of one brand."""
        filters = self.filtered(BrandFilters)
        rows = brands.list_rules(self.actor, filters["brand_id"])
        return self.paged(
            filters, RulesOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )

    @operation(
        "propose_rules",
        "Propose a brand's rules",
        needs=Permission.BRANDS_RULES_PROPOSE,
        takes=RulesInput,
        gives=RulesCaseOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The rules."},
        description="They count once the reviewers of their case approved them.",
    )
    def post(self, _request: Request) -> Response:
        """Propose the next set of rules."""
        wanted = self.parsed(RulesInput)

        def act(_key: str, now: datetime) -> Answer:
            rules = brand_services.propose_rules(actor=self.actor, now=now, **wanted)
            headers = {"Location": reverse("api:rule-set", args=[rules.id])}
            return Answer(201, _with_case(RulesOutput, rules), headers)

        return self.once(act)


class RulesDetail(Endpoint):
    """One set of rules."""

    @operation(
        "get_rules",
        "Get a set of rules",
        needs=Permission.BRANDS_BRAND_READ,
        gives=RulesCaseOutput,
        refuses=[404],
        description=_DELIVERED,
    )
    def get(self, _request: Request, rules_id: UUID) -> Response:
        """Answer one set of rules."""
        rules = policies.show_rules(actor=self.actor, rules_id=rules_id, now=clock.now())
        return Response(_with_case(RulesOutput, rules))


class ScoringPolicyList(Endpoint):
    """All scoring policies of a brand."""

    @operation(
        "list_scoring_policies",
        "List scoring policies",
        needs=Permission.BRANDS_BRAND_READ,
        query=BrandFilters,
        gives=page_of(ScoringPolicyOutput),
        refuses=[404],
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the scoring policies of one brand."""
        filters = self.filtered(BrandFilters)
        rows = brands.list_scoring_policies(self.actor, filters["brand_id"])
        return self.paged(
            filters, ScoringPolicyOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )

    @operation(
        "propose_scoring_policy",
        "Propose a scoring policy",
        needs=Permission.BRANDS_RULES_PROPOSE,
        takes=ScoringPolicyInput,
        gives=ScoringPolicyCaseOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The policy."},
        description="It counts once the reviewers of its case approved it. A backtest over the "
        "brand's last 1,000 images is filed with it.",
    )
    def post(self, _request: Request) -> Response:
        """Propose the next scoring policy."""
        content = dict(self.parsed(ScoringPolicyInput))
        brand_id = content.pop("brand_id")

        def act(_key: str, now: datetime) -> Answer:
            policy = policies.propose_scoring(
                actor=self.actor, brand_id=brand_id, content=content, now=now
            )
            headers = {"Location": reverse("api:scoring-policy", args=[policy.id])}
            return Answer(201, _with_case(ScoringPolicyOutput, policy), headers)

        return self.once(act)


class ScoringPolicyDetail(Endpoint):
    """One scoring policy."""

    @operation(
        "get_scoring_policy",
        "Get a scoring policy",
        needs=Permission.BRANDS_BRAND_READ,
        gives=ScoringPolicyCaseOutput,
        refuses=[404],
        description=_DELIVERED,
    )
    def get(self, _request: Request, policy_id: UUID) -> Response:
        """Answer one scoring policy."""
        policy = policies.show_scoring_policy(
            actor=self.actor, policy_id=policy_id, now=clock.now()
        )
        return Response(_with_case(ScoringPolicyOutput, policy))


def _with_case(
    output: type[serializers.Serializer], record: RulesRecord | ScoringPolicyRecord
) -> dict[str, Any]:
    case = review.find_case_for_subject(record.id)
    return {**output(record).data, "case_id": None if case is None else str(case.id)}
