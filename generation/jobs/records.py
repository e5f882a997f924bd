"""What a worker is handed and what it hands back: frozen facts, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from generation.assets.records import Features
from generation.assets.selectors import ScoreRecord
from generation.registry.selectors import AdapterRecord, ProfileRecord


@dataclass(frozen=True, slots=True)
class Worn:
    """An adapter that an image is made with: a LoRA's weight, or a ControlNet's scale and source.

    `source_asset_id` is the image whose outlines a ControlNet follows; None for a LoRA.
    """

    adapter: AdapterRecord
    strength: float
    source_asset_id: UUID | None = None


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
    worn: tuple[Worn, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on one item: whoever presents an older epoch is fenced off.

    `market` and `template_slug` say which rules of the scoring policy hold for its image.
    """

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
    market: str = ""
    template_slug: str = ""
    worn: tuple[Worn, ...] = ()


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
    features: Features | None = None


@dataclass(frozen=True, slots=True)
class OrderedAs:
    """What an order was for: its template and its market."""

    template_id: UUID
    template_name: str
    market: str
    template_slug: str = ""


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
    market: str = ""


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
    market: str = ""


@dataclass(frozen=True, slots=True)
class WornFiles:
    """The files of an adapter, and how strongly it acts; a ControlNet also has what it follows.

    `source_sha256` names the picture's bytes and `preprocessor` what turns them into a map; both
    are empty for a LoRA. An empty `preprocessor` beside a picture means the engine's own.
    """

    folder: str
    snapshot_sha256: str
    strength: float
    source_sha256: str = ""
    preprocessor: str = ""


@dataclass(frozen=True, slots=True)
class Making:
    """Everything that decides one image but its words and the machine: from a claim or a recipe.

    `folder` lies below the models folder.
    """

    folder: str
    snapshot_sha256: str
    pipeline: str
    dtype: str
    negative_prompt: str
    width_px: int
    height_px: int
    steps: int
    guidance: float
    seed: int
    max_sequence_length: int
    worn: tuple[WornFiles, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that was read: what to make, from which sealed prompt, and on what it was made."""

    making: Making
    prompt_sealed: bytes
    pixels_sha256: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReplayClaim:
    """A lease on one replay: whoever presents an older epoch is fenced off."""

    replay_id: UUID
    epoch: int
    worker: str
    asset_id: UUID


@dataclass(frozen=True, slots=True)
class Remade:
    """What came of making an image again; the bytes themselves are gone.

    `report` is empty of pixels where the bytes are the same; see docs/replay.md.
    """

    sha256: str
    asset_class: str
    worker_class: str
    worker_facts: Mapping[str, str]
    report: Mapping[str, Any]
    render_s: float


@dataclass(frozen=True, slots=True)
class ReplayRecord:
    """One replay as people see it; `outcome` and what follows are empty until it is done."""

    id: UUID
    asset_id: UUID
    asset_sha256: str
    brand_id: UUID
    asked_by: UUID
    created_at: datetime
    state: str
    attempts: int
    outcome: str
    made_sha256: str
    asset_class: str
    worker_class: str
    worker_facts: Mapping[str, str]
    report: Mapping[str, Any]
    render_s: float | None
    failure: str
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing about it will change."""
        return self.finished_at is not None

    @property
    def is_own_class(self) -> bool:
        """Whether the image was made by this very class of worker: then its bytes are promised."""
        return bool(self.worker_class) and self.worker_class == self.asset_class


@dataclass(frozen=True, slots=True)
class WorkerClassRecord:
    """What replays on one class of worker found.

    `broken` counts those of `drifted` whose image was made by the same class: none should be.
    """

    sha256: str
    facts: Mapping[str, str]
    same: int
    drifted: int
    broken: int
    last_outcome: str
    last_at: datetime
