"""Orders for tests: a brand that can order, its model and quota; services reach every state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.db import transaction
from django.db.models.functions import Now
from imprimatur.workflow import backtest

from generation.assets import blobs
from generation.assets import selectors as assets
from generation.assets.selectors import ScoreRecord
from generation.jobs import selectors, services, tasks
from generation.jobs.models import JobItem
from generation.jobs.records import (
    Claim,
    ItemOrder,
    ItemRecord,
    JobRecord,
    Pressure,
    Rendered,
    Used,
    Worn,
)
from generation.packs.manifest import Pack
from generation.registry import services as registry
from generation.registry.selectors import ProfileRecord
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.outbox.models import Outbox
from governance.quota import selectors as quota_selectors
from governance.sealing import services as sealing
from templates.brands import services as brands
from templates.brands.records import ScoringPolicyRecord
from templates.prompts.records import VersionRecord
from tests.factories import licences, review, templates
from tests.factories.quota import PERIOD, grant_images, platform_admin
from tests.factories.review import NOW

PROMPT = "a red mug on a quiet harbor wall"
SHARPNESS = {"sharpness": {"threshold": 0.1, "severity": "flag"}}
# For pictures of random weights, which the worker's own scorers judge: every one of them passes.
CONTRAST = {"contrast": {"threshold": 0.001, "severity": "flag"}}


@dataclass(frozen=True)
class Shop:
    """One brand that can order images, with everything an order needs in force."""

    studio: templates.Studio
    version: VersionRecord
    profile: ProfileRecord
    policy: ScoringPolicyRecord

    @property
    def brand_id(self) -> UUID:
        """Return the brand."""
        return self.studio.brand.id

    @property
    def team(self) -> review.Team:
        """Return the brand's people."""
        return self.studio.team

    @property
    def marketer(self) -> Actor:
        """Return who orders."""
        return self.team.requester

    def order(
        self,
        variants: int = 1,
        *,
        actor: Actor | None = None,
        key: str | None = None,
        steps: int = 3,
        side_px: int = 128,
        negative_prompt: str = "blurry",
        guidance: float = 4.0,
        worn: Sequence[Worn] = (),
        pictures: Sequence[Used] = (),
        parent_asset_id: UUID | None = None,
        pressure: Pressure | None = None,
        prompt_digest: str | None = None,
    ) -> JobRecord:
        """Order images as the order workflow does, in one transaction.

        No two orders count as the same unless they are given the same digest of their prompt.
        """
        actor = actor or self.marketer
        sealed = sealing.seal(person_id=actor.id, text=PROMPT, purpose=selectors.PROMPT)
        variables = canonical_json({"color": "red", "object": "mug"}).decode()
        with transaction.atomic():
            job_id = services.create_job(
                actor=actor,
                version=self.version,
                profile=self.profile,
                scoring_policy_id=self.policy.id,
                variables=sealing.seal(
                    person_id=actor.id, text=variables, purpose=selectors.VARIABLES
                ),
                items=[
                    ItemOrder(
                        prompt=sealed,
                        prompt_digest=prompt_digest or uuid4().hex,
                        negative_prompt=negative_prompt,
                        seed=11 + index,
                        width_px=side_px,
                        height_px=side_px,
                        steps=steps,
                        guidance=guidance,
                        worn=tuple(worn),
                        pictures=tuple(pictures),
                    )
                    for index in range(variants)
                ],
                idempotency_key=key or uuid4().hex,
                parent_asset_id=parent_asset_id,
                pressure=pressure,
                now=NOW,
            )
        return selectors.get_job(actor, job_id)

    def with_profile(self, profile: ProfileRecord) -> "Shop":
        """Return the same brand with another model."""
        return replace(self, profile=profile)

    def item(self, item_id: UUID) -> ItemRecord:
        """Read an item as its requester."""
        return selectors.get_item(self.marketer, item_id)[1]

    def balances(self) -> dict[str, tuple[int, int]]:
        """Return what each of the three accounts has reserved and spent."""
        holders: dict[str, tuple[UUID, UUID | None]] = {
            "user": (self.marketer.id, self.brand_id),
            "brand": (self.brand_id, self.brand_id),
            "model": (self.profile.id, None),
        }
        accounts = {
            kind: quota_selectors.balance(
                platform_admin(),
                holder_kind=kind,
                holder_id=holder_id,
                brand_id=brand_id,
                period=PERIOD,
            )
            for kind, (holder_id, brand_id) in holders.items()
        }
        return {kind: (a.reserved, a.spent) for kind, a in accounts.items()}


def shop(
    slug: str = "northwind",
    *,
    pack: Pack | None = None,
    with_scorers: bool = False,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    is_advisory: bool = True,
    images: int = 20,
    **model: Any,
) -> Shop:
    """Make a brand that can order; without a pack its model is a name that no worker could load.

    `model` changes single facts of its profile.
    """
    studio = templates.studio(slug)
    team = studio.team
    review.approved_policy(team)
    proposed = brands.propose_scoring_policy(
        actor=team.manager,
        brand_id=studio.brand.id,
        advisory=is_advisory,
        thresholds=thresholds or (SHARPNESS if pack is None else CONTRAST),
        now=NOW,
    )
    backtest.run(actor=team.manager, policy_id=proposed.id, now=NOW)
    policy = brands.approve_scoring_policy(
        actor=team.other_manager, policy_id=proposed.id, sha256=proposed.sha256, now=NOW
    )
    made = Shop(
        studio=studio,
        version=studio.release(),
        profile=profile(pack, slug=f"{slug}-model", with_scorers=with_scorers, **model),
        policy=policy,
    )
    grants: tuple[tuple[str, UUID, UUID | None], ...] = (
        ("user", made.marketer.id, made.brand_id),
        ("brand", made.brand_id, made.brand_id),
        ("model", made.profile.id, None),
    )
    for kind, holder_id, brand_id in grants:
        grant_images(holder_id, brand_id, images, kind)
    return made


