"""What the quota hands out: frozen facts, never rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """The balance of one account at one moment, in images."""

    id: UUID
    holder_kind: str
    holder_id: UUID
    brand_id: UUID | None
    unit: str
    period: str
    granted: int
    reserved: int
    spent: int
    gpu_ms: int = 0

    @property
    def available(self) -> int:
        """How much can still be reserved."""
        return self.granted - self.reserved - self.spent


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Where an account does not say what its entries add up to: which figure, and both values."""

    account_id: UUID
    figure: str
    account_says: int
    entries_say: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What an account says, or what its entries add up to; `last` is the number of the last."""

    granted: int = 0
    reserved: int = 0
    spent: int = 0
    gpu_ms: int = 0
    entries: int = 0
    last: int = 0

    def __add__(self, more: Self) -> "Figures":
        """Return both together; `more` comes behind."""
        return Figures(
            granted=self.granted + more.granted,
            reserved=self.reserved + more.reserved,
            spent=self.spent + more.spent,
            gpu_ms=self.gpu_ms + more.gpu_ms,
            entries=self.entries + more.entries,
            last=max(self.last, more.last),
        )


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request for more, with its texts opened; a text is None where it was erased, or is none."""

    id: UUID
    created_at: datetime
    brand_id: UUID
    requested_by: UUID
    holder_kind: str
    holder_id: UUID
    period: str
    amount: int
    reason: str | None
    state: str
    decided_by: UUID | None
    decided_at: datetime | None
    granted: int | None
    answer: str | None
