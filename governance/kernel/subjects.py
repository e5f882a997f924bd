"""Governance's own view of what is acted on: a kind, an identity, its bytes and its brand."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SubjectRef:
    """Names one thing: `kind` is a singular noun ("asset", "template_version", "review_case").

    `sha256` is the digest of the exact bytes or canonical content, where the thing has one.
    """

    kind: str
    id: UUID
    brand_id: UUID | None = None
    sha256: str | None = None
