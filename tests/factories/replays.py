"""Replays for tests: images that a worker made, people who ask, and what a worker finds."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from generation.jobs import services
from generation.jobs.models import Replay
from generation.jobs.records import Remade, ReplayClaim, ReplayRecord
from governance.kernel.actors import Actor
from tests.factories import jobs as make
from tests.factories.review import NOW


def asked(asset_id: UUID, actor: Actor, **options: Any) -> ReplayRecord:
    """Ask for a replay of an image."""
    return services.ask_for_replay(actor=actor, asset_id=asset_id, **{"now": NOW} | options)


def image(shop: make.Shop, **order: Any) -> UUID:
    """Let a worker make one image, and return its id."""
    item = shop.order(**order).items[0]
    asset_id = make.work_on(item.id)
    assert asset_id is not None, shop.item(item.id).failure
    return asset_id


def claimed(replay: ReplayRecord, worker_name: str = "worker-one") -> ReplayClaim:
    """Claim a replay, as a worker does."""
    claim = services.claim_replay(replay_id=replay.id, worker=worker_name)
    assert claim is not None
    return claim


def remade(replay: ReplayRecord, **changes: Any) -> Remade:
    """Return what a worker could have found: the same bytes, on the image's own class."""
    found = Remade(
        sha256=replay.asset_sha256,
        asset_class="c" * 64,
        worker_class="c" * 64,
        worker_facts={"device": "cpu"},
        report={"changed": []},
        render_s=0.5,
    )
    return replace(found, **changes)


def let_expire(replay_id: UUID) -> None:
    """Let a replay's lease run out, by the database's clock."""
    past = Now() - timedelta(seconds=1)
    assert Replay.objects.filter(pk=replay_id, state="leased").update(lease_until=past) == 1
