"""What a worker is handed and what it hands back: frozen facts, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from generation.assets.selectors import ScoreRecord
from generation.registry.selectors import ProfileRecord


@dataclass(frozen=True, slots=True)
class ItemOrder:
    """One image to make, as the order workflow hands it over; `prompt` is sealed already."""

    prompt: bytes
    negative_prompt: str
    seed: int
    width_px: int
    height_px: int
    steps: int
    guidance: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on one item: whoever presents an older epoch is fenced off."""

    item_id: UUID
    epoch: int
    worker: str
    brand_id: UUID
    requester_id: UUID
    job_id: UUID
    template_version_id: UUID
    template_version_sha256: str
    scoring_policy_id: UUID
    prompt_sealed: bytes
    negative_prompt: str
    seed: int
    width_px: int
    height_px: int
    steps: int
    guidance: float
    fingerprint: str
    profile: ProfileRecord


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came out of rendering and scoring: stored bytes, a recipe, and the judgement."""

    sha256: str
    size_bytes: int
    media_type: str
    width_px: int
    height_px: int
    recipe: bytes
    render_s: float
    verdict: str
    scores: tuple[ScoreRecord, ...]


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """One item as people see it."""

    id: UUID
    number: int
    state: str
    progress_share: float
    seed: int
    attempts: int
    asset_id: UUID | None
    case_id: UUID | None
    refusal_id: UUID | None
    failure: str
    render_s: float | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One order as people see it; `state` is derived from its items: queued, running or done.

    `parent_asset_id` is the image that it comes after: "more like this", "again, with changes".
    """

    id: UUID
    brand_id: UUID
    template_id: UUID
    template_version_id: UUID
    template_name: str
    requester_id: UUID
    profile_id: UUID
    created_at: datetime
    state: str
    variables: Mapping[str, object] | None
    items: tuple[ItemRecord, ...]
    parent_asset_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """One image that waits for the compliance stage, because a scorer could not judge it."""

    id: UUID
    job_id: UUID
    brand_id: UUID
    requester_id: UUID
    template_name: str
    number: int
    asset_id: UUID
    held_at: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """What stands before an order of one profile; `image_s` is None until one was measured.

    `images` is counted up to `WAITING_COUNTED`; `image_s` is the median of the latest renderings.
    """

    images: int
    image_s: float | None


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What a passport says of the order behind an asset; personal text stays sealed."""

    job_id: UUID
    item_id: UUID
    requester_id: UUID
    template_id: UUID
    template_version_id: UUID
    template_name: str
    ordered_at: datetime
    render_s: float
    prompt_sealed: bytes
    variables_sealed: bytes
