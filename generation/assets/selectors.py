"""Reads of assets, scoped to the brands in which the actor may see them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import blobs
from generation.assets.models import Asset, Blob, Score, Step
from generation.assets.records import StepRecord
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """One scorer's verdict; `value` is None where the scorer gave none, and `reason` says why.

    `low` and `high` are the ends of the scorer's range, None where there is none; `inputs` what it
    looked at; `took_ms` is None where nothing was measured. `title` and `higher_is` are empty in
    rows from before they were recorded.
    """

    scorer: str
    version: str
    weights_sha256: str
    value: float | None
    threshold: float | None
    verdict: str
    reason: str
    policy_id: UUID
    evidence: Mapping[str, Any]
    title: str = ""
    licence: str = ""
    higher_is: str = ""
    low: float | None = None
    high: float | None = None
    inputs: tuple[str, ...] = ()
    took_ms: float | None = None


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """One image: where it came from, what its bytes are, how it scored.

    `parent_id` is the image that it was ordered after, if the order named one.
    """

    id: UUID
    brand_id: UUID
    item_id: UUID
    job_id: UUID
    subject_id: UUID
    sha256: str
    width_px: int
    height_px: int
    size_bytes: int
    media_type: str
    recipe: bytes
    recipe_sha256: str
    created_at: datetime
    scores: tuple[ScoreRecord, ...]
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PastScore:
    """What one scorer said of an image when it was made, without its evidence."""

    scorer: str
    version: str
    weights_sha256: str
    value: float | None
    threshold: float | None
    verdict: str
    higher_is: str = ""


@dataclass(frozen=True, slots=True)
class PastAsset:
    """One image with what was said of it when it was made; its id is its subject's."""

    id: UUID
    job_id: UUID
    made_at: datetime
    scores: tuple[PastScore, ...]


def get_asset(actor: Actor, asset_id: UUID) -> AssetRecord:
    """Return one asset. Raises: NotFound, also for what this actor may not see."""
    asset = Asset.objects.filter(pk=asset_id).prefetch_related("scores").first()
    if asset is None or not _may_see(actor, asset.brand_id):
        raise NotFound(_("No asset has this id."), asset_id=str(asset_id))
    return _record_of(asset)


def list_assets(
    actor: Actor, *, job_id: UUID | None = None, brand_id: UUID | None = None
) -> list[AssetRecord]:
    """Return the assets that the actor may see, oldest first."""
    rows = Asset.objects.filter(
        brand_id__in=permits.brands_where(actor, Permission.GENERATION_ASSET_READ)
    )
    if job_id is not None:
        rows = rows.filter(job_id=job_id)
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    return [_record_of(asset) for asset in rows.order_by("id").prefetch_related("scores")]


def find_assets(actor: Actor, asset_ids: Iterable[UUID]) -> dict[UUID, AssetRecord]:
    """Return those of the named assets that the actor may see, by id, in two queries."""
    rows = Asset.objects.filter(
        pk__in=list(asset_ids),
        brand_id__in=permits.brands_where(actor, Permission.GENERATION_ASSET_READ),
    )
    return {asset.id: _record_of(asset) for asset in rows.prefetch_related("scores")}


def list_past(brand_id: UUID, *, before: UUID | None, limit: int) -> list[PastAsset]:
    """Return a brand's images from before that one, newest first, with their scores: two queries.

    The caller has checked the actor.
    """
    rows = Asset.objects.filter(brand_id=brand_id).order_by("-id")
    rows = rows if before is None else rows.filter(pk__lt=before)
    page = list(rows.values_list("id", "job_id", "created_at")[:limit])
    said: dict[UUID, list[PastScore]] = defaultdict(list)
    scores = Score.objects.filter(asset_id__in=[asset_id for asset_id, *_more in page])
    fields = ("scorer", "version", "weights_sha256", "value", "threshold", "verdict", "higher_is")
    for asset_id, *facts in scores.order_by("asset_id", "scorer").values_list("asset_id", *fields):
        said[asset_id].append(PastScore(*facts))
    return [
        PastAsset(asset_id, job_id, made_at, tuple(said[asset_id]))
        for asset_id, job_id, made_at in page
    ]


def find_by_subject(subject_id: UUID) -> AssetRecord | None:
    """Return the asset that a governance subject stands for; the caller has checked the actor."""
    asset = Asset.objects.filter(subject_id=subject_id).prefetch_related("scores").first()
    return None if asset is None else _record_of(asset)


def ids_by_item(item_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Return {item id: asset id} for items that made one; the caller has checked the actor."""
    rows = Asset.objects.filter(item_id__in=list(item_ids))
    return dict(rows.values_list("item_id", "id"))


def read_bytes(actor: Actor, asset_id: UUID) -> tuple[bytes, str]:
    """Return the asset's bytes, re-hashed, and their media type. Raises: NotFound, BlobCorrupt."""
    asset = get_asset(actor, asset_id)
    return blobs.get(asset.sha256), asset.media_type


def list_steps(asset_id: UUID) -> tuple[StepRecord, ...]:
    """Return what an image was on its way, in order; none for one that was only generated.

    The caller has checked the actor.
    """
    rows = list(Step.objects.filter(asset_id=asset_id).order_by("number"))
    sizes = dict(
        Blob.objects.filter(pk__in=[row.sha256 for row in rows]).values_list("pk", "size_bytes")
    )
    return tuple(
        StepRecord(
            number=row.number,
            name=row.name,
            parameters=row.parameters,
            sha256=row.sha256,
            size_bytes=sizes[row.sha256],
            width_px=row.width_px,
            height_px=row.height_px,
        )
        for row in rows
    )


def read_step(actor: Actor, asset_id: UUID, number: int) -> tuple[bytes, str]:
    """Return one output on an image's way, re-hashed, and its media type.

    Raises: NotFound, also for what this actor may not see; BlobMissing, BlobCorrupt.
    """
    asset = get_asset(actor, asset_id)
    step = Step.objects.filter(asset_id=asset.id, number=number).first()
    if step is None:
        raise NotFound(_("This image has no such step."), asset_id=str(asset_id), number=number)
    return blobs.get(step.sha256), asset.media_type


def _may_see(actor: Actor, brand_id: UUID) -> bool:
    return permits.may(actor, Permission.GENERATION_ASSET_READ, Context(brand_id=brand_id))


def _record_of(asset: Asset) -> AssetRecord:
    return AssetRecord(
        id=asset.id,
        brand_id=asset.brand_id,
        item_id=asset.item_id,
        job_id=asset.job_id,
        subject_id=asset.subject_id,
        sha256=asset.sha256,
        width_px=asset.width_px,
        height_px=asset.height_px,
        size_bytes=asset.size_bytes,
        media_type=asset.media_type,
        recipe=bytes(asset.recipe),
        recipe_sha256=asset.recipe_sha256,
        created_at=asset.created_at,
        scores=tuple(
            ScoreRecord(
                scorer=score.scorer,
                version=score.version,
                weights_sha256=score.weights_sha256,
                value=score.value,
                threshold=score.threshold,
                verdict=score.verdict,
                reason=score.reason,
                policy_id=score.policy_id,
                evidence=score.evidence,
                title=score.title,
                licence=score.licence,
                higher_is=score.higher_is,
                low=score.low,
                high=score.high,
                inputs=tuple(score.inputs.split()),
                took_ms=score.took_ms,
            )
            for score in sorted(asset.scores.all(), key=lambda s: s.scorer)
        ),
        parent_id=asset.parent_id,
    )
