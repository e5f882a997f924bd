"""What a worker is handed and what it hands back: frozen facts, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from generation.assets.records import Features, StepRecord
from generation.assets.selectors import ScoreRecord
from generation.jobs.turns import Priority
from generation.registry.selectors import AdapterRecord, ProfileRecord


@dataclass(frozen=True, slots=True)
class Worn:
    """An adapter that an image is made with: a LoRA and its weight, or a ControlNet's scale."""

    adapter: AdapterRecord
    strength: float


class PictureRole(StrEnum):
    """What an image is made from a picture for."""

    SOURCE = "source"
    MASK = "mask"
    REFERENCE = "reference"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, its edges in shares of the picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Used:
    """A picture that an image is made from, and what for: a role of `PictureRole`.

    It is an image of the brand, an uploaded picture, or, as a mask, a box; the first two have the
    digest of their bytes. `strength` is the source's.
    """

    role: str
    sha256: str = ""
    asset_id: UUID | None = None
    picture_id: UUID | None = None
    strength: float | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class ItemOrder:
    """One image to make, as the order workflow hands it over.

    `prompt` is sealed already; `prompt_digest` tells equal prompts of one person.
    """

    prompt: bytes
    prompt_digest: str
    negative_prompt: str
    seed: int
    width_px: int
    height_px: int
    steps: int
    guidance: float
    worn: tuple[Worn, ...] = ()
    pictures: tuple[Used, ...] = ()


@dataclass(frozen=True, slots=True)
class Pressure:
    """How an order stands among its requester's own: its priority, and when it should be there."""

    priority: int = Priority.NORMAL
    due_at: datetime | None = None


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
    pictures: tuple[Used, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came out of rendering and scoring: stored bytes, a recipe, and the judgement.

    `reused_asset_id` is the image whose bytes these are, where the same recipe had been made
    before; then nothing was rendered, and `render_s` is None. `steps` is what the image was on its
    way, if its template has steps.
    """

    sha256: str
    size_bytes: int
    media_type: str
    width_px: int
    height_px: int
    recipe: bytes
    render_s: float | None
    verdict: str
    scores: tuple[ScoreRecord, ...]
    features: Features | None = None
    reused_asset_id: UUID | None = None
    steps: tuple[StepRecord, ...] = ()


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
    reused_asset_id: UUID | None = None


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
    """The files of an adapter, and how strongly it acts.

    `preprocessor` turns what a ControlNet follows into a map; it is empty for a LoRA.
    """

    folder: str
    snapshot_sha256: str
    strength: float
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
    pictures: tuple[Used, ...] = ()
    handling: str = "resident"


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for one device class: how many images, up to a limit, and since when."""

    queue: str
    images: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that was read: what to make, from which sealed prompt, and on what it was made.

    `steps` are those of its template; `pixels` has the digest of what the model made, then of each
    step's output.
    """

    making: Making
    prompt_sealed: bytes
    pixels: tuple[str, ...]
    facts: Mapping[str, str]
    steps: tuple[Mapping[str, Any], ...] = ()


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
