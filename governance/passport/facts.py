"""The facts of a passport as frozen records, in the words and order in which they are written.

Personal text is present only as a SHA-256 of its sealed form or as ciphertext (`sealed` values, in
base64 once written); numbers with a fraction are decimal strings, so that every reader sees the
same digits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """The two digests that the marking binds together, under one release."""

    id: UUID
    reviewed_sha256: str
    marked_sha256: str
    marking_profile: str


@dataclass(frozen=True, slots=True)
class ParentFacts:
    """An image that this one was made from, and by which transform."""

    asset_id: UUID
    sha256: str
    transform: str


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One output on the image's way: 0 is what the model made, the last is the reviewed image."""

    number: int
    name: str
    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class AssetFacts:
    """The image as it was made; `steps` is empty where it is what the model made."""

    id: UUID
    brand_id: UUID
    modality: str
    media_type: str
    width_px: int
    height_px: int
    size_bytes: int
    parents: tuple[ParentFacts, ...] = ()
    steps: tuple[StepFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """The template version, and who approved it for use."""

    id: UUID
    version_id: UUID
    version: int
    approver_id: UUID | None


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """What was asked for: digests for everybody, ciphertext for whoever holds the key."""

    compiled_sha256: str
    variables_sha256: str
    compiled_sealed: bytes | None = None
    variables_sealed: bytes | None = None


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """A picture that the image was made from, and what for; a box that is a mask has no bytes.

    `id` is the uploaded picture's, or the earlier image's; names of files stay where they are.
    """

    role: str
    sha256: str | None
    id: UUID | None
    strength: str | None = None


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """Everything needed to make the image again, and whether that gives the same bytes."""

    fingerprint: str
    profile_id: UUID
    model: str
    model_revision: str
    weights_sha256: str
    licence_id: str
    pipeline: str
    scheduler: str
    seed: int
    steps: int
    guidance: str
    dtype: str
    worker_class: str
    can_replay: bool
    adapter_ids: tuple[UUID, ...] = ()
    pictures: tuple[PictureFacts, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """Who ordered, for what, and what it used."""

    job_id: UUID
    item_id: UUID
    requester_id: UUID
    ordered_at: datetime
    rendered_at: datetime
    quota_reservation_id: UUID | None
    gpu_s: str
    purpose: str | None = None
    campaign_id: UUID | None = None
    markets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """One scorer's verdict, with the limit and the policy that it was held against.

    `scorer_sha256` is the digest of its weights; None for a formula. `value` is None where none was
    given: a second opinion that was not asked for, or a scorer that could not judge.
    """

    scorer: str
    scorer_sha256: str | None
    value: str | None
    threshold: str | None
    policy_version: str
    verdict: str
    is_calibrated: bool


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """One person's recorded decision on exact bytes.

    `role` is None where the policy asks for people or a group; `checklist` says "yes", "no" or
    "not_applicable" to each item by its key.
    """

    id: UUID
    reviewer_id: UUID
    role: str | None
    stage: str
    verdict: str
    seen_sha256: str
    decided_at: datetime
    policy_version: str
    checklist: Mapping[str, str] = field(default_factory=dict)
    seconds_on_screen: int | None = None
    reason_sealed: bytes | None = None


@dataclass(frozen=True, slots=True)
class StageFacts:
    """Whom one stage of the policy asks: "role", "people" or "group", and how many must approve.

    `people` counts those whom the policy names; None where it names a role or a group.
    """

    position: int
    key: str
    name: str
    asks: str
    role: str | None
    people: int | None
    quorum: int


@dataclass(frozen=True, slots=True)
class ConditionFacts:
    """That an approval asked for changes beside the image, and who said that they are made.

    `confirmed_by` is None while nobody did: until then nothing is published.
    """

    decision_id: UUID
    confirmed_by: UUID | None


@dataclass(frozen=True, slots=True)
class BreakGlassFacts:
    """That two people shortened the way to the approval in an emergency, and who they were."""

    id: UUID
    opened_by: UUID
    confirmed_by: UUID
    used_at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """The approval that the release rests on, its case and its policy.

    `conditions` has one for each approval with changes. `break_glass` is None where every stage had
    its quorum.
    """

    id: UUID
    case_id: UUID
    policy_version: str
    approved_at: datetime
    stages: tuple[StageFacts, ...]
    conditions: tuple[ConditionFacts, ...] = ()
    break_glass: BreakGlassFacts | None = None


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One marking layer, as it was read back from the marked bytes."""

    layer: str
    state: str
    reader: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MarkingFacts:
    """The profile that was applied and what every layer said; no authority is said as None."""

    profile: str
    timestamp_authority: str | None
    layers: tuple[LayerFacts, ...]
    c2pa_manifest_id: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """The proof that the approval's entry is under a signed checkpoint.

    `entry` holds the exact bytes of the `review.case.approved` leaf, `proof` the RFC 6962 path to
    the root that `checkpoint` (a C2SP signed note) names.
    """

    entry: bytes
    leaf_index: int
    proof: tuple[bytes, ...]
    checkpoint: str
    origin: str


@dataclass(frozen=True, slots=True)
class Passport:
    """All that is recorded about one released image, as it stood when it was released."""

    id: UUID
    issued_at: datetime
    release: ReleaseFacts
    asset: AssetFacts
    template: TemplateFacts
    prompt: PromptFacts
    recipe: RecipeFacts
    order: OrderFacts
    scores: tuple[ScoreFacts, ...]
    decisions: tuple[DecisionFacts, ...]
    approval: ApprovalFacts
    marking: MarkingFacts
    ledger: LedgerFacts
