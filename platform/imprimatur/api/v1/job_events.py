"""How far an order is, told as it happens: server-sent events for clients that would else poll."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request

from generation.jobs import progress
from generation.jobs.outlook import Place
from generation.jobs.progress import OrderProgress
from governance.policy.permissions import Permission
from imprimatur.api.endpoints import BYTES, Endpoint, operation
from imprimatur.api.v1.jobs import ITEM_STATES, JOB_STATES
from imprimatur.workflow import following


@extend_schema_serializer(component_name="Place")
class PlaceOutput(serializers.Serializer):
    """Where an image stands in its queue, by the order of turns; nothing tells whose others are."""

    images_before = serializers.IntegerField(help_text="How many images go before it.")
    is_at_least = serializers.BooleanField(help_text="Whether more than that may go before it.")
    wait_s = serializers.FloatField(
        allow_null=True, help_text="Seconds until it is begun, as far as can be told."
    )
    others = serializers.IntegerField(help_text="How many other people wait.")
    share = serializers.FloatField(help_text="Which part of the worker's time is the requester's.")
    was_passed = serializers.BooleanField(help_text="Whether a model that was held went first.")
    reason = serializers.SerializerMethodField()

    def get_reason(self, place: Place) -> str:
        """Say the same in words."""
        return following.reason(place)


@extend_schema_serializer(component_name="ItemProgress")
class ItemProgressOutput(serializers.Serializer):
    """How far one image is."""

    id = serializers.UUIDField()
    number = serializers.IntegerField(help_text="Counts from 1.")
    state = serializers.ChoiceField(ITEM_STATES)
    steps = serializers.IntegerField()
    steps_done = serializers.IntegerField()
    attempts = serializers.IntegerField()
    place = PlaceOutput(allow_null=True, help_text="Null unless it waits.")
    preview_step = serializers.IntegerField(
        allow_null=True, help_text="The step that its preview shows; null if there is none."
    )


@extend_schema_serializer(component_name="JobProgress")
class JobProgressOutput(serializers.Serializer):
    """The data of one `order` event: the whole state of an order."""

    job_id = serializers.UUIDField()
    state = serializers.ChoiceField(JOB_STATES)
    items = ItemProgressOutput(many=True)


class JobEvents(Endpoint):
    """What moves on one order."""

    @operation(
        "watch_job",
        "Watch an order as it is made",
        needs=Permission.GENERATION_JOB_READ,
        gives=JobProgressOutput,
        media_type=following.MEDIA_TYPE,
        refuses=[404, 429],
        description="A stream of server-sent events: `order` with the whole state as JSON, first "
        "at once and then at most once a second when something moved, and `end` when nothing will "
        "any more. Its `id`, sent back as `Last-Event-ID`, leaves out what you have. A line "
        "that begins with a colon is a sign of life. The stream ends after two minutes at most: "
        "come back after `retry` milliseconds. Once the order is over and you have its last "
        "state, the answer is 204.",
    )
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """Begin a stream."""
        beginning = following.begin(
            self.actor, job_id, tell=_told, told=request.headers.get("Last-Event-ID", "")
        )
        if beginning.watch is not None:
            following.attach(getattr(request._request, "scope", {}), beginning.watch)  # noqa: SLF001 (the plain request)
        if not beginning.body:
            return HttpResponse(status=204)
        return HttpResponse(
            beginning.body,
            content_type=following.MEDIA_TYPE,
            headers={"X-Accel-Buffering": "no"},
        )


class ItemPreview(Endpoint):
    """How one image looks while it forms."""

    @operation(
        "get_item_preview",
        "Look at an image as it forms",
        needs=Permission.GENERATION_JOB_READ,
        gives=BYTES,
        media_type="image/jpeg",
        refuses=[404],
        description="A small picture, 128 pixels at most, painted while somebody follows the "
        "order's events. It was judged by nobody, is no asset, and is gone when the image is over.",
    )
    def get(self, _request: Request, item_id: UUID) -> HttpResponse:
        """Answer with the latest preview."""
        return HttpResponse(progress.get_preview(self.actor, item_id), content_type="image/jpeg")


def _told(now: OrderProgress) -> dict[str, Any]:
    return dict(JobProgressOutput(now).data)
