"""Replays: asked for by a person, taken under a lease, and over once, with what was found.

A replay is billed to nobody and makes no asset. It waits behind the images that were ordered.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.jobs import recipes, selectors
from generation.jobs.errors import LeaseLost, TooManyReplays
from generation.jobs.models import JobItem, Replay
from generation.jobs.records import Remade, ReplayClaim, ReplayRecord
from generation.jobs.services._finish import FAILURE_LENGTH
from generation.jobs.services._lease import lease_end
from generation.jobs.states import REPLAY, ItemState, ReplayOutcome, ReplayState
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.outbox import services as outbox
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.tables.records import move, wait_for_others

REPLAY_TASK = "generation.jobs.replay"
LIMITED_OVER = timedelta(hours=1)
# After this long a replay is made although images wait: a queue that is never empty holds up none.
BEHIND_IMAGES = timedelta(minutes=10)


def ask_for_replay(
    *, actor: Actor, asset_id: UUID, now: datetime, is_hinted: bool = True
) -> ReplayRecord:
    """Ask for an image to be made again; a worker does it when no ordered image waits.

    `is_hinted` is False for a caller that makes it itself, at once: the sweeper still finds it.
    Raises: NotFound, NotPermitted; NotReplayable, TooManyReplays, and then nothing is written.
    """
    asset = assets.get_asset(actor, asset_id)
    require(actor, Permission.GENERATION_REPLAY_CREATE, Context(brand_id=asset.brand_id))
    recipes.require_replayable(asset.recipe)
    with transaction.atomic():
        _require_within_limit(actor, now)
        replay = Replay.objects.create(
            id=uuid7(),
            asset_id=asset.id,
            asset_sha256=asset.sha256,
            brand_id=asset.brand_id,
            asked_by=actor.id,
            queue=JobItem.objects.values_list("queue", flat=True).get(pk=asset.item_id),
            hinted_at=Now(),
            created_at=now,
        )
        ledger.append(
            actor=actor,
            event=Event.GENERATION_REPLAY_ASKED,
            subject=_subject(replay),
            now=now,
            facts={"replay": str(replay.id), "recipe": asset.recipe_sha256},
        )
        if is_hinted:
            outbox.wake(REPLAY_TASK, queue=replay.queue, replay_id=str(replay.id))
    return selectors.get_replay(actor, replay.id)


def claim_replay(*, replay_id: UUID, worker: str, is_patient: bool = True) -> ReplayClaim | None:
    """Take the replay if it waits, or if its holder's lease ran out; else return None.

    While images wait in its queue a patient worker leaves it, up to `BEHIND_IMAGES`; the sweeper
    hints again.
    """
    with transaction.atomic():
        rows = Replay.objects.filter(
            Q(state=ReplayState.QUEUED) | Q(state=ReplayState.LEASED, lease_until__lt=Now()),
            pk=replay_id,
            attempts__lt=settings.ITEM_ATTEMPTS,
        )
        has_locks = connection.features.has_select_for_update_skip_locked
        replay = (rows.select_for_update(skip_locked=True) if has_locks else rows).first()
        if replay is None or (is_patient and _images_go_first(replay)):
            return None
        rows.update(
            state=ReplayState.LEASED,
            epoch=F("epoch") + 1,
            attempts=F("attempts") + 1,
            lease_until=lease_end(),
            leased_by=worker,
        )
    return ReplayClaim(
        replay_id=replay.id, epoch=replay.epoch + 1, worker=worker, asset_id=replay.asset_id
    )


def keep_replay(*, claim: ReplayClaim) -> bool:
    """Extend the lease; False if it is lost: stop working."""
    held = Replay.objects.filter(pk=claim.replay_id, epoch=claim.epoch, state=ReplayState.LEASED)
    return bool(held.update(lease_until=lease_end()))


def finish_replay(*, claim: ReplayClaim, remade: Remade, now: datetime) -> ReplayOutcome:
    """Record what was found, once and for good, and return it.

    Raises: LeaseLost if another worker took the replay meanwhile; then nothing is written.
    """
    with transaction.atomic():
        replay = _fence(claim)
        is_same = remade.sha256 == replay.asset_sha256
        outcome = ReplayOutcome.SAME if is_same else ReplayOutcome.DRIFTED
        move(
            replay,
            REPLAY.target("finish", replay.state),
            lease_until=None,
            finished_at=now,
            outcome=outcome,
            made_sha256=remade.sha256,
            asset_class=remade.asset_class,
            worker_class=remade.worker_class,
            worker_facts=dict(remade.worker_facts),
            report=dict(remade.report),
            render_s=remade.render_s,
        )
        ledger.append(
            actor=SYSTEM,
            event=Event.GENERATION_REPLAY_DONE,
            subject=_subject(replay),
            now=now,
            facts={
                "replay": str(replay.id),
                "epoch": claim.epoch,
                "worker": claim.worker,
                "outcome": outcome.value,
                "made_sha256": remade.sha256,
                "asset_class": remade.asset_class,
                "worker_class": remade.worker_class,
                "report_sha256": sha256_hex(canonical_json(remade.report)),
            },
        )
    return outcome


def fail_replay(*, claim: ReplayClaim, failure: str, now: datetime) -> bool:
    """End the replay as failed, with a sentence that says why; False if the lease was lost."""
    with transaction.atomic():
        try:
            replay = _fence(claim)
        except LeaseLost:
            return False
        end_replay(replay, failure=failure, now=now)
    return True


def end_replay(replay: Replay, *, failure: str, now: datetime) -> None:
    """Fail a replay with its ledger entry, in the caller's transaction."""
    changes: dict[str, Any] = {
        "lease_until": None,
        "finished_at": now,
        "failure": failure[:FAILURE_LENGTH],
    }
    move(replay, REPLAY.target("fail", replay.state), **changes)
    ledger.append(
        actor=SYSTEM,
        event=Event.GENERATION_REPLAY_FAILED,
        subject=_subject(replay),
        now=now,
        facts={
            "replay": str(replay.id),
            "attempts": replay.attempts,
            "epoch": replay.epoch,
        },
    )


