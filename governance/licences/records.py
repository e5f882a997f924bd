"""What the licences hand out: frozen facts, never rows."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence permits and asks for; the limit is yearly revenue, None where it has none."""

    purposes: tuple[str, ...]
    obligations: tuple[str, ...] = ()
    revenue_limit: Decimal | None = None
    revenue_currency: str = ""


@dataclass(frozen=True, slots=True)
class LicenceRecord:
    """One version of a licence."""

    id: UUID
    created_at: datetime
    identifier: str
    number: int
    name: str
    text_sha256: str
    terms: Terms
    proposed_by: UUID
    agreed_by: UUID | None
    agreed_at: datetime | None
    retired_at: datetime | None

    @property
    def state(self) -> str:
        """Return where it stands: proposed, agreed or retired."""
        if self.retired_at is not None:
            return "retired"
        return "proposed" if self.agreed_by is None else "agreed"


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a licence does not carry an order: a stable category and a plain sentence."""

    category: str
    reason: str
