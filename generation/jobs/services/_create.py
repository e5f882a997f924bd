"""Create a job and its items in the order's transaction: quota, rows, ledger and hints together."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now

from generation.jobs import selectors
from generation.jobs.models import GenerationJob, JobItem, WornAdapter
from generation.jobs.records import ItemOrder, Pressure, Worn
from generation.jobs.services import _lanes, _pictures
from generation.jobs.services._lanes import Needs, needs_of, worn_files
from generation.registry import services as registry
from generation.registry.selectors import ProfileRecord
from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.outbox import services as outbox
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.quota import services as quota
from templates.prompts.records import VersionRecord

RENDER = "generation.jobs.render"
# What an image is reckoned to cost before one of its size was measured: 28 steps at 1024 x 1024 px
# in 7 s. Only the ratio to other images of the queue counts.
PIXEL_STEPS_A_SECOND = 4 * 1024 * 1024


def create_job(
    *,
    actor: Actor,
    version: VersionRecord,
    profile: ProfileRecord,
    scoring_policy_id: UUID,
    variables: bytes,
    items: Sequence[ItemOrder],
    idempotency_key: str,
    now: datetime,
    parent_asset_id: UUID | None = None,
    market: str = "",
    pressure: Pressure | None = None,
) -> UUID:
    """Reserve the quota and write the job with its items; call it inside a transaction.

    `parent_asset_id` names an image of the same brand that the caller saw to be one, `market` one
    of the brand's markets; it is empty for a brand that has none. `pressure` orders it among the
    requester's own work alone.
    Raises: NotPermitted; QuotaExceeded, RightsLacking, and then nothing is written.
    """
    brand_id = version.brand_id
    require(actor, Permission.GENERATION_JOB_CREATE, Context(brand_id=brand_id))
    job_id = uuid7()
    pressure = pressure or Pressure()
    lanes = _lanes_of(items, actor, version, profile, pressure, now)
    rows = [
        JobItem(
            id=uuid7(),
            job_id=job_id,
            brand_id=brand_id,
            requester_id=actor.id,
            number=number,
            queue=profile.queue,
            lane_id=lane_id,
            due_at=pressure.due_at,
            cost_s=cost_s,
            prompt=item.prompt,
            negative_prompt=item.negative_prompt,
            seed=item.seed,
            width_px=item.width_px,
            height_px=item.height_px,
            steps=item.steps,
            guidance=item.guidance,
            fingerprint=_fingerprint(item, profile, version.sha256),
            # The sweeper compares it with the database's clock, so it comes from there.
            hinted_at=Now(),
            created_at=now,
        )
        for number, (item, (lane_id, cost_s)) in enumerate(zip(items, lanes, strict=True), start=1)
    ]
    quota.reserve(
        item_ids=[row.id for row in rows],
        user_id=actor.id,
        brand_id=brand_id,
        profile_id=profile.id,
        now=now,
    )
    GenerationJob.objects.create(
        id=job_id,
        brand_id=brand_id,
        requester_id=actor.id,
        template_id=version.template_id,
        template_version_id=version.id,
        template_version_sha256=version.sha256,
        template_name=version.name,
        template_slug=version.slug,
        profile_id=profile.id,
        scoring_policy_id=scoring_policy_id,
        variables=variables,
        idempotency_key=idempotency_key,
        parent_asset_id=parent_asset_id,
        market=market,
        created_at=now,
    )
    JobItem.objects.bulk_create(rows)
    used = _pictures.use_pictures(actor, rows, items, now)
    worn = _worn_rows(rows, items, now)
    registry.require_adapters_in_use([row.adapter_id for row in worn])
    WornAdapter.objects.bulk_create(worn)
    ledger.append(
        actor=actor,
        event=Event.GENERATION_JOB_CREATED,
        subject=SubjectRef("job", job_id, brand_id),
        now=now,
        facts={
            "template_version": str(version.id),
            "template_version_sha256": version.sha256,
            "profile": str(profile.id),
            "items": [str(row.id) for row in rows],
            **({} if parent_asset_id is None else {"parent_asset": str(parent_asset_id)}),
            **({"market": market} if market else {}),
            **({"adapters": sorted({str(row.adapter_id) for row in worn})} if worn else {}),
            **({"pictures": sorted({row.sha256 for row in used if row.sha256})} if used else {}),
        },
        sealed={"variables": variables},
    )
    for row in rows:
        outbox.wake(RENDER, queue=row.queue, item_id=str(row.id))
    for lane_id, cost_s in dict(lanes).items():
        _lanes.open_lane(lane_id, cost_s)
    return job_id


def _lanes_of(
    items: Sequence[ItemOrder],
    actor: Actor,
    version: VersionRecord,
    profile: ProfileRecord,
    pressure: Pressure,
    now: datetime,
) -> list[tuple[UUID, float]]:
    """Return each item's lane, and the seconds of a device that it is expected to take."""
    made: dict[tuple[Needs, tuple[int, int]], tuple[UUID, float]] = {}
    keys = []
    for item in items:
        key = (
            needs_of(profile.snapshot_sha256, worn_files(item.worn)),
            (item.width_px, item.height_px),
        )
        keys.append(key)
        if key in made:
            continue
        measured_s = selectors.seconds_of(profile.id, profile.queue, size=key[1])
        cost_s = measured_s or item.steps * item.width_px * item.height_px / PIXEL_STEPS_A_SECOND
        lane_id = _lanes.obtain_lane(
            queue=profile.queue,
            brand_id=version.brand_id,
            requester_id=actor.id,
            priority=pressure.priority,
            needs=key[0],
            cost_s=cost_s,
            now=now,
        )
        made[key] = (lane_id, cost_s)
    return [made[key] for key in keys]


def _worn_rows(
    rows: Sequence[JobItem], items: Sequence[ItemOrder], now: datetime
) -> list[WornAdapter]:
    return [
        WornAdapter(
            item_id=row.id,
            number=number,
            adapter_id=worn.adapter.id,
            strength=worn.strength,
            created_at=now,
        )
        for row, item in zip(rows, items, strict=True)
        for number, worn in enumerate(item.worn, start=1)
    ]


def _fingerprint(item: ItemOrder, profile: ProfileRecord, template_sha256: str) -> str:
    return sha256_hex(
        canonical_json(
            {
                "prompt_digest": item.prompt_digest,
                "negative_prompt": item.negative_prompt,
                "seed": str(item.seed),
                "width_px": item.width_px,
                "height_px": item.height_px,
                "steps": item.steps,
                "guidance": str(item.guidance),
                "profile": str(profile.id),
                "dtype": profile.dtype,
                "handling": profile.handling,
                "snapshot_sha256": profile.snapshot_sha256,
                "template_version_sha256": template_sha256,
                **({"adapters": [_worn_facts(worn) for worn in item.worn]} if item.worn else {}),
                **(
                    {"pictures": [_pictures.facts_of(used) for used in item.pictures]}
                    if item.pictures
                    else {}
                ),
            }
        )
    )


def _worn_facts(worn: Worn) -> dict[str, str]:
    return {"snapshot_sha256": worn.adapter.snapshot_sha256, "strength": str(worn.strength)}
