"""Images as they were made: their facts, scores and bytes, and the attempt to publish one."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from generation.assets import selectors as assets
from generation.jobs import selectors as jobs
from governance.kernel import clock
from governance.policy.permissions import Permission
from governance.review import services as review
from imprimatur.api import images
from imprimatur.api.endpoints import BYTES, Endpoint, operation
from imprimatur.api.idempotency import Answer
from imprimatur.api.v1.publications import (
    PublicationInput,
    PublicationOutput,
    accepted,
)
from imprimatur.publishing import services as publishing


@extend_schema_serializer(component_name="Score")
class ScoreOutput(serializers.Serializer):
    """One scorer's verdict."""

    scorer = serializers.CharField()
    version = serializers.CharField()
    weights_sha256 = serializers.CharField(allow_blank=True)
    value = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    verdict = serializers.CharField(help_text="pass, flag, refuse, or hold.")
    reason = serializers.CharField(allow_blank=True)
    policy_id = serializers.UUIDField()


@extend_schema_serializer(component_name="AssetStep")
class StepOutput(serializers.Serializer):
    """One output on an image's way: 0 is what the model made, the last is the image."""

    number = serializers.IntegerField()
    name = serializers.CharField(help_text="As in the template, such as crop/1; first: generate.")
    parameters = serializers.DictField(help_text="As the template's approved version has them.")
    sha256 = serializers.CharField()
    size_bytes = serializers.IntegerField()
    width_px = serializers.IntegerField()
    height_px = serializers.IntegerField()


@extend_schema_serializer(component_name="Asset")
class AssetOutput(serializers.Serializer):
    """One image; `sha256` names the bytes that a review decides about."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    job_id = serializers.UUIDField()
    item_id = serializers.UUIDField()
    subject_id = serializers.UUIDField()
    sha256 = serializers.CharField()
    width_px = serializers.IntegerField()
    height_px = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    media_type = serializers.CharField()
    recipe_sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()
    market = serializers.CharField(
        allow_blank=True, help_text="The country that it was ordered for; empty if none."
    )
    scores = ScoreOutput(many=True)
    steps = StepOutput(
        many=True, help_text="What it was on its way; empty where its template has no steps."
    )


class AssetDetail(Endpoint):
    """One image's facts."""

    @operation(
        "get_asset",
        "Get an image's facts and scores",
        needs=Permission.GENERATION_ASSET_READ,
        gives=AssetOutput,
        refuses=[404],
    )
    def get(self, _request: Request, asset_id: UUID) -> Response:
        """Answer one image's facts."""
        asset = assets.get_asset(self.actor, asset_id)
        market = jobs.ordered_as([asset.job_id])[asset.job_id].market
        steps = [asdict(step) for step in assets.list_steps(asset_id)]
        return Response(AssetOutput({**asdict(asset), "market": market, "steps": steps}).data)


class AssetImage(Endpoint):
    """One image's bytes."""

    @operation(
        "get_asset_image",
        "Get an image's bytes, before marking",
        needs=Permission.GENERATION_ASSET_READ,
        gives=BYTES,
        media_type="image/*",
        refuses=[404, 409],
        headers=images.HEADERS,
        description="The bytes that a review decides about, re-hashed as they are read. With "
        "`If-None-Match` and the same SHA-256, the answer is 304. Where a person reviews the "
        "image it is recorded that they were sent these bytes: a decision needs that. A key reads "
        "no drafts: for it this is 404; `GET /releases/{release_id}/image` has what was released.",
    )
    def get(self, request: Request, asset_id: UUID) -> HttpResponseBase:
        """Answer the bytes; access is checked before the ETag is compared."""
        asset = assets.get_asset(self.actor, asset_id)
        answered = images.answer(
            request,
            name=asset.id,
            sha256=asset.sha256,
            media_type=asset.media_type,
            read=lambda: assets.read_bytes(self.actor, asset_id)[0],
        )
        # A 304 says that the same bytes are shown again.
        review.record_delivery(
            actor=self.actor, subject_id=asset.subject_id, sha256=asset.sha256, now=clock.now()
        )
        return answered


class AssetPublications(Endpoint):
    """The publications of one image."""

    @operation(
        "publish_asset",
        "Publish an image, if it has a release",
        needs=Permission.PUBLISHING_PUBLICATION_CREATE,
        takes=PublicationInput,
        gives=PublicationOutput,
        status=202,
        creates=True,
        refuses=[404, 410],
        headers={"Location": "Where to watch the publication."},
        description="Without a release the answer is 409 `not_released`, and the attempt leaves a "
        "refusal on record.",
    )
    def post(self, _request: Request, asset_id: UUID) -> Response:
        """Order the delivery of the image's release."""
        wanted = self.parsed(PublicationInput)

        def act(_key: str, now: datetime) -> Answer:
            publication = publishing.request_publication_of_asset(
                actor=self.actor, asset_id=asset_id, now=now, **wanted
            )
            return accepted(publication)

        return self.once(act)
