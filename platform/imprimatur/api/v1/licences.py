"""Licences of models: what each permits, its text, who agreed, and how much was made under it."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.licences import selectors as licences
from governance.licences import services
from governance.licences.records import LicenceRecord, Terms
from governance.licences.states import Obligation, Purpose
from governance.policy.permissions import Permission
from governance.quota.selectors import period_of
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.workflow import usage

LICENCE_STATES = ["proposed", "agreed", "retired"]


@extend_schema_serializer(component_name="Licence")
class LicenceOutput(serializers.Serializer):
    """One version of a licence as this installation understands it."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    identifier = serializers.CharField(help_text="SPDX, or LicenseRef-… for one's own contract.")
    number = serializers.IntegerField(help_text="Counts the versions of that identifier from 1.")
    name = serializers.CharField()
    text_sha256 = serializers.CharField()
    purposes = serializers.ListField(source="terms.purposes", child=serializers.CharField())
    obligations = serializers.ListField(source="terms.obligations", child=serializers.CharField())
    revenue_limit = serializers.DecimalField(
        18,
        2,
        source="terms.revenue_limit",
        allow_null=True,
        help_text="The yearly revenue up to which it holds; null if it names none.",
    )
    revenue_currency = serializers.CharField(source="terms.revenue_currency", allow_blank=True)
    state = serializers.ChoiceField(LICENCE_STATES)
    proposed_by = serializers.UUIDField()
    agreed_by = serializers.UUIDField(allow_null=True)
    agreed_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(component_name="LicenceText")
class TextOutput(serializers.Serializer):
    """A licence's text, whose digest was checked as it was read."""

    text = serializers.CharField()
    text_sha256 = serializers.CharField()


@extend_schema_serializer(component_name="LicenceUse")
class LicenceUseOutput(serializers.Serializer):
    """What was made under a licence in one month."""

    licence_id = serializers.UUIDField()
    period = serializers.CharField(help_text="Year and month, such as 2026-11.")
    images = serializers.IntegerField()
    gpu_s = serializers.FloatField(help_text="Seconds of the device's work.")
    models = serializers.IntegerField(help_text="How many model profiles had quota that month.")


@extend_schema_serializer(component_name="LicenceProposal")
class LicenceInput(Input):
    """A licence with its text."""

    identifier = Text(max_length=60, help_text="SPDX, or LicenseRef-… for one's own contract.")
    name = Text(max_length=120)
    text = Text(max_length=services.LARGEST_TEXT_BYTES)
    text_sha256 = Text(max_length=64, help_text="Of the text in UTF-8, as you have read it.")
    purposes = serializers.ListField(child=serializers.ChoiceField(Purpose.values))
    obligations = serializers.ListField(
        child=serializers.ChoiceField(Obligation.values), required=False, default=list
    )
    revenue_limit = serializers.DecimalField(18, 2, required=False, default=None, allow_null=True)
    revenue_currency = Text(required=False, default="", max_length=3, allow_blank=True)


class LicenceUseFilters(Filters):
    """Which month."""

    period = serializers.CharField(
        required=False, max_length=7, help_text="Year and month; default: this month."
    )


class LicenceList(Endpoint):
    """All licences."""

    @operation(
        "list_licences",
        "List licences, newest first",
        needs=Permission.LICENCES_LICENCE_READ,
        query=Filters,
        gives=page_of(LicenceOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the licences."""
        return self.paged(
            self.filtered(),
            LicenceOutput,
            lambda after, limit: licences.list_licences(self.actor, after=after, limit=limit),
        )

    @operation(
        "propose_licence",
        "Propose a licence",
        needs=Permission.LICENCES_LICENCE_PROPOSE,
        takes=LicenceInput,
        gives=LicenceOutput,
        status=201,
        creates=True,
        headers={"Location": "The licence."},
        description="Models run under it only after somebody else agreed.",
    )
    def post(self, _request: Request) -> Response:
        """Propose a licence."""
        wanted = self.parsed(LicenceInput)

        def act(_key: str, now: datetime) -> Answer:
            made = services.propose_licence(
                actor=self.actor,
                identifier=wanted["identifier"],
                name=wanted["name"],
                text=wanted["text"].encode(),
                text_sha256=wanted["text_sha256"],
                terms=Terms(
                    purposes=tuple(wanted["purposes"]),
                    obligations=tuple(wanted["obligations"]),
                    revenue_limit=wanted["revenue_limit"],
                    revenue_currency=wanted["revenue_currency"],
                ),
                now=now,
            )
            return _created(made)

        return self.once(act)


class LicenceDetail(Endpoint):
    """One licence."""

    @operation(
        "get_licence",
        "Get a licence",
        needs=Permission.LICENCES_LICENCE_READ,
        gives=LicenceOutput,
        refuses=[404],
    )
    def get(self, _request: Request, licence_id: UUID) -> Response:
        """Answer one licence."""
        return Response(LicenceOutput(licences.get_licence(self.actor, licence_id)).data)


class LicenceText(Endpoint):
    """The text of one licence."""

    @operation(
        "get_licence_text",
        "Read a licence's text",
        needs=Permission.LICENCES_LICENCE_READ,
        gives=TextOutput,
        refuses=[404],
    )
    def get(self, _request: Request, licence_id: UUID) -> Response:
        """Answer the text, with what is not UTF-8 in it replaced."""
        text, text_sha256 = licences.read_text(self.actor, licence_id)
        shown = {"text": text.decode("utf-8", "replace"), "text_sha256": text_sha256}
        return Response(TextOutput(shown).data)


class LicenceAgreement(Endpoint):
    """The agreement to one licence."""

    @operation(
        "agree_licence",
        "Agree to a licence",
        needs=Permission.LICENCES_LICENCE_APPROVE,
        gives=LicenceOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The licence."},
        description="By somebody else than its proposer; from then on no word of it changes.",
    )
    def post(self, _request: Request, licence_id: UUID) -> Response:
        """Agree as the second person."""

        def act(_key: str, now: datetime) -> Answer:
            return _created(
                services.agree_licence(actor=self.actor, licence_id=licence_id, now=now)
            )

        return self.once(act)


class LicenceRetirement(Endpoint):
    """The retirement of one licence."""

    @operation(
        "retire_licence",
        "Retire a licence",
        needs=Permission.LICENCES_LICENCE_RETIRE,
        gives=LicenceOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The licence."},
        description="For good: no order is placed with a model under it. What was made stays.",
    )
    def post(self, _request: Request, licence_id: UUID) -> Response:
        """Take it out of force."""

        def act(_key: str, now: datetime) -> Answer:
            return _created(
                services.retire_licence(actor=self.actor, licence_id=licence_id, now=now)
            )

        return self.once(act)


class LicenceUsage(Endpoint):
    """The monthly counter of one licence."""

    @operation(
        "get_licence_usage",
        "Count what was made under a licence",
        needs=Permission.QUOTA_ACCOUNT_READ,
        query=LicenceUseFilters,
        gives=LicenceUseOutput,
        refuses=[404],
        description="What its models' accounts spent in the month: for a usage report.",
    )
    def get(self, _request: Request, licence_id: UUID) -> Response:
        """Answer the counter of one month."""
        filters = self.filtered(LicenceUseFilters)
        found = usage.licence_usage(
            self.actor,
            licence_id=licence_id,
            period=filters.get("period") or period_of(clock.now()),
        )
        return Response(LicenceUseOutput(found).data)


def _created(licence: LicenceRecord) -> Answer:
    headers = {"Location": reverse("api:licence", args=[licence.id])}
    return Answer(201, LicenceOutput(licence).data, headers)
