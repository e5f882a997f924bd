"""Create a job and its items in the order's transaction: quota, rows, ledger and hints together."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now

from generation.jobs.models import GenerationJob, JobItem, WornAdapter
from generation.jobs.records import ItemOrder, Worn
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
) -> UUID:
    """Reserve the quota and write the job with its items; call it inside a transaction.

    `parent_asset_id` names an image of the same brand that the caller saw to be one, `market` one
    of the brand's markets; it is empty for a brand that has none.
    Raises: NotPermitted; QuotaExceeded, and then nothing is written.
    """
    brand_id = version.brand_id
    require(actor, Permission.GENERATION_JOB_CREATE, Context(brand_id=brand_id))
    job_id = uuid7()
    rows = [
        JobItem(
            id=uuid7(),
            job_id=job_id,
            brand_id=brand_id,
            requester_id=actor.id,
            number=number,
            queue=profile.queue,
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
        for number, item in enumerate(items, start=1)
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
        },
        sealed={"variables": variables},
    )
    for row in rows:
        outbox.wake(RENDER, queue=row.queue, item_id=str(row.id))
    return job_id


def _worn_rows(
    rows: Sequence[JobItem], items: Sequence[ItemOrder], now: datetime
) -> list[WornAdapter]:
    return [
        WornAdapter(
            item_id=row.id,
            number=number,
            adapter_id=worn.adapter.id,
            strength=worn.strength,
            source_asset_id=worn.source_asset_id,
            created_at=now,
        )
        for row, item in zip(rows, items, strict=True)
        for number, worn in enumerate(item.worn, start=1)
    ]


def _fingerprint(item: ItemOrder, profile: ProfileRecord, template_sha256: str) -> str:
    return sha256_hex(
        canonical_json(
            {
                "prompt_sealed_sha256": sha256_hex(item.prompt),
                "negative_prompt": item.negative_prompt,
                "seed": str(item.seed),
                "width_px": item.width_px,
                "height_px": item.height_px,
                "steps": item.steps,
                "guidance": str(item.guidance),
                "snapshot_sha256": profile.snapshot_sha256,
                "template_version_sha256": template_sha256,
                **({"adapters": [_worn_facts(worn) for worn in item.worn]} if item.worn else {}),
            }
        )
    )


def _worn_facts(worn: Worn) -> dict[str, str]:
    source = worn.source_asset_id
    return {
        "snapshot_sha256": worn.adapter.snapshot_sha256,
        "strength": str(worn.strength),
        **({} if source is None else {"source": str(source)}),
    }
