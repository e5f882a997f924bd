"""Reads of adapters; who made them and from what is for whoever may read the registry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from generation.registry.models import Adapter
from governance.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class AdapterRecord:
    """One version of an adapter; `files` are path, size and sha256 of each, sorted by path."""

    id: UUID
    slug: str
    number: int
    name: str
    kind: str
    family: str
    folder: str
    snapshot_sha256: str
    files: tuple[Mapping[str, Any], ...]
    trigger_words: tuple[str, ...]
    training_record: str
    training_record_sha256: str
    licence: str
    licence_id: UUID
    proposed_by: UUID
    approved_by: UUID | None
    created_at: datetime
    retired_at: datetime | None

    @property
    def state(self) -> str:
        """Return where it stands: proposed, approved or retired."""
        if self.retired_at is not None:
            return "retired"
        return "proposed" if self.approved_by is None else "approved"


def get_adapter(adapter_id: UUID) -> AdapterRecord:
    """Return one adapter. Raises: NotFound."""
    adapter = Adapter.objects.filter(pk=adapter_id).first()
    if adapter is None:
        raise NotFound(_("No adapter has this id."), pointer="/adapter")
    return adapter_record(adapter)


def current_adapter(slug: str) -> AdapterRecord:
    """Return the newest approved adapter of that name that is not retired. Raises: NotFound."""
    adapter = _usable().filter(slug=slug).order_by("-number").first()
    if adapter is None:
        raise NotFound(_("No approved adapter has this name."), pointer="/adapter", slug=slug)
    return adapter_record(adapter)


def list_adapters() -> list[AdapterRecord]:
    """Return all versions of all adapters, by name and number."""
    return [adapter_record(row) for row in Adapter.objects.order_by("slug", "number")]


def names_in_use(slugs: Sequence[str]) -> dict[str, str]:
    """Return the names of those adapters that are in use, by slug, in the order asked for."""
    if not slugs:
        return {}
    rows = _usable().filter(slug__in=slugs).order_by("number").values_list("slug", "name")
    names = dict(rows)
    return {slug: names[slug] for slug in slugs if slug in names}


def adapters_under(licence_id: UUID) -> list[UUID]:
    """Return the ids of all adapters, in use or not, that name this licence."""
    rows = Adapter.objects.filter(licence_id=licence_id).order_by("id")
    return list(rows.values_list("id", flat=True))


def adapter_record(adapter: Adapter) -> AdapterRecord:
    """Return the row as a frozen record."""
    return AdapterRecord(
        id=adapter.id,
        slug=adapter.slug,
        number=adapter.number,
        name=adapter.name,
        kind=adapter.kind,
        family=adapter.family,
        folder=adapter.folder,
        snapshot_sha256=adapter.snapshot_sha256,
        files=tuple(adapter.files),
        trigger_words=tuple(adapter.trigger_words),
        training_record=adapter.training_record,
        training_record_sha256=adapter.training_record_sha256,
        licence=adapter.licence,
        licence_id=adapter.licence_id,
        proposed_by=adapter.proposed_by,
        approved_by=adapter.approved_by,
        created_at=adapter.created_at,
        retired_at=adapter.retired_at,
    )


def _usable() -> QuerySet[Adapter]:
    return Adapter.objects.filter(approved_by__isnull=False, retired_at__isnull=True)
