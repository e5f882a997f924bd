"""The fenced finish: bytes, scores, quota, review and the next state are written together, once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from generation.assets import selectors as asset_selectors
from generation.assets import services as assets
from generation.assets.selectors import ScoreRecord
from generation.jobs import selectors
from generation.jobs.errors import LeaseLost, ReasonRequired
from generation.jobs.models import JobItem
from generation.jobs.records import Claim, Rendered
from generation.jobs.risk import risk_of
from generation.jobs.services import _pictures
from generation.jobs.states import ITEM, ItemState
from generation.registry import services as registry
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.lifecycle import IllegalTransition, StaleState
from governance.kernel.subjects import SubjectRef
from governance.ledger import bodies
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.quota import services as quota
from governance.refusals import services as refusals
from governance.review import services as review
from governance.sealing import services as sealing
from governance.tables.records import move
from templates.prompts import services as prompts

HOLD_REASON = "generation.hold_reason"
FAILURE_LENGTH = 500
REASON_LENGTH = 4000
_ACT = {"pass": "submit", "flag": "submit", "refuse": "refuse", "hold": "hold"}
_EVENT = {
    "submit": Event.GENERATION_ITEM_RENDERED,
    "refuse": Event.GENERATION_ITEM_REFUSED,
    "hold": Event.GENERATION_ITEM_HELD,
}


def finish(
    *, claim: Claim, rendered: Rendered, contributors: dict[UUID, str], now: datetime
) -> UUID:
    """Write everything that this rendering led to and return the asset's id.

    Raises: LeaseLost if another worker took the item meanwhile, or it was cancelled;
    VersionRetired if its template version was retired. Then nothing is written, and the stored
    bytes are an orphan that no row names.
    """
    act = _ACT[rendered.verdict]
    with transaction.atomic():
        item = _fence(claim)
        asset_id = assets.record_asset(
            origin=assets.Origin(
                brand_id=claim.brand_id,
                item_id=claim.item_id,
                job_id=claim.job_id,
                parent_id=item.job.parent_asset_id,
            ),
            sha256=rendered.sha256,
            width_px=rendered.width_px,
            height_px=rendered.height_px,
            size_bytes=rendered.size_bytes,
            media_type=rendered.media_type,
            recipe=rendered.recipe,
            contributors={claim.requester_id: "requester", **contributors},
            scores=rendered.scores,
            now=now,
        )
        assets.record_steps(
            asset_id=asset_id, steps=rendered.steps, media_type=rendered.media_type, now=now
        )
        if rendered.features is not None:
            assets.record_features(
                asset_id=asset_id, brand_id=claim.brand_id, features=rendered.features, now=now
            )
        subject = SubjectRef("asset", asset_id, claim.brand_id, rendered.sha256)
        changes: dict[str, Any] = {
            "lease_until": None,
            "finished_at": now,
            "render_s": rendered.render_s,
            "reused_asset_id": rendered.reused_asset_id,
            "steps_done": claim.steps,
        }
        if act == "refuse":
            changes["refusal_id"] = _refuse(claim, rendered, subject, now)
        _move(item, act, changes)
        ledger.append(
            actor=SYSTEM,
            event=_EVENT[act],
            subject=subject,
            now=now,
            facts={
                "item": str(claim.item_id),
                "job": str(claim.job_id),
                "epoch": claim.epoch,
                "worker": claim.worker,
                "verdict": rendered.verdict,
                "recipe": sha256_hex(rendered.recipe),
                **({"reused": str(rendered.reused_asset_id)} if rendered.reused_asset_id else {}),
                "policy": str(claim.scoring_policy_id),
                "scores": {s.scorer: _score_facts(s) for s in rendered.scores},
            },
        )
        if act != "hold":
            _settle(claim, rendered, now)
        if act == "submit":
            open_case_of(
                actor=SYSTEM,
                item=item,
                asset_id=asset_id,
                profile_id=claim.profile.id,
                now=now,
            )
    return asset_id


def fail(*, claim: Claim, failure: str, now: datetime) -> bool:
    """End the item as failed, with a sentence an operator understands, and refund its quota.

    Returns False if the lease was lost: then the item is somebody else's, and nothing happens.
    """
    with transaction.atomic():
        try:
            item = _fence(claim)
        except LeaseLost:
            return False
        end_without_image(item, actor=SYSTEM, act="fail", failure=failure, now=now)
    return True


def end_if_cancelled(*, claim: Claim, now: datetime) -> bool:
    """End the item as cancelled if that was asked for while this claim held it, with a refund."""
    asked = JobItem.objects.filter(
        pk=claim.item_id,
        epoch=claim.epoch,
        state=ItemState.LEASED,
        cancel_requested_at__isnull=False,
    )
    with transaction.atomic():
        if asked.update(leased_by=claim.worker) != 1:
            return False
        end_without_image(asked.get(), actor=SYSTEM, act="cancel", failure="", now=now)
    return True


def resolve_hold(*, actor: Actor, item_id: UUID, accept: bool, reason: str, now: datetime) -> None:
    """Decide on a held item: into review, or refused; the reason is kept sealed.

    Only the compliance stage may, and nobody who had a part in the image. Accepting it approves
    nothing: it opens the review case that every other image has.
    Raises: NotFound, NotPermitted, ReasonRequired, InvalidInput for a reason that is too long,
    IllegalTransition unless it is held.
    """
    with transaction.atomic():
        item = JobItem.objects.select_for_update().filter(pk=item_id).first()
        if item is None or not selectors.may_read(actor, item.brand_id, item.requester_id):
            raise NotFound(_("No job item has this id."), item_id=str(item_id))
        asset_id = asset_selectors.ids_by_item([item.id]).get(item.id)
        require(
            actor,
            Permission.REVIEW_CASE_DECIDE,
            selectors.hold_context(item.brand_id, item.requester_id, asset_id),
        )
        if item.state != ItemState.HELD or asset_id is None:
            raise IllegalTransition(_("This image is not held."), state=item.state)
        if not reason.strip():
            raise ReasonRequired(_("Give the reason for this decision."), pointer="/reason")
        if len(reason) > REASON_LENGTH:
            raise InvalidInput(
                _("Give a reason of at most %(max)s characters.") % {"max": REASON_LENGTH},
                pointer="/reason",
                rule="length",
            )
        sha256 = asset_selectors.get_asset(actor, asset_id).sha256
        subject = SubjectRef("asset", asset_id, item.brand_id, sha256)
        changes: dict[str, Any] = {}
        if not accept:
            changes["refusal_id"] = refusals.record(
                actor=actor,
                brand_id=item.brand_id,
                stage="image",
                category="held",
                reason=_("The compliance review refused an image that could not be scored."),
                requester_id=item.requester_id,
                subject=subject,
                now=now,
                detail=refusals.seal_detail(person_id=actor.id, text=reason),
            ).id
        move(item, ITEM.target("submit" if accept else "refuse", item.state), **changes)
        quota.settle(item_id=item.id, now=now, gpu_s=item.render_s or 0.0)
        ledger.append(
            actor=actor,
            event=Event.GENERATION_ITEM_ACCEPTED if accept else Event.GENERATION_ITEM_REFUSED,
            subject=subject,
            now=now,
            facts={"item": str(item.id), "hold": "accepted" if accept else "refused"},
            sealed={"reason": sealing.seal(person_id=actor.id, text=reason, purpose=HOLD_REASON)},
        )
        if accept:
            open_case_of(
                actor=SYSTEM,
                item=item,
                asset_id=asset_id,
                profile_id=item.job.profile_id,
                now=now,
            )


def end_without_image(
    item: JobItem, *, actor: Actor, act: str, failure: str, now: datetime
) -> None:
    """Fail or cancel an item, with its refund and ledger entry, in the caller's transaction."""
    _move(item, act, {"lease_until": None, "finished_at": now, "failure": failure[:FAILURE_LENGTH]})
    quota.refund(item_id=item.id, now=now)
    ledger.append(
        actor=actor,
        event=Event.GENERATION_ITEM_FAILED if act == "fail" else Event.GENERATION_ITEM_CANCELLED,
        subject=SubjectRef("job_item", item.id, item.brand_id),
        now=now,
        facts={"job": str(item.job_id), "attempts": item.attempts, "epoch": item.epoch},
    )


