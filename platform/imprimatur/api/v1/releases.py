"""Released images: what may be published, its passport, and the order to deliver it."""

from datetime import datetime
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.policy.permissions import Permission
from governance.release import selectors as releases
from imprimatur.api import images
from imprimatur.api.endpoints import BYTES, Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.api.v1.publications import (
    PublicationInput,
    PublicationOutput,
    accepted,
)
from imprimatur.publishing import selectors as publications
from imprimatur.publishing import services as publishing


@extend_schema_serializer(component_name="Release")
class ReleaseOutput(serializers.Serializer):
    """Marked bytes that may be published, unless the release was withdrawn."""

    id = serializers.UUIDField()
    approval_id = serializers.UUIDField()
    subject_id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    reviewed_sha256 = serializers.CharField()
    marked_sha256 = serializers.CharField()
    media_type = serializers.CharField()
    marking_profile = serializers.CharField()
    created_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(component_name="Withdrawal")
class WithdrawalInput(Input):
    """Why a release is withdrawn."""

    reason = Text(max_length=4000, help_text="Kept sealed; members of the brand read it.")


class ReleaseFilters(Filters):
    """Which releases."""

    brand_id = Identity(required=False)


class ReleaseList(Endpoint):
    """All releases."""

    @operation(
        "list_releases",
        "List releases, newest first",
        needs=Permission.PUBLISHING_RELEASE_READ,
        query=ReleaseFilters,
        gives=page_of(ReleaseOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the releases that the asker may see."""
        filters = self.filtered(ReleaseFilters)
        return self.paged(
            filters,
            ReleaseOutput,
            lambda after, limit: releases.list_releases(
                self.actor, brand_id=filters.get("brand_id"), after=after, limit=limit
            ),
        )


class ReleaseDetail(Endpoint):
    """One release."""

    @operation(
        "get_release",
        "Get a release",
        needs=Permission.PUBLISHING_RELEASE_READ,
        gives=ReleaseOutput,
        refuses=[404],
    )
    def get(self, _request: Request, release_id: UUID) -> Response:
        """Answer one release."""
        return Response(ReleaseOutput(releases.get_release(self.actor, release_id)).data)


class ReleaseImage(Endpoint):
    """One release's bytes."""

    @operation(
        "get_release_image",
        "Get a released image's bytes, with their marks",
        needs=Permission.PUBLISHING_RELEASE_READ,
        gives=BYTES,
        media_type="image/*",
        refuses=[404, 409, 410],
        headers=images.HEADERS,
        description="The marked bytes that the passport is about, re-hashed as they are read. With "
        "`If-None-Match` and the same SHA-256, the answer is 304. Once the release is withdrawn, "
        "it is 410 `release_withdrawn`.",
    )
    def get(self, request: Request, release_id: UUID) -> HttpResponseBase:
        """Answer the bytes; access and withdrawal are checked before the ETag is compared."""
        release = publications.get_released(self.actor, release_id)
        return images.answer(
            request,
            name=release.id,
            sha256=release.marked_sha256,
            media_type=release.media_type,
            read=lambda: publications.read_released(self.actor, release_id)[0],
        )


class ReleasePassport(Endpoint):
    """One release's passport."""

    @operation(
        "get_passport",
        "Download a release's passport",
        needs=Permission.PUBLISHING_RELEASE_READ,
        gives=OpenApiTypes.OBJECT,
        refuses=[404],
        headers={"Content-Disposition": "A neutral file name."},
        description="The exact bytes of the document that proves, offline and together with the "
        "image, who approved it: `verifier.py passport PASSPORT --image FILE --key VKEY`.",
    )
    def get(self, _request: Request, release_id: UUID) -> HttpResponse:
        """Answer the document's exact bytes."""
        document = releases.get_passport(self.actor, release_id)
        name = f"{release_id}.passport.json"
        return HttpResponse(
            document,
            content_type="application/json",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "X-Content-Type-Options": "nosniff",
            },
        )


class ReleaseWithdrawal(Endpoint):
    """The withdrawal of one release."""

    @operation(
        "withdraw_release",
        "Withdraw a release",
        needs=Permission.PUBLISHING_RELEASE_WITHDRAW,
        takes=WithdrawalInput,
        gives=ReleaseOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The release."},
        description="For good: nothing of it is published from now on, and what still waits is not "
        "delivered. The publisher takes copies away that were delivered, and verifies that they "
        "are gone: watch its publications become `recalled`. Only a person who is signed in "
        "withdraws, never a key; a password that was given too long ago answers 403 "
        "`reauthentication_needed`.",
    )
    def post(self, _request: Request, release_id: UUID) -> Response:
        """Withdraw a release."""
        wanted = self.parsed(WithdrawalInput)

        def act(_key: str, now: datetime) -> Answer:
            release = publishing.withdraw(
                actor=self.actor, release_id=release_id, now=now, **wanted
            )
            headers = {"Location": reverse("api:release", args=[release_id])}
            return Answer(201, ReleaseOutput(release).data, headers)

        return self.once(act)


class ReleasePublications(Endpoint):
    """The publications of one release."""

    @operation(
        "publish_release",
        "Publish a release",
        needs=Permission.PUBLISHING_PUBLICATION_CREATE,
        takes=PublicationInput,
        gives=PublicationOutput,
        status=202,
        creates=True,
        refuses=[404, 410],
        headers={"Location": "Where to watch the publication."},
    )
    def post(self, _request: Request, release_id: UUID) -> Response:
        """Order the delivery of a release."""
        wanted = self.parsed(PublicationInput)

        def act(_key: str, now: datetime) -> Answer:
            publication = publishing.request_publication(
                actor=self.actor, release_id=release_id, now=now, **wanted
            )
            return accepted(publication)

        return self.once(act)
