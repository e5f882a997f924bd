"""Orders of images: place one, watch it, cancel an image that is not finished."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from generation.jobs import selectors as jobs
from generation.jobs import services as job_services
from generation.jobs.records import Pressure
from generation.jobs.states import ItemState
from generation.jobs.turns import Priority
from governance.kernel import clock
from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Flag, Identity, Input, Moment, Text, Variables, Whole
from imprimatur.api.idempotency import Answer
from imprimatur.api.wishes import WishInput, take_wish
from imprimatur.workflow import order

# Seconds after which it makes sense to look at an order again.
LOOK_AGAIN_S = 2
ITEM_STATES = ItemState.values
PRIORITIES = [each.name.lower() for each in Priority]
JOB_STATES = ["queued", "running", "done"]


@extend_schema_serializer(component_name="Order")
class OrderInput(WishInput):
    """What to make: a released template, its variables, how many variants."""

    template_id = Identity()
    variables = Variables(help_text="By name, as the template's JSON Schema asks.")
    variants = Whole(default=1, min_value=1, help_text="How many images, each with its own seed.")
    profile = Text(required=False, max_length=60, help_text="A model profile; default: the first.")
    width = Whole(required=False, help_text="Pixels; with height, one of the template's sizes.")
    height = Whole(required=False, help_text="Pixels.")
    seed = Whole(required=False, help_text="0 to 2^53 - 1; default: drawn at random.")
    market = Text(
        required=False,
        max_length=2,
        help_text="The country that they are shown in (ISO 3166-1), one of the brand's markets; "
        "default: its first. The rules and thresholds of that market hold.",
    )
    priority = serializers.ChoiceField(
        PRIORITIES,
        required=False,
        help_text="What of your own orders goes first; default: normal. Nobody else waits longer "
        "or shorter for it.",
    )
    due_at = Moment(
        required=False,
        help_text="When they should be there: of your own orders of one priority and model, those "
        "that are due soonest go first.",
    )
    parent_asset_id = Identity(
        required=False,
        help_text="An image of the brand that these come after, to compare them with in review: "
        "more like this, or again where changes were requested. Nothing of it goes into them.",
    )


@extend_schema_serializer(component_name="Item")
class ItemOutput(serializers.Serializer):
    """One image of an order."""

    id = serializers.UUIDField()
    number = serializers.IntegerField(help_text="Counts from 1.")
    state = serializers.ChoiceField(ITEM_STATES)
    progress_share = serializers.FloatField(help_text="0 to 1.")
    seed = serializers.IntegerField()
    attempts = serializers.IntegerField()
    asset_id = serializers.UUIDField(allow_null=True)
    case_id = serializers.UUIDField(allow_null=True)
    refusal_id = serializers.UUIDField(allow_null=True)
    failure = serializers.CharField(allow_blank=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    reused_asset_id = serializers.UUIDField(
        allow_null=True,
        help_text="The image whose bytes this one has, where the same recipe had been made before.",
    )


@extend_schema_serializer(component_name="Job")
class JobOutput(serializers.Serializer):
    """One order and its images."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    template_id = serializers.UUIDField()
    template_version_id = serializers.UUIDField()
    template_name = serializers.CharField()
    requester_id = serializers.UUIDField()
    profile_id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    state = serializers.ChoiceField(JOB_STATES)
    variables = serializers.DictField(
        allow_null=True, help_text="Null once the requester's texts were erased."
    )
    items = ItemOutput(many=True)
    parent_asset_id = serializers.UUIDField(allow_null=True)
    market = serializers.CharField(allow_blank=True, help_text="Empty for a brand without any.")


