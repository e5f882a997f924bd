"""Replays: an image is made again from its recipe, and compared with what it was."""

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from generation.jobs import selectors as jobs
from generation.jobs import services as job_services
from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters
from imprimatur.api.idempotency import Answer

REPLAY_STATES = ["queued", "leased", "done", "failed"]


@extend_schema_serializer(component_name="ReplayFactChange")
class FactChangeOutput(serializers.Serializer):
    """One fact about the worker that is not as it was; empty where it was not recorded."""

    fact = serializers.CharField()
    then = serializers.CharField(allow_blank=True)
    now = serializers.CharField(allow_blank=True)


@extend_schema_serializer(component_name="ReplayPixels")
class PixelsOutput(serializers.Serializer):
    """How far the pixels lie apart; two sizes alone, if these differ."""

    differing_share = serializers.FloatField(required=False, help_text="Of the pixels, 0..1.")
    largest_difference = serializers.IntegerField(
        required=False, help_text="Of one channel of one pixel, 0..255."
    )
    ssim = serializers.FloatField(required=False, help_text="-1..1; 1 is the same.")
    ciede2000_mean = serializers.FloatField(required=False, help_text="1 is just noticeable.")
    ciede2000_max = serializers.FloatField(required=False)
    size_then = serializers.CharField(required=False)
    size_now = serializers.CharField(required=False)


@extend_schema_serializer(component_name="ReplayFirstDrift")
class FirstDriftOutput(serializers.Serializer):
    """The step of the image's template at which its pixels began to differ."""

    number = serializers.IntegerField(help_text="0 is what the model made.")
    name = serializers.CharField()


@extend_schema_serializer(component_name="ReplayReport")
class ReportOutput(serializers.Serializer):
    """What a replay found; the pixels only where the bytes are others."""

    changed = FactChangeOutput(many=True, required=False)
    are_pixels_same = serializers.BooleanField(required=False)
    first_drift = FirstDriftOutput(
        required=False, help_text="Only for an image whose template has steps."
    )
    pixels = PixelsOutput(required=False)
    unmeasured = serializers.CharField(
        required=False, help_text="Why the pixels were not compared, if they were not."
    )


@extend_schema_serializer(component_name="Replay")
class ReplayOutput(serializers.Serializer):
    """One replay; `outcome` and what belongs to it are empty until it is done."""

    id = serializers.UUIDField()
    asset_id = serializers.UUIDField()
    asset_sha256 = serializers.CharField()
    asked_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    state = serializers.ChoiceField(REPLAY_STATES)
    attempts = serializers.IntegerField()
    outcome = serializers.CharField(
        allow_blank=True, help_text="same or drifted; empty until it is done, and if it failed."
    )
    made_sha256 = serializers.CharField(allow_blank=True)
    asset_class = serializers.CharField(
        allow_blank=True, help_text="Digest of what decided the bytes when the image was made."
    )
    worker_class = serializers.CharField(
        allow_blank=True, help_text="The same of the worker that made it again."
    )
    is_own_class = serializers.BooleanField(
        help_text="Both are the same: then the same bytes are promised."
    )
    worker_facts = serializers.DictField(child=serializers.CharField())
    report = ReportOutput()
    render_s = serializers.FloatField(allow_null=True)
    failure = serializers.CharField(allow_blank=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class AssetReplays(Endpoint):
    """The replays of one image."""

    @operation(
        "list_asset_replays",
        "List an image's replays, newest first",
        needs=Permission.GENERATION_REPLAY_READ,
        query=Filters,
        gives=page_of(ReplayOutput),
        refuses=[404],
    )
    def get(self, _request: Request, asset_id: UUID) -> Response:
        """Answer a page of the image's replays."""
        return self.paged(
            self.filtered(),
            ReplayOutput,
            lambda after, limit: jobs.list_replays(
                self.actor, asset_id=asset_id, after=after, limit=limit
            ),
        )

    @operation(
        "replay_asset",
        "Have an image made again from its recipe",
        needs=Permission.GENERATION_REPLAY_CREATE,
        gives=ReplayOutput,
        status=202,
        creates=True,
        refuses=[404, 429],
        headers={"Location": "Where to watch the replay."},
        description="By auditors and reviewers of the brand who are signed in, never by a key. A "
        "worker makes the image again when no ordered one waits, and compares the bytes; they "
        "become no image, and are billed to nobody. Too many within an hour answer 429 "
        "`too_many_replays`; an image from an endpoint, which cannot be made again the same, "
        "answers 409 `not_replayable`.",
    )
    def post(self, _request: Request, asset_id: UUID) -> Response:
        """Ask for a replay."""

        def act(_key: str, now: datetime) -> Answer:
            replay = job_services.ask_for_replay(actor=self.actor, asset_id=asset_id, now=now)
            location = reverse("api:replay", args=[replay.id])
            return Answer(202, dict(ReplayOutput(replay).data), {"Location": location})

        return self.once(act)


class ReplayDetail(Endpoint):
    """One replay."""

    @operation(
        "get_replay",
        "Get a replay and what it found",
        needs=Permission.GENERATION_REPLAY_READ,
        gives=ReplayOutput,
        refuses=[404],
    )
    def get(self, _request: Request, replay_id: UUID) -> Response:
        """Answer one replay."""
        return Response(ReplayOutput(jobs.get_replay(self.actor, replay_id)).data)
