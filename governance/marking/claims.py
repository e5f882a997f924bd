"""What a mark says: the profile names the layers it needs, the claim holds the facts they carry.

Nothing here is personal: ids, digests and editorial text only.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

XMP_LAYER = "xmp"
C2PA_LAYER = "c2pa"

# Source: IPTC NewsCodes, Digital Source Type.
TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@dataclass(frozen=True, slots=True)
class MarkingProfile:
    """Which layers a release needs, in the order in which they are written.

    `timestamp_authority` has no default: that there is none is a decision, and it is recorded.
    """

    name: str
    version: int
    timestamp_authority: str | None
    layers: tuple[str, ...] = (XMP_LAYER, C2PA_LAYER)

    @property
    def label(self) -> str:
        """Return the name with its version, as records cite it.

        >>> MarkingProfile("embedded", 1, timestamp_authority=None).label
        'embedded@1'
        """
        return f"{self.name}@{self.version}"


# One machine, no services: metadata and signature, and no time-stamp authority.
EMBEDDED_PROFILE = MarkingProfile(name="embedded", version=1, timestamp_authority=None)


@dataclass(frozen=True, slots=True)
class Editorial:
    """The text that travels in the image for people and catalogs; never personal data."""

    title: str
    description: str
    rights: str
    credit: str
    alt_text: str | None = None


@dataclass(frozen=True, slots=True)
class AISystem:
    """The system that made the image: its model by name and version, and the software around it."""

    name: str
    version: str
    software: str
    software_version: str


@dataclass(frozen=True, slots=True)
class ReviewEvidence:
    """The recorded human decision, and where the signed ledger holds it.

    `ledger_size` and `ledger_root` are of the checkpoint that covers `ledger_leaf_index`.
    """

    case_id: UUID
    approval_id: UUID
    policy_version: str
    reviewed_sha256: str
    ledger_origin: str
    ledger_leaf_index: int
    ledger_size: int
    ledger_root: str


@dataclass(frozen=True, slots=True)
class MarkingClaim:
    """Everything that the marks of one release say; `made_at` is when the image was rendered."""

    profile: MarkingProfile
    editorial: Editorial
    system: AISystem
    review: ReviewEvidence
    made_at: datetime
    digital_source_type: str = TRAINED_ALGORITHMIC_MEDIA
