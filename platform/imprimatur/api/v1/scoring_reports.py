"""What a scoring policy would have changed, and how scores agree with what people decided."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from governance.review import selectors as review
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Input, Whole
from imprimatur.api.idempotency import Answer
from imprimatur.api.pagination import slice_by_id
from imprimatur.workflow import backtest, calibration
from templates.brands import selectors as brands


@extend_schema_serializer(component_name="NewBacktest")
class BacktestInput(Input):
    """Over how many images."""

    assets = Whole(
        default=backtest.USUAL, help_text="The brand's last images: 100 to 10,000, 1,000 usually."
    )


@extend_schema_serializer(component_name="Backtest")
class BacktestOutput(serializers.Serializer):
    """One report, as it stays on file with the policy's review."""

    id = serializers.UUIDField()
    policy_id = serializers.UUIDField(source="subject_id")
    policy_sha256 = serializers.CharField(source="sha256", help_text="Of exactly this content.")
    brand_id = serializers.UUIDField()
    report = serializers.DictField(
        source="document",
        help_text="Counts of images by what was said and what would be said: the whole, each move, "
        "by scorer, market and template; what people decided otherwise; samples.",
    )
    report_sha256 = serializers.CharField(source="document_sha256", help_text="Of the report.")
    filed_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()


class IntervalOutput(serializers.Serializer):
    """An estimate with its 95 % interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class AtThresholdOutput(serializers.Serializer):
    """What the threshold in force stops, against what people rejected."""

    stopped = serializers.IntegerField()
    rejected = serializers.IntegerField()
    both = serializers.IntegerField()
    precision = serializers.FloatField(allow_null=True)
    recall = serializers.FloatField(allow_null=True)


class MonthOutput(serializers.Serializer):
    """One month."""

    month = serializers.CharField(help_text="2026-11")
    images = serializers.IntegerField()
    approved = serializers.IntegerField()
    rejected = serializers.IntegerField()
    auc = IntervalOutput(allow_null=True)
    drift = serializers.FloatField(
        allow_null=True, help_text="Population stability index against the month before."
    )


class ScorerCalibrationOutput(serializers.Serializer):
    """One version of one scorer; what is null rests on too little to be said."""

    scorer = serializers.CharField()
    version = serializers.CharField()
    weights_sha256 = serializers.CharField(allow_blank=True)
    direction = serializers.ChoiceField(["better", "worse"], allow_null=True)
    images = serializers.IntegerField()
    older = serializers.IntegerField(help_text="Images scored by another version, left out.")
    approved = serializers.IntegerField()
    rejected = serializers.IntegerField()
    threshold = serializers.FloatField(allow_null=True)
    auc = IntervalOutput(allow_null=True)
    at = AtThresholdOutput(allow_null=True)
    months = MonthOutput(many=True)


@extend_schema_serializer(component_name="Calibration")
class CalibrationOutput(serializers.Serializer):
    """How a brand's scorers agree with its reviewers' first decisions; no person is named."""

    brand_id = serializers.UUIDField()
    images = serializers.IntegerField(help_text="The last ones, 5,000 at most.")
    decided = serializers.IntegerField()
    emergencies = serializers.IntegerField(help_text="Approved the short way, left out.")
    policy_number = serializers.IntegerField(allow_null=True)
    scorers = ScorerCalibrationOutput(many=True)


class BacktestList(Endpoint):
    """The backtests of a scoring policy."""

    @operation(
        "list_backtests",
        "List the backtests of a scoring policy",
        needs=Permission.REVIEW_CASE_READ,
        query=Filters,
        gives=page_of(BacktestOutput),
        refuses=[404],
    )
    def get(self, _request: Request, policy_id: UUID) -> Response:
        """Answer a page of the reports on file, newest first."""
        policy = brands.read_scoring_policy(self.actor, policy_id)
        rows = review.list_exhibits(self.actor, policy.id)
        return self.paged(
            self.filtered(), BacktestOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )

    @operation(
        "run_backtest",
        "Backtest a proposed scoring policy",
        needs=Permission.REVIEW_EXHIBIT_FILE,
        takes=BacktestInput,
        gives=BacktestOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The report."},
        description="Holds the brand's last images against the policy, from recorded scores, and "
        "files the report with its review. A policy is not approved without one.",
    )
    def post(self, _request: Request, policy_id: UUID) -> Response:
        """Run a backtest and file its report."""
        wanted = self.parsed(BacktestInput)

        def act(_key: str, now: datetime) -> Answer:
            filed = backtest.run(
                actor=self.actor, policy_id=policy_id, count=wanted["assets"], now=now
            )
            headers = {"Location": reverse("api:backtest", args=[filed.id])}
            body: dict[str, Any] = BacktestOutput(filed).data
            return Answer(201, body, headers)

        return self.once(act)


class BacktestDetail(Endpoint):
    """One backtest."""

    @operation(
        "get_backtest",
        "Get a backtest",
        needs=Permission.REVIEW_CASE_READ,
        gives=BacktestOutput,
        refuses=[404],
    )
    def get(self, _request: Request, backtest_id: UUID) -> Response:
        """Answer one report."""
        return Response(BacktestOutput(review.get_exhibit(self.actor, backtest_id)).data)


class CalibrationDetail(Endpoint):
    """How scores agree with people."""

    @operation(
        "get_calibration",
        "Get the calibration of a brand's scorers",
        needs=Permission.GENERATION_ASSET_READ,
        gives=CalibrationOutput,
        refuses=[404],
    )
    def get(self, _request: Request, brand_id: UUID) -> Response:
        """Answer the calibration of one brand, worked out now."""
        found = calibration.report(actor=self.actor, brand_id=brand_id)
        return Response(CalibrationOutput(found).data)
