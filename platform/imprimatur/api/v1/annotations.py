"""What is said about places in an image under review, and the versions to compare it with."""

import math
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
from governance.review import services as review_services
from imprimatur.api import pagination
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Input, Text
from imprimatur.api.idempotency import Answer
from imprimatur.api.v1.cases import CASE_STATES, SubjectOutput
from imprimatur.workflow.rosters import roster_of

MARKS = ["pin", "box"]
MAX_LENGTH = 4000
_SHA256 = r"^[0-9a-f]{64}$"


class Share(serializers.FloatField):
    """A JSON number between 0 and 1; neither a string of digits, nor true."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 0.0, "max_value": 1.0, **options})

    def to_internal_value(self, data: Any) -> float:
        """Return the number. Raises: ValidationError for anything that is none."""
        if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
            self.fail("invalid")
        return float(super().to_internal_value(data))


class ReplyOutput(serializers.Serializer):
    """One more sentence in a thread; the text is null once it was erased."""

    id = serializers.UUIDField()
    author_id = serializers.UUIDField()
    text = serializers.CharField(allow_null=True)
    mentions = serializers.ListField(child=serializers.UUIDField())
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="Annotation")
class AnnotationOutput(serializers.Serializer):
    """A pin or a box on the image, with its thread; the text is null once it was erased."""

    id = serializers.UUIDField()
    case_id = serializers.UUIDField()
    subject_id = serializers.UUIDField()
    sha256 = serializers.CharField()
    author_id = serializers.UUIDField()
    mark = serializers.ChoiceField(MARKS)
    x = serializers.FloatField()
    y = serializers.FloatField()
    width = serializers.FloatField(allow_null=True)
    height = serializers.FloatField(allow_null=True)
    text = serializers.CharField(allow_null=True)
    mentions = serializers.ListField(child=serializers.UUIDField())
    created_at = serializers.DateTimeField()
    replies = ReplyOutput(many=True)
    resolved_by = serializers.UUIDField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)


class Said(Input):
    """A sentence, and who is told of it."""

    text = Text(max_length=MAX_LENGTH, help_text="Kept sealed under its author's key.")
    mentions = serializers.ListField(
        child=Identity(),
        default=list,
        max_length=20,
        help_text="People who can see the review; each is told.",
    )


@extend_schema_serializer(component_name="NewAnnotation")
class AnnotationInput(Said):
    """A pin (x, y) or a box (with width and height), in shares of the image's size."""

    sha256 = serializers.RegexField(_SHA256, help_text="The SHA-256 of the bytes it is about.")
    mark = serializers.ChoiceField(MARKS)
    x = Share()
    y = Share()
    width = Share(required=False, allow_null=True)
    height = Share(required=False, allow_null=True)


@extend_schema_serializer(component_name="NewReply")
class ReplyInput(Said):
    """One more sentence in a thread."""


@extend_schema_serializer(component_name="CaseVersion")
class VersionOutput(serializers.Serializer):
    """One version with its latest review."""

    subject = SubjectOutput()
    parent_id = serializers.UUIDField(
        allow_null=True, help_text="The subject that this one came after."
    )
    registered_at = serializers.DateTimeField()
    case_id = serializers.UUIDField()
    case_state = serializers.ChoiceField(CASE_STATES)
    title = serializers.CharField()
    open_annotations = serializers.IntegerField()
    resolved_annotations = serializers.IntegerField()


class CaseAnnotations(Endpoint):
    """What was said about one case's image."""

    @operation(
        "list_annotations",
        "List a review's annotations, oldest first",
        needs=Permission.REVIEW_CASE_READ,
        query=Filters,
        gives=page_of(AnnotationOutput),
        refuses=[404],
        description="Those of closed and voided reviews can be read as well.",
    )
    def get(self, _request: Request, case_id: UUID) -> Response:
        """Answer a page of annotations with their threads."""
        found = review.list_annotations(self.actor, case_id)
        return self.paged(
            self.filtered(),
            AnnotationOutput,
            lambda after, limit: pagination.slice_by_id(found, after, limit),
        )

    @operation(
        "annotate",
        "Put a pin or a box on the image under review",
        needs=Permission.REVIEW_THREAD_WRITE,
        takes=AnnotationInput,
        gives=AnnotationOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The case's annotations."},
        description="Only on an open review and on its own bytes: others answer 409 `case_closed` "
        "or `bytes_changed`. Annotating is no part in the image: whoever annotates may decide.",
    )
    def post(self, _request: Request, case_id: UUID) -> Response:
        """Annotate."""
        wanted = self.parsed(AnnotationInput)

        def act(_key: str, now: datetime) -> Answer:
            made = review_services.annotate(
                actor=self.actor, case_id=case_id, roster_of=roster_of, now=now, **wanted
            )
            return _answer(made)

        return self.once(act)


class AnnotationReplies(Endpoint):
    """The thread of one annotation."""

    @operation(
        "reply",
        "Answer in an annotation's thread",
        needs=Permission.REVIEW_THREAD_WRITE,
        takes=ReplyInput,
        gives=AnnotationOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The case's annotations."},
    )
    def post(self, _request: Request, annotation_id: UUID) -> Response:
        """Add a sentence to the thread."""
        wanted = self.parsed(ReplyInput)

        def act(_key: str, now: datetime) -> Answer:
            thread = review_services.reply(
                actor=self.actor,
                annotation_id=annotation_id,
                roster_of=roster_of,
                now=now,
                **wanted,
            )
            return _answer(thread)

        return self.once(act)


class AnnotationResolution(Endpoint):
    """That one annotation's matter is settled."""

    @operation(
        "resolve_annotation",
        "Settle an annotation",
        needs=Permission.REVIEW_THREAD_WRITE,
        gives=AnnotationOutput,
        status=201,
        creates=True,
        refuses=[404],
        headers={"Location": "The case's annotations."},
        description="Its author, the requester and reviewers may, once.",
    )
    def post(self, _request: Request, annotation_id: UUID) -> Response:
        """Settle it."""

        def act(_key: str, now: datetime) -> Answer:
            settled = review_services.resolve(
                actor=self.actor, annotation_id=annotation_id, now=now
            )
            return _answer(settled)

        return self.once(act)


class CaseVersions(Endpoint):
    """The versions that one case's subject came from and led to."""

    @operation(
        "list_case_versions",
        "List the versions to compare a review's subject with, oldest first",
        needs=Permission.REVIEW_CASE_READ,
        query=Filters,
        gives=page_of(VersionOutput),
        refuses=[404],
        description="Parents, their later versions, and what came after; each with the state of "
        "its latest review. Versions whose review you may not see are left out.",
    )
    def get(self, _request: Request, case_id: UUID) -> Response:
        """Answer the versions."""
        case = review.get_case(self.actor, case_id)
        found = review.lineage(self.actor, case.subject.id)
        return self.paged(
            self.filtered(),
            VersionOutput,
            lambda after, limit: pagination.slice_by_id(found, after, limit),
        )


def _answer(annotation: Any) -> Answer:
    headers = {"Location": reverse("api:case-annotations", args=[annotation.case_id])}
    return Answer(201, AnnotationOutput(annotation).data, headers)
