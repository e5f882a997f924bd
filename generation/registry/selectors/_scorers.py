"""Reads of registered scorers: what is proposed, what is approved, and what may be used now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from generation.registry.models import ScorerProfile
from governance.kernel.errors import NotFound
from governance.licences import selectors as licences


@dataclass(frozen=True, slots=True)
class ScorerRecord:
    """One version of a registered scorer; `low` and `high` are None where its range has no end."""

    id: UUID
    scorer: str
    number: int
    title: str
    kind: str
    version: str
    folder: str
    snapshot_sha256: str
    settings: Mapping[str, Any]
    higher_is: str
    low: float | None
    high: float | None
    inputs: tuple[str, ...]
    cost_ms: float
    licence: str
    licence_id: UUID
    proposed_by: UUID
    approved_by: UUID | None
    is_retired: bool

    @property
    def state(self) -> str:
        """Return where it stands: proposed, approved or retired."""
        if self.is_retired:
            return "retired"
        return "proposed" if self.approved_by is None else "approved"

    @property
    def entry(self) -> dict[str, Any]:
        """Return it as a profile lists its scorers, with its folder below the models folder."""
        return {
            "kind": self.kind,
            "folder": self.folder,
            "snapshot_sha256": self.snapshot_sha256,
            "licence": self.licence,
            "settings": dict(self.settings),
            "id": self.scorer,
        }


def get_scorer(scorer_id: UUID) -> ScorerRecord:
    """Return one version of a registered scorer. Raises: NotFound."""
    row = ScorerProfile.objects.filter(pk=scorer_id).first()
    if row is None:
        raise NotFound(_("No registered scorer has this id."), pointer="/scorer")
    return scorer_record(row)


def list_scorers() -> list[ScorerRecord]:
    """Return every version of every registered scorer, by name and number."""
    return [scorer_record(row) for row in ScorerProfile.objects.order_by("scorer", "number")]


def usable_scorers() -> list[ScorerRecord]:
    """Return the newest approved version of each scorer that is in use, by name.

    A scorer whose licence was retired, or does not permit what this installation makes images for,
    is not in use: an image that a policy wants judged by it is held.
    """
    newest: dict[str, ScorerRecord] = {}
    rows = ScorerProfile.objects.filter(approved_by__isnull=False, retired_at__isnull=True)
    for row in rows.order_by("scorer", "number"):
        newest[row.scorer] = scorer_record(row)
    return [
        record
        for record in newest.values()
        if licences.objection(record.licence_id, settings.PURPOSE) is None
    ]


def scorer_record(row: ScorerProfile) -> ScorerRecord:
    """Return the row as a frozen record."""
    return ScorerRecord(
        id=row.id,
        scorer=row.scorer,
        number=row.number,
        title=row.title,
        kind=row.kind,
        version=row.version,
        folder=row.folder,
        snapshot_sha256=row.snapshot_sha256,
        settings=row.settings,
        higher_is=row.higher_is,
        low=row.low,
        high=row.high,
        inputs=tuple(row.inputs),
        cost_ms=row.cost_ms,
        licence=row.licence,
        licence_id=row.licence_id,
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        is_retired=row.retired_at is not None,
    )
