"""What rights hand out and take: plain values, never rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

# From this long before its end, a record counts as expiring soon.
SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody says about the rights in a picture; None in a text that was erased since.

    `reference` names the licence or contract, `consent` where the consent of the people shown is,
    `evidence` where the proof lies; `evidence_sha256` is the digest of a document kept elsewhere.
    `valid_from` None means always, `expires_at` None means without end; it is the first moment at
    which the rights hold no more.
    """

    owner: str | None
    basis: str
    people_shown: str
    reference: str | None = ""
    consent: str | None = ""
    biometric_use: bool = False
    valid_from: datetime | None = None
    expires_at: datetime | None = None
    evidence: str | None = ""
    evidence_sha256: str = ""


@dataclass(frozen=True, slots=True)
class RightsRecord:
    """One version of the rights in one subject's exact bytes."""

    id: UUID
    created_at: datetime
    subject_id: UUID
    sha256: str
    brand_id: UUID
    number: int
    state: str
    statement: Statement
    recorded_by: UUID
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    withdrawn_by: UUID | None
    withdrawn_at: datetime | None
    withdraw_reason: str | None

    def standing(self, now: datetime) -> str:
        """Return where it stands at that time: its state, or not_yet, expired or expiring."""
        stated = self.statement
        if self.state != "in_force":
            return self.state
        if stated.valid_from is not None and now < stated.valid_from:
            return "not_yet"
        if stated.expires_at is None or now + SOON < stated.expires_at:
            return self.state
        return "expired" if stated.expires_at <= now else "expiring"


@dataclass(frozen=True, slots=True)
class UseRecord:
    """One thing that rests on a subject's rights: its kind and id, by whom and when."""

    id: UUID
    created_at: datetime
    subject_id: UUID
    record_id: UUID
    used_kind: str
    used_id: UUID
    used_by: UUID


@dataclass(frozen=True, slots=True)
class Carrier:
    """A picture whose rights carry something, by its exact bytes in its brand."""

    id: UUID
    sha256: str
    brand_id: UUID


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a picture may not be used: a stable category and a plain sentence."""

    category: str
    reason: str