def _fence(claim: Claim) -> JobItem:
    """Take the row for this transaction if the claim still holds. Raises: LeaseLost."""
    held = JobItem.objects.filter(
        pk=claim.item_id,
        epoch=claim.epoch,
        state=ItemState.LEASED,
        cancel_requested_at__isnull=True,
    )
    # The update takes the row's lock; a second finisher waits here and then finds another state.
    if held.update(leased_by=claim.worker) != 1:
        raise LeaseLost(_("Another worker has taken this item, or it is over."))
    return held.select_related("job").get()


def _settle(claim: Claim, rendered: Rendered, now: datetime) -> None:
    """Count the image; one that was made before takes no device, and counts where that is set."""
    if rendered.reused_asset_id is None or settings.REUSED_IMAGES_COUNT:
        quota.settle(item_id=claim.item_id, now=now, gpu_s=rendered.render_s or 0.0)
    else:
        quota.refund(item_id=claim.item_id, now=now)


def _move(item: JobItem, act: str, changes: dict[str, Any]) -> None:
    try:
        move(item, ITEM.target(act, item.state), **changes)
    except StaleState as error:
        raise LeaseLost(_("The item is over already.")) from error


def _refuse(claim: Claim, rendered: Rendered, subject: SubjectRef, now: datetime) -> UUID:
    worst = next(s for s in rendered.scores if s.verdict == "refuse")
    record = refusals.record(
        actor=SYSTEM,
        brand_id=claim.brand_id,
        stage="image",
        category=worst.scorer,
        scorer=worst.scorer,
        score=worst.value,
        threshold=worst.threshold,
        reason=_("The image did not pass the brand's scoring policy."),
        requester_id=claim.requester_id,
        subject=subject,
        now=now,
    )
    return record.id


