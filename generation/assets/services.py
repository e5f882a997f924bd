"""The one command on assets: record what a job item made; called inside the fenced finish only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from generation.assets.models import Asset, Blob, Score
from generation.assets.selectors import ScoreRecord
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.review import services as review

RETENTION_WORK = "work"


def keep_blob(
    *, sha256: str, size_bytes: int, media_type: str, retention: str, now: datetime
) -> None:
    """Record that bytes are kept; the same bytes twice are one blob."""
    Blob.objects.get_or_create(
        sha256=sha256,
        defaults={
            "size_bytes": size_bytes,
            "media_type": media_type,
            "retention_class": retention,
            "created_at": now,
        },
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an image comes from.

    `parent_id` is the image of the same brand that it was ordered after: reviewers compare the two.
    """

    brand_id: UUID
    item_id: UUID
    job_id: UUID
    parent_id: UUID | None = None


def record_asset(
    *,
    origin: Origin,
    sha256: str,
    width_px: int,
    height_px: int,
    size_bytes: int,
    media_type: str,
    recipe: bytes,
    contributors: dict[UUID, str],
    scores: Sequence[ScoreRecord],
    now: datetime,
) -> UUID:
    """Record the asset, its subject and its scores, in the caller's transaction; return its id.

    The asset's id is its subject's id: governance and generation name the same thing.
    """
    asset_id = uuid7()
    keep_blob(
        sha256=sha256,
        size_bytes=size_bytes,
        media_type=media_type,
        retention=RETENTION_WORK,
        now=now,
    )
    review.register_subject(
        subject_id=asset_id,
        kind="asset",
        sha256=sha256,
        brand_id=origin.brand_id,
        contributors=contributors,
        parent_id=origin.parent_id,
        now=now,
    )
    asset = Asset.objects.create(
        id=asset_id,
        brand_id=origin.brand_id,
        item_id=origin.item_id,
        job_id=origin.job_id,
        subject_id=asset_id,
        sha256=sha256,
        width_px=width_px,
        height_px=height_px,
        size_bytes=size_bytes,
        media_type=media_type,
        recipe=recipe,
        recipe_sha256=sha256_hex(recipe),
        parent_id=origin.parent_id,
        created_at=now,
    )
    Score.objects.bulk_create(
        Score(
            asset=asset,
            scorer=score.scorer,
            version=score.version,
            weights_sha256=score.weights_sha256,
            value=score.value,
            threshold=score.threshold,
            verdict=score.verdict,
            reason=score.reason,
            policy_id=score.policy_id,
            evidence=dict(score.evidence),
            created_at=now,
        )
        for score in scores
    )
    return asset_id
