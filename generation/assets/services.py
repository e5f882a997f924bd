"""The commands on assets: record what a job item made; called inside the fenced finish only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets.models import Asset, Blob, ImageFeatures, Score, Step
from generation.assets.neighbours import words_of
from generation.assets.records import PHASH_BITS, Features, StepRecord
from generation.assets.selectors import ScoreRecord
from governance.kernel.digests import is_sha256, sha256_hex
from governance.kernel.errors import InvalidInput
from governance.kernel.ids import uuid7
from governance.review import services as review

RETENTION_WORK = "work"
FLOAT32_BYTES = 4


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
            title=score.title,
            licence=score.licence,
            higher_is=score.higher_is,
            low=score.low,
            high=score.high,
            inputs=" ".join(score.inputs),
            took_ms=score.took_ms,
            created_at=now,
        )
        for score in scores
    )
    return asset_id


def record_features(*, asset_id: UUID, brand_id: UUID, features: Features, now: datetime) -> None:
    """Record what later images are compared with, once, in the transaction of `record_asset`.

    Raises: InvalidInput if the hash has more than 64 bits, or the embedding is no row of float32
    numbers or lacks its encoder's digest.
    """
    if not 0 <= features.phash < 1 << PHASH_BITS:
        raise InvalidInput(_("A perceptual hash has 64 bits."), pointer="/phash", rule="range")
    data, encoder = features.embedding, features.encoder_sha256
    if (data is None) != (encoder == "") or (data is not None and not is_sha256(encoder)):
        raise InvalidInput(
            _("An embedding comes with the digest of its encoder."),
            pointer="/encoder_sha256",
            rule="required",
        )
    if data is not None and (not data or len(data) % FLOAT32_BYTES):
        raise InvalidInput(
            _("An embedding is a row of float32 numbers."), pointer="/embedding", rule="length"
        )
    words = words_of(features.phash)
    ImageFeatures.objects.create(
        asset_id=asset_id,
        brand_id=brand_id,
        fingerprint=features.fingerprint,
        phash_0=words[0],
        phash_1=words[1],
        phash_2=words[2],
        phash_3=words[3],
        encoder_sha256=encoder,
        embedding=data,
        created_at=now,
    )


def record_steps(
    *, asset_id: UUID, steps: Sequence[StepRecord], media_type: str, now: datetime
) -> None:
    """Record what an image was on its way, once, in the transaction of `record_asset`.

    Raises: InvalidInput unless the last one is the image, and each follows the one before.
    """
    if not steps:
        return
    numbers = [step.number for step in steps]
    if numbers != list(range(len(steps))):
        raise InvalidInput(_("Steps are counted from 0."), pointer="/steps", rule="order")
    if steps[-1].sha256 != Asset.objects.values_list("sha256", flat=True).get(pk=asset_id):
        raise InvalidInput(_("The last step makes the image."), pointer="/steps", rule="last")
    for step in steps:
        keep_blob(
            sha256=step.sha256,
            size_bytes=step.size_bytes,
            media_type=media_type,
            retention=RETENTION_WORK,
            now=now,
        )
    Step.objects.bulk_create(
        Step(
            asset_id=asset_id,
            number=step.number,
            name=step.name,
            parameters=dict(step.parameters),
            sha256=step.sha256,
            width_px=step.width_px,
            height_px=step.height_px,
            created_at=now,
        )
        for step in steps
    )
