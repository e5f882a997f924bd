"""A person's texts, for data stewards: legal holds that keep them, and the erasure of them all."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.ledger import selectors as ledger_selectors
from governance.ledger import services as ledger
from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.api.pagination import slice_by_id


@extend_schema_serializer(component_name="NewLegalHold")
class HoldInput(Input):
    """A legal hold: while it stands, nobody erases the person's texts."""

    brand_id = Identity()
    reason = Text(max_length=4000, help_text="Kept sealed; data stewards and auditors read it.")


@extend_schema_serializer(component_name="LegalHoldLifting")
class LiftInput(Input):
    """Why a legal hold is lifted."""

    reason = Text(max_length=4000, help_text="Kept sealed; data stewards and auditors read it.")


@extend_schema_serializer(component_name="Erasure")
class ErasureInput(Input):
    """On behalf of which brand a person is erased."""

    brand_id = Identity()


@extend_schema_serializer(component_name="LegalHold")
class HoldOutput(serializers.Serializer):
    """One legal hold; it stands until `lifted_at`."""

    id = serializers.UUIDField()
    person_id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    placed_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    reason = serializers.CharField(allow_null=True, help_text="Null once its author was erased.")
    lifted_at = serializers.DateTimeField(allow_null=True)
    lifted_by = serializers.UUIDField(allow_null=True)
    lift_reason = serializers.CharField(allow_null=True)


@extend_schema_serializer(component_name="Erased")
class ErasureOutput(serializers.Serializer):
    """What was erased, and the ledger entry that says so."""

    person_id = serializers.UUIDField()
    key_id = serializers.UUIDField(allow_null=True, help_text="Null if the person had no texts.")
    entry_id = serializers.UUIDField()


class PersonHolds(Endpoint):
    """The legal holds on one person's texts."""

    @operation(
        "list_holds",
        "List the legal holds on a person's texts",
        needs=Permission.LEDGER_HOLD_READ,
        query=Filters,
        gives=page_of(HoldOutput),
    )
    def get(self, _request: Request, person_id: UUID) -> Response:
        """Answer a page of the holds in the brands that the asker looks after or audits."""
        held = ledger_selectors.list_holds(person_id, actor=self.actor)
        return self.paged(
            self.filtered(), HoldOutput, lambda after, limit: slice_by_id(held, after, limit)
        )

    @operation(
        "place_hold",
        "Place a legal hold on a person's texts",
        needs=Permission.LEDGER_HOLD_PLACE,
        takes=HoldInput,
        gives=HoldOutput,
        status=201,
        creates=True,
        refuses=[409],
        headers={"Location": "The person's legal holds."},
    )
    def post(self, _request: Request, person_id: UUID) -> Response:
        """Place a hold."""
        wanted = self.parsed(HoldInput)

        def act(_key: str, now: datetime) -> Answer:
            held = ledger.hold_person(actor=self.actor, person_id=person_id, now=now, **wanted)
            headers = {"Location": reverse("api:person-holds", args=[person_id])}
            return Answer(201, HoldOutput(ledger_selectors.open_hold(held)).data, headers)

        return self.once(act)


class HoldLifting(Endpoint):
    """The lifting of one legal hold."""

    @operation(
        "lift_hold",
        "Lift a legal hold that somebody else placed",
        needs=Permission.LEDGER_HOLD_LIFT,
        takes=LiftInput,
        gives=HoldOutput,
        creates=True,
        refuses=[404, 409],
    )
    def post(self, _request: Request, hold_id: UUID) -> Response:
        """Lift a hold."""
        wanted = self.parsed(LiftInput)

        def act(_key: str, now: datetime) -> Answer:
            lifted = ledger.lift_hold(actor=self.actor, hold_id=hold_id, now=now, **wanted)
            return Answer(200, HoldOutput(ledger_selectors.open_hold(lifted)).data)

        return self.once(act)


class PersonErasure(Endpoint):
    """The erasure of one person's texts."""

    @operation(
        "erase_person",
        "Erase a person's texts for good",
        needs=Permission.LEDGER_PERSON_ERASE,
        takes=ErasureInput,
        gives=ErasureOutput,
        creates=True,
        refuses=[409],
        description="Refused while a legal hold stands. Nothing brings the texts back.",
    )
    def post(self, _request: Request, person_id: UUID) -> Response:
        """Erase the person."""
        wanted = self.parsed(ErasureInput)

        def act(_key: str, now: datetime) -> Answer:
            erased = ledger.erase_person(actor=self.actor, person_id=person_id, now=now, **wanted)
            return Answer(200, ErasureOutput(erased).data)

        return self.once(act)