def open_case_of(
    *,
    actor: Actor,
    item: JobItem,
    asset_id: UUID,
    profile_id: UUID,
    now: datetime,
    more_pins: Mapping[str, str] | None = None,
) -> None:
    """Open the review of an item's image, in the caller's transaction.

    Raises: VersionRetired or AdapterRetired if what it was made with is out of use by now;
    RightsLacking if what it was made from may not be used any more; what `open_case` raises.
    """
    prompts.require_in_use(item.job.template_version_id)
    _pictures.require_rights(item.id, now)
    worn = list(item.worn.order_by("number").values_list("number", "adapter_id"))
    registry.require_adapters_in_use([adapter_id for _number, adapter_id in worn])
    review.open_case(
        actor=actor,
        subject_id=asset_id,
        title=f"{item.job.template_name} · {item.number}",
        pins={
            prompts.PIN: str(item.job.template_version_id),
            "scoring_policy_id": str(item.job.scoring_policy_id),
            "profile_id": str(profile_id),
            **{registry.ADAPTER_PIN.format(number=number): str(each) for number, each in worn},
            **(more_pins or {}),
        },
        requested_by=item.requester_id,
        market=item.job.market,
        risk=risk_of(asset_selectors.get_asset(SYSTEM, asset_id).scores),
        now=now,
    )


def _score_facts(score: ScoreRecord) -> dict[str, str]:
    """Write a verdict with what gave it; the value is left out where there is none, for no null."""
    value = {} if score.value is None else {"value": bodies.number_text(score.value)}
    weights = {"weights": score.weights_sha256} if score.weights_sha256 else {}
    return {"verdict": score.verdict, "version": score.version, **value, **weights}
