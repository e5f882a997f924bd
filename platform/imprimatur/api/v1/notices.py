"""What the asker was told: reviews that wait, mentions, alarms; each with a link and no text."""

from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.notices import selectors as notices
from governance.notices import services as notice_services
from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters


@extend_schema_serializer(component_name="Notice")
class NoticeOutput(serializers.Serializer):
    """One notice; `read_at` is null until it is read."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    brand_id = serializers.UUIDField(allow_null=True)
    kind = serializers.CharField(help_text="What happened, such as review.assigned.")
    subject_kind = serializers.CharField()
    subject_id = serializers.UUIDField()
    case_id = serializers.UUIDField(allow_null=True)
    read_at = serializers.DateTimeField(allow_null=True)


class NoticeFilters(Filters):
    """Which notices."""

    unread = serializers.BooleanField(default=False, help_text="Only those not read yet.")


class NoticeList(Endpoint):
    """The notices to the asker."""

    @operation(
        "list_notices",
        "List your notices, newest first",
        needs=Permission.NOTICES_NOTICE_READ,
        query=NoticeFilters,
        gives=page_of(NoticeOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the notices to the asker."""
        filters = self.filtered(NoticeFilters)
        return self.paged(
            filters,
            NoticeOutput,
            lambda after, limit: notices.list_notices(
                self.actor, unread=filters["unread"], after=after, limit=limit
            ),
        )


class NoticeReading(Endpoint):
    """That one notice was read."""

    @operation(
        "read_notice",
        "Mark a notice as read",
        needs=Permission.NOTICES_NOTICE_READ,
        gives=NoticeOutput,
        refuses=[404],
        description="Doing it again changes nothing.",
    )
    def post(self, _request: Request, notice_id: UUID) -> Response:
        """Note that the asker read it."""
        record = notice_services.mark_read(actor=self.actor, notice_id=notice_id, now=clock.now())
        return Response(NoticeOutput(record).data)
