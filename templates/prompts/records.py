"""What other rooms get to see of templates: frozen facts, never rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version; `content` is what content.schema.json describes, and `sha256` its digest."""

    id: UUID
    template_id: UUID
    brand_id: UUID
    slug: str
    number: int
    name: str
    content: Mapping[str, Any]
    subject_id: UUID
    sha256: str
    state: str
    created_by: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """One template with the version that carries the *released* label, if one does."""

    id: UUID
    brand_id: UUID
    slug: str
    name: str
    created_at: datetime
    released: VersionRecord | None
    released_at: datetime | None