def profile(
    pack: Pack | None = None, *, slug: str = "demo-sd3", with_scorers: bool = False, **changes: Any
) -> ProfileRecord:
    """Propose a model profile as one admin and approve it as another."""
    facts: dict[str, Any] = {
        "slug": slug,
        "name": "Demo model",
        "family": "sd3",
        "pipeline": "StableDiffusion3Pipeline",
        "folder": "nowhere/sd3",
        "snapshot_sha256": sha256_hex(b"snapshot"),
        "dtype": "float32",
        "device": "cpu",
        "parameters": {"steps": 3, "guidance": 4.0, "max_sequence_length": 32},
        "scorers": {"folder": "nowhere", "entries": []},
        "is_calibrated": False,
    }
    if pack is not None:
        root = pack.folder.name
        entries = [
            {
                "kind": entry.kind,
                "folder": entry.folder,
                "snapshot_sha256": entry.snapshot_sha256,
                "licence": entry.licence,
                "settings": dict(entry.settings),
            }
            for entry in (pack.scorers if with_scorers else ())
        ]
        facts |= {
            "folder": f"{root}/{pack.model.folder.relative_to(pack.folder).as_posix()}",
            "snapshot_sha256": pack.model.snapshot_sha256,
            "scorers": {"folder": root, "entries": entries},
        }
    facts |= changes
    if "licence_id" not in facts:
        facts["licence_id"] = licences.agreed().id
    proposed = registry.propose_profile(actor=platform_admin(), **facts, now=NOW)
    return registry.approve_profile(actor=platform_admin(), profile_id=proposed.id, now=NOW)


def used(asset_id: UUID, role: str = "source", strength: float | None = None) -> Used:
    """Use an image of the brand; a source has a strength of 0.6 by default."""
    strength = 0.6 if role == "source" and strength is None else strength
    return Used(role, assets.get_asset(SYSTEM, asset_id).sha256, asset_id, strength=strength)


def claimed(item: ItemRecord, worker: str = "worker-one") -> Claim:
    """Claim an item, as a worker does."""
    claim = services.claim(item_id=item.id, worker=worker)
    assert claim is not None
    return claim


def work_on(item_id: UUID) -> UUID | None:
    """Let a worker make what waits in an item's queue; return the item's asset, if it got one."""
    tasks.render(item_id=str(item_id))
    return assets.ids_by_item([item_id]).get(item_id)


def rendered(
    claim: Claim, verdict: str = "pass", *, scores: Sequence[ScoreRecord] | None = None
) -> Rendered:
    """Return what rendering could have led to, with bytes that are stored."""
    data = b"image of " + claim.item_id.bytes
    recipe = canonical_json({"v": 1, "seed": str(claim.seed)})
    if scores is None:
        scores = [score(claim, verdict=verdict)]
    return Rendered(
        sha256=blobs.put(data),
        size_bytes=len(data),
        media_type="image/png",
        width_px=claim.width_px,
        height_px=claim.height_px,
        recipe=recipe,
        render_s=0.5,
        verdict=verdict,
        scores=tuple(scores),
    )


def score(claim: Claim, *, verdict: str = "pass", **changes: Any) -> ScoreRecord:
    """Return one scorer's verdict."""
    made = ScoreRecord(
        scorer="sharpness",
        version="1",
        weights_sha256="",
        value=0.7,
        threshold=0.1,
        verdict=verdict,
        reason="",
        policy_id=claim.scoring_policy_id,
        evidence={},
    )
    return replace(made, **changes)


def finish(claim: Claim, verdict: str = "pass") -> UUID:
    """Finish a claimed item."""
    return services.finish(
        claim=claim,
        rendered=rendered(claim, verdict),
        contributors={uuid7(): "template_author"},
        now=NOW,
    )


def use_blobs(settings: Any, folder: Path) -> None:
    """Give the test an image store of its own."""
    stores = dict(settings.STORAGES)
    stores["blobs"] = {**stores["blobs"], "OPTIONS": {"location": str(folder)}}
    settings.STORAGES = stores


def let_expire(item_id: UUID) -> None:
    """Let an item's lease run out, by the database's clock."""
    past = Now() - timedelta(seconds=1)
    assert JobItem.objects.filter(pk=item_id, state="leased").update(lease_until=past) == 1


def let_hint_age(item_id: UUID) -> None:
    """Let an item's last hint become old, by the database's clock."""
    assert JobItem.objects.filter(pk=item_id).update(hinted_at=Now() - timedelta(days=1)) == 1


def count_rows() -> dict[str, int]:
    """Count the rows of every table: what wrote nothing leaves them equal."""
    return {m._meta.db_table: m._base_manager.count() for m in apps.get_models()}


def hints(item_id: UUID) -> int:
    """Count the hints that were written for an item."""
    return Outbox.objects.filter(kwargs__item_id=str(item_id)).count()


def events(item_id: UUID, asset_id: UUID | None = None) -> list[str]:
    """Return what the ledger says of an item and its asset, in order."""
    found = Entry.objects.filter(subject_id__in=[item_id, asset_id or item_id])
    return list(found.order_by("id").values_list("event", flat=True))