def _require_within_limit(actor: Actor, now: datetime) -> None:
    """Count what the person asked for within the hour; two requests of one person take turns."""
    wait_for_others(f"jobs_replay:{actor.id}")
    asked = Replay.objects.filter(asked_by=actor.id, created_at__gt=now - LIMITED_OVER)
    latest = list(
        asked.order_by("-created_at").values_list("created_at", flat=True)[
            : settings.REPLAYS_AN_HOUR
        ]
    )
    if len(latest) < settings.REPLAYS_AN_HOUR:
        return
    oldest = latest[-1] if latest else now
    raise TooManyReplays(
        _("You asked for %(count)d replays within an hour; more can wait.")
        % {"count": settings.REPLAYS_AN_HOUR},
        limit=settings.REPLAYS_AN_HOUR,
        retry_after_s=max(1, round((oldest + LIMITED_OVER - now).total_seconds())),
    )


def _images_go_first(replay: Replay) -> bool:
    is_young = Replay.objects.filter(pk=replay.pk, created_at__gt=Now() - BEHIND_IMAGES)
    images = JobItem.objects.filter(queue=replay.queue, state=ItemState.QUEUED)
    return images.exists() and is_young.exists()


def _fence(claim: ReplayClaim) -> Replay:
    """Take the row for this transaction if the claim still holds. Raises: LeaseLost."""
    held = Replay.objects.filter(pk=claim.replay_id, epoch=claim.epoch, state=ReplayState.LEASED)
    # The update takes the row's lock; a second finisher waits here and then finds another state.
    if held.update(leased_by=claim.worker) != 1:
        raise LeaseLost(_("Another worker has taken this replay, or it is over."))
    return held.get()


def _subject(replay: Replay) -> SubjectRef:
    return SubjectRef("asset", replay.asset_id, replay.brand_id, replay.asset_sha256)
