"""The log, for whoever audits: its latest signed checkpoint, and its entries as exact bytes."""

import base64
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel.errors import NotFound
from governance.ledger import selectors as ledger
from governance.ledger.selectors import EntryRecord
from governance.policy.permissions import Permission
from imprimatur.api.endpoints import SIGNED_IN, Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity


@extend_schema_serializer(component_name="Checkpoint")
class CheckpointOutput(serializers.Serializer):
    """A signed statement of the whole log at one size; keep it, and later logs must contain it."""

    size = serializers.IntegerField()
    root = serializers.CharField(help_text="The tree's root, in hex.")  # type: ignore[assignment]
    note = serializers.CharField(help_text="The C2SP checkpoint, with its signature.")
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="Entry")
class EntryOutput(serializers.Serializer):
    """One recorded act."""

    id = serializers.UUIDField()
    seq = serializers.IntegerField(
        allow_null=True, help_text="Its place in the tree; null for a moment after the act."
    )
    created_at = serializers.DateTimeField()
    event = serializers.CharField()
    brand_id = serializers.UUIDField(allow_null=True)
    subject_kind = serializers.CharField()
    subject_id = serializers.UUIDField()
    actor_id = serializers.UUIDField()
    body = serializers.SerializerMethodField(help_text="The leaf's exact bytes, in base64.")

    def get_body(self, entry: EntryRecord) -> str:
        """Return the exact bytes as text."""
        return base64.b64encode(entry.body).decode()


class EntryFilters(Filters):
    """Which entries."""

    brand_id = Identity(required=False)
    subject_id = Identity(required=False)
    actor_id = Identity(required=False)
    event = serializers.CharField(
        required=False, max_length=64, help_text="An event or a family, such as review.case."
    )


class LatestCheckpoint(Endpoint):
    """The latest checkpoint."""

    @operation(
        "get_checkpoint",
        "Get the latest signed checkpoint",
        needs=SIGNED_IN,
        gives=CheckpointOutput,
        refuses=[404],
    )
    def get(self, _request: Request) -> Response:
        """Answer the latest checkpoint; it names no act, so whoever is signed in may keep it."""
        checkpoint = ledger.find_checkpoint()
        if checkpoint is None:
            raise NotFound(_("The log has no signed checkpoint yet."))
        facts: dict[str, Any] = {
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "note": checkpoint.note,
            "created_at": checkpoint.created_at,
        }
        return Response(CheckpointOutput(facts).data)


class EntryList(Endpoint):
    """The log's entries."""

    @operation(
        "list_entries",
        "List ledger entries, newest first",
        needs=Permission.LEDGER_ENTRY_READ,
        query=EntryFilters,
        gives=page_of(EntryOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the entries that the asker may read."""
        filters = self.filtered(EntryFilters)
        return self.paged(
            filters,
            EntryOutput,
            lambda after, limit: (
                ledger.list_entries(
                    actor=self.actor,
                    after=after,
                    limit=limit,
                    brand_id=filters.get("brand_id"),
                    event_prefix=filters.get("event", ""),
                    subject_id=filters.get("subject_id"),
                    actor_id=filters.get("actor_id"),
                ).entries
            ),
        )


class EntryDetail(Endpoint):
    """One entry."""

    @operation(
        "get_entry",
        "Get a ledger entry",
        needs=Permission.LEDGER_ENTRY_READ,
        gives=EntryOutput,
        refuses=[404],
    )
    def get(self, _request: Request, entry_id: UUID) -> Response:
        """Answer one entry."""
        return Response(EntryOutput(ledger.get_entry(entry_id, actor=self.actor)).data)
