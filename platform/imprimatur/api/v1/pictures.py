"""Pictures that people bring: taken in with their rights, listed by these, confirmed, withdrawn."""

from datetime import datetime
from uuid import UUID

from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from generation.pictures import selectors as pictures
from generation.pictures import services
from generation.pictures.records import PictureRecord
from governance.kernel import clock
from governance.kernel.digests import sha256_hex
from governance.policy.permissions import Permission
from governance.rights import services as rights_services
from governance.rights.records import RightsRecord, Statement
from governance.rights.states import Basis, PeopleShown, RightsState, Show
from imprimatur.api import images
from imprimatur.api.endpoints import BYTES, Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Flag, Identity, Input, Moment, Text
from imprimatur.api.idempotency import Answer
from imprimatur.api.pagination import slice_by_id
from imprimatur.api.uploads import MEDIA_TYPE, UploadEndpoint
from imprimatur.workflow import resting

STANDINGS = [*RightsState.values, "not_yet", "expiring", "expired"]
LONGEST = rights_services.LONGEST


@extend_schema_serializer(component_name="Rights")
class RightsOutput(serializers.Serializer):
    """One version of the rights in a picture; a text is null once it was erased."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    picture_id = serializers.UUIDField(source="subject_id")
    number = serializers.IntegerField(help_text="Counts the versions of a picture from 1.")
    state = serializers.ChoiceField(RightsState.values)
    standing = serializers.SerializerMethodField(help_text="The state, as the time makes it.")
    owner = serializers.CharField(source="statement.owner", allow_null=True)
    basis = serializers.ChoiceField(Basis.values, source="statement.basis")
    reference = serializers.CharField(
        source="statement.reference", allow_null=True, allow_blank=True
    )
    people_shown = serializers.ChoiceField(PeopleShown.values, source="statement.people_shown")
    consent = serializers.CharField(source="statement.consent", allow_null=True, allow_blank=True)
    biometric_use = serializers.BooleanField(
        source="statement.biometric_use", help_text="Always false."
    )
    valid_from = serializers.DateTimeField(source="statement.valid_from", allow_null=True)
    expires_at = serializers.DateTimeField(source="statement.expires_at", allow_null=True)
    evidence = serializers.CharField(source="statement.evidence", allow_null=True, allow_blank=True)
    evidence_sha256 = serializers.CharField(source="statement.evidence_sha256", allow_blank=True)
    recorded_by = serializers.UUIDField()
    confirmed_by = serializers.UUIDField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    withdrawn_by = serializers.UUIDField(allow_null=True)
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    withdraw_reason = serializers.CharField(allow_null=True)

    @extend_schema_field(serializers.ChoiceField(STANDINGS))
    def get_standing(self, record: RightsRecord) -> str:
        """Return where the version stands at this moment."""
        return record.standing(clock.now())


@extend_schema_serializer(component_name="Picture")
class PictureOutput(serializers.Serializer):
    """One picture; `sha256` is of the bare pixels that are kept, `received_sha256` of the file."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    brand_id = serializers.UUIDField()
    sha256 = serializers.CharField()
    width_px = serializers.IntegerField()
    height_px = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    media_type = serializers.CharField()
    received_sha256 = serializers.CharField()
    received_bytes = serializers.IntegerField()
    received_media_type = serializers.CharField()
    uploaded_by = serializers.UUIDField()
    name = serializers.CharField(allow_null=True, help_text="The file's; null once erased.")
    rights = RightsOutput(help_text="The version that stands.")