@extend_schema_serializer(component_name="CancelledItem")
class ItemStateOutput(serializers.Serializer):
    """An image's state after a request to cancel it; a leased one ends when its worker hears."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(ITEM_STATES)


@extend_schema_serializer(component_name="HoldDecision")
class HoldDecisionInput(Input):
    """Whether a held image goes into review, and why."""

    accept = Flag(help_text="True sends it into review, false refuses it.")
    reason = Text(max_length=4000, help_text="Kept sealed; after a refusal the requester reads it.")


class JobFilters(Filters):
    """Which orders."""

    brand_id = Identity(required=False)
    market = Text(required=False, max_length=2)


class JobList(Endpoint):
    """All orders."""

    @operation(
        "list_jobs",
        "List orders, newest first",
        needs=Permission.GENERATION_JOB_READ,
        query=JobFilters,
        gives=page_of(JobOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the orders that the asker may see."""
        filters = self.filtered(JobFilters)
        return self.paged(
            filters,
            JobOutput,
            lambda after, limit: jobs.list_jobs(
                self.actor,
                brand_id=filters.get("brand_id"),
                market=filters.get("market"),
                after=after,
                limit=limit,
            ),
        )

    @operation(
        "create_job",
        "Order images",
        needs=Permission.GENERATION_JOB_CREATE,
        takes=OrderInput,
        gives=JobOutput,
        status=202,
        creates=True,
        refuses=[404],
        headers={
            "Location": "Where to watch the order.",
            "Retry-After": "Seconds after which it makes sense to look.",
        },
        description="Compiles the prompt, asks the model's licence, screens the prompt by the "
        "brand's rules and reserves quota. A refusal by one of these answers 422 and leaves a "
        "refusal on record, whose id is in `facts.refusal_id`; malformed input answers 400 and "
        "leaves nothing. After a refusal by a rule, `facts` names the `field` (empty for the "
        "finished prompt), the words `found` there from `start` to before `end` in code points, "
        "the `next_step`, and the role that may override it. Where the quota is too small, ask "
        "for more with a quota request (`POST /api/v1/quota-requests`): `facts` has its "
        "`holder_kind` and `period`. What is made "
        "from a picture whose rights do not carry it is refused the same way. A key also needs "
        "`prompts:template:read` and `generation:job:read`, and `rights:record:use` to name "
        "pictures.",
    )
    def post(self, _request: Request) -> Response:
        """Place an order."""
        wanted = self.parsed(OrderInput)
        wish = take_wish(wanted)
        pressure = Pressure(
            priority=Priority[wanted.pop("priority", "normal").upper()],
            due_at=wanted.pop("due_at", None),
        )

        def act(key: str, now: datetime) -> Answer:
            job = order.place(
                actor=self.actor,
                idempotency_key=key,
                now=now,
                wish=wish,
                pressure=pressure,
                **wanted,
            )
            headers = {
                "Location": reverse("api:job", args=[job.id]),
                "Retry-After": str(LOOK_AGAIN_S),
            }
            return Answer(202, JobOutput(job).data, headers)

        return self.once(act)


class JobDetail(Endpoint):
    """One order."""

    @operation(
        "get_job",
        "Watch an order",
        needs=Permission.GENERATION_JOB_READ,
        gives=JobOutput,
        refuses=[404],
        description="While the order is not done, Retry-After says when to look again.",
    )
    def get(self, _request: Request, job_id: UUID) -> Response:
        """Answer one order with its images."""
        job = jobs.get_job(self.actor, job_id)
        headers: dict[str, Any] = {}
        if job.state != "done":
            headers["Retry-After"] = str(LOOK_AGAIN_S)
        return Response(JobOutput(job).data, headers=headers)


class ItemCancellation(Endpoint):
    """The cancelling of one image."""

    @operation(
        "cancel_item",
        "Cancel an image",
        needs=Permission.GENERATION_JOB_CANCEL,
        gives=ItemStateOutput,
        refuses=[404, 409],
        description="One that waits ends at once; one in work ends when its worker hears of it.",
    )
    def post(self, _request: Request, item_id: UUID) -> Response:
        """Cancel one image."""
        state = job_services.cancel_item(actor=self.actor, item_id=item_id, now=clock.now())
        return Response(ItemStateOutput({"id": item_id, "state": state}).data)


class ItemHoldDecision(Endpoint):
    """The decision on one held image."""

    @operation(
        "decide_hold",
        "Decide about a held image",
        needs=Permission.REVIEW_CASE_DECIDE,
        takes=HoldDecisionInput,
        gives=ItemOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The order."},
        description="An image that no scorer could judge waits for a compliance reviewer who had "
        "no part in it. Accepted, it goes into review like any other; otherwise it is refused, and "
        "the refusal is on record. Only a person who is signed in decides, never a key.",
    )
    def post(self, _request: Request, item_id: UUID) -> Response:
        """Send a held image into review, or refuse it."""
        wanted = self.parsed(HoldDecisionInput)

        def act(_key: str, now: datetime) -> Answer:
            job_services.resolve_hold(actor=self.actor, item_id=item_id, now=now, **wanted)
            job_id, item = jobs.get_item(self.actor, item_id)
            headers = {"Location": reverse("api:job", args=[job_id])}
            return Answer(201, ItemOutput(item).data, headers)

        return self.once(act)
