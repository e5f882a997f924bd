"""What the quota hands out: frozen facts, never rows."""

from dataclasses import dataclass
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