@extend_schema_serializer(component_name="PictureUse")
class PictureUseOutput(serializers.Serializer):
    """One thing that rests on a picture, under the version of rights that carried it."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    record_id = serializers.UUIDField()
    used_kind = serializers.CharField()
    used_id = serializers.UUIDField()
    used_by = serializers.UUIDField()
    job_id = serializers.UUIDField(allow_null=True)
    asset_id = serializers.UUIDField(allow_null=True, help_text="The image that was made.")
    release_id = serializers.UUIDField(
        allow_null=True, help_text="Its release, which a recall withdraws; null without one."
    )
    withdrawn_at = serializers.DateTimeField(allow_null=True, help_text="Of the release.")


class RightsFields(Input):
    """What is said about the rights in a picture, however it is sent."""

    owner = Text(max_length=LONGEST["owner"])
    basis = serializers.ChoiceField(Basis.values)
    reference = Text(
        max_length=LONGEST["reference"],
        required=False,
        default="",
        allow_blank=True,
        help_text="Which licence or contract; required with such a basis.",
    )
    people_shown = serializers.ChoiceField(PeopleShown.values)
    consent = Text(
        max_length=LONGEST["consent"],
        required=False,
        default="",
        allow_blank=True,
        help_text="Where the consent of the people shown is on file; required if there are any.",
    )
    valid_from = Moment(required=False, default=None, allow_null=True)
    expires_at = Moment(required=False, default=None, allow_null=True)
    evidence = Text(
        max_length=LONGEST["evidence"],
        required=False,
        default="",
        allow_blank=True,
        help_text="Where the proof lies; required without evidence_sha256.",
    )
    evidence_sha256 = Text(max_length=64, required=False, default="", allow_blank=True)


@extend_schema_serializer(component_name="RightsStatement")
class RightsInput(RightsFields):
    """The rights in a picture."""

    biometric_use = Flag(required=False, default=False, help_text="Refused if true.")


@extend_schema_field(BYTES)
class BinaryFile(serializers.FileField):
    """A file as a part of a form."""


@extend_schema_serializer(component_name="PictureUpload")
class PictureInput(RightsFields):
    """A file with the rights in it, each as a part of a form."""

    body_type = MEDIA_TYPE

    brand_id = Identity()
    file = BinaryFile(help_text="PNG, JPEG or WebP: at most 20 MB and 40 megapixels.")
    biometric_use = serializers.BooleanField(
        required=False, default=False, help_text="Refused if true."
    )


@extend_schema_serializer(component_name="RightsWithdrawal")
class WithdrawalInput(Input):
    """Why rights are withdrawn."""

    reason = Text(max_length=rights_services.LONGEST_REASON)


class PictureFilters(Filters):
    """Which pictures."""

    brand_id = serializers.UUIDField(required=False)
    show = serializers.ChoiceField(Show.values, required=False, default=Show.ALL.value)


class PictureList(UploadEndpoint):
    """All pictures."""

    @operation(
        "list_pictures",
        "List the pictures that people brought, newest first",
        needs=Permission.GENERATION_PICTURE_READ,
        query=PictureFilters,
        gives=page_of(PictureOutput),
        description="`show=waiting` lists what a data steward has to confirm, `show=expiring` what "
        "ends within 30 days.",
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the pictures that the asker may see."""
        filters, now = self.filtered(PictureFilters), clock.now()
        return self.paged(
            filters,
            PictureOutput,
            lambda after, limit: pictures.list_pictures(
                self.actor,
                now=now,
                show=filters["show"],
                brand_id=filters.get("brand_id"),
                after=after,
                limit=limit,
            ),
        )

    @operation(
        "take_in_picture",
        "Bring a picture with the rights in it",
        needs=Permission.GENERATION_PICTURE_TAKE_IN,
        takes=PictureInput,
        gives=PictureOutput,
        status=201,
        creates=True,
        headers={"Location": "The picture."},
        description="The file is decoded and its pixels are encoded anew: metadata, position and "
        "profile are not kept. A file, or pixels, that the brand has already bring that picture "
        "again, with the rights as they stand; `created_at` tells. Where people are shown, a data "
        "steward confirms the rights before the picture may be used.",
    )
    def post(self, _request: Request) -> Response:
        """Take a picture in; it is looked at before the transaction, which must be short."""
        wanted = self.uploaded(PictureInput)
        file, brand_id = wanted.pop("file"), wanted.pop("brand_id")
        data, statement = file.read(), Statement(**wanted)
        examined = services.examine(
            actor=self.actor, brand_id=brand_id, data=data, statement=statement, now=clock.now()
        )

        def act(_key: str, now: datetime) -> Answer:
            taken = services.take_in(
                actor=self.actor,
                brand_id=brand_id,
                examined=examined,
                name=file.name,
                statement=statement,
                now=now,
            )
            return _created(taken.picture)

        said = {name: str(value) for name, value in wanted.items()}
        said |= {"brand_id": str(brand_id), "file": sha256_hex(data), "name": file.name}
        return self.once(act, said=said)


class PictureDetail(Endpoint):
    """One picture."""

    @operation(
        "get_picture",
        "Get a picture's facts and the rights in it",
        needs=Permission.GENERATION_PICTURE_READ,
        gives=PictureOutput,
        refuses=[404],
    )
    def get(self, _request: Request, picture_id: UUID) -> Response:
        """Answer one picture."""
        return Response(PictureOutput(pictures.get_picture(self.actor, picture_id)).data)


class PictureImage(Endpoint):
    """One picture's bytes."""

    @operation(
        "get_picture_image",
        "Get a picture's bytes",
        needs=Permission.GENERATION_PICTURE_READ,
        gives=BYTES,
        media_type="image/*",
        refuses=[404, 409],
        headers=images.HEADERS,
        description="The bare pixels that are kept, re-hashed as they are read. With "
        "`If-None-Match` and the same SHA-256, the answer is 304.",
    )
    def get(self, request: Request, picture_id: UUID) -> HttpResponseBase:
        """Answer the bytes; access is checked before the ETag is compared."""
        picture = pictures.get_picture(self.actor, picture_id)
        return images.answer(
            request,
            name=picture.id,
            sha256=picture.sha256,
            media_type=picture.media_type,
            read=lambda: pictures.read_bytes(picture)[0],
        )


class PictureUses(Endpoint):
    """What rests on one picture."""

    @operation(
        "list_picture_uses",
        "List what rests on a picture, newest first",
        needs=Permission.RIGHTS_RECORD_READ,
        query=Filters,
        gives=page_of(PictureUseOutput),
        refuses=[404],
        description="What the end of its rights concerns, down to what was released.",
    )
    def get(self, _request: Request, picture_id: UUID) -> Response:
        """Answer a page of what rests on it."""
        picture = pictures.get_picture(self.actor, picture_id)
        return self.paged(
            self.filtered(),
            PictureUseOutput,
            lambda after, limit: resting.list_resting(
                self.actor, picture.subject_id, after=after, limit=limit
            ),
        )


class PictureRights(Endpoint):
    """The versions of the rights in one picture."""

    @operation(
        "list_picture_rights",
        "List every version of the rights in a picture, oldest first",
        needs=Permission.RIGHTS_RECORD_READ,
        query=Filters,
        gives=page_of(RightsOutput),
        refuses=[404],
    )
    def get(self, _request: Request, picture_id: UUID) -> Response:
        """Answer a page of the versions."""
        found = pictures.list_rights(self.actor, picture_id)
        return self.paged(
            self.filtered(),
            RightsOutput,
            lambda after, limit: slice_by_id(found, after, limit),
        )

    @operation(
        "restate_picture_rights",
        "Put a new version of the rights in a picture on record",
        needs=Permission.RIGHTS_RECORD_CREATE,
        takes=RightsInput,
        gives=PictureOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The picture."},
        description="It replaces the version that stood. If any version showed people, or was "
        "withdrawn, a data steward confirms the new one.",
    )
    def post(self, _request: Request, picture_id: UUID) -> Response:
        """State the rights anew."""
        statement = Statement(**self.parsed(RightsInput))

        def act(_key: str, now: datetime) -> Answer:
            picture = services.restate_rights(
                actor=self.actor, picture_id=picture_id, statement=statement, now=now
            )
            return _created(picture)

        return self.once(act)


class RightsConfirmation(Endpoint):
    """The confirmation of one version."""

    @operation(
        "confirm_rights",
        "Confirm the rights in a picture",
        needs=Permission.RIGHTS_RECORD_CONFIRM,
        gives=PictureOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The picture."},
        description="By a data steward who neither brought the picture nor stated its rights.",
    )
    def post(self, _request: Request, record_id: UUID) -> Response:
        """Confirm exactly this version."""

        def act(_key: str, now: datetime) -> Answer:
            picture = services.confirm_rights(actor=self.actor, record_id=record_id, now=now)
            return _created(picture)

        return self.once(act)


class RightsWithdrawal(Endpoint):
    """The withdrawal of one version."""

    @operation(
        "withdraw_rights",
        "Withdraw the rights in a picture",
        needs=Permission.RIGHTS_RECORD_WITHDRAW,
        takes=WithdrawalInput,
        gives=PictureOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The picture."},
        description="For good: nothing new rests on the picture. `GET …/uses` says what does.",
    )
    def post(self, _request: Request, record_id: UUID) -> Response:
        """Withdraw exactly this version."""
        wanted = self.parsed(WithdrawalInput)

        def act(_key: str, now: datetime) -> Answer:
            picture = services.withdraw_rights(
                actor=self.actor, record_id=record_id, reason=wanted["reason"], now=now
            )
            return _created(picture)

        return self.once(act)


def _created(picture: PictureRecord) -> Answer:
    headers = {"Location": reverse("api:picture", args=[picture.id])}
    return Answer(201, PictureOutput(picture).data, headers)
