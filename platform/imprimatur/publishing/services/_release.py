"""Release what was approved: proof first, then marks that read back, then record and passport."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

import imprimatur
from generation.assets import blobs
from generation.assets import selectors as assets
from generation.assets import services as asset_services
from generation.assets.selectors import AssetRecord
from generation.jobs import selectors as jobs
from generation.jobs import services as job_services
from generation.jobs.records import OrderFacts
from governance.kernel.actors import SYSTEM
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger import selectors as ledger
from governance.marking import marks
from governance.marking.claims import (
    EMBEDDED_PROFILE,
    AISystem,
    Editorial,
    MarkingClaim,
    ReviewEvidence,
)
from governance.marking.signing import load_anchors, load_signer
from governance.passport import document, facts
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.refusals import selectors as refusals_reads
from governance.refusals import services as refusals
from governance.release import selectors as releases
from governance.release import services as release_services
from governance.release.records import ReleaseRecord
from governance.review import selectors as review
from governance.review.records import ApprovalRecord, CaseRecord
from governance.review.states import Verdict
from imprimatur.publishing.errors import NotApproved
from templates.prompts import selectors as prompts

RELEASE = "publishing.release"
RETENTION_RELEASED = "released"
# What failed while marking is rarely well again within the seconds that a checkpoint takes.
PAUSE_AFTER_FAILURE = timedelta(minutes=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is about to be released: marked bytes that are stored, and their passport."""

    release_id: UUID
    marked: marks.Marked
    passport: bytes


def release_case(*, case_id: UUID, now: datetime) -> ReleaseRecord | None:
    """Release the bytes that the case approved; None while its approval awaits a checkpoint.

    Acting twice releases once. Raises: NotFound; NotApproved, with a Refusal at the gate, if the
    case has no standing approval; whatever keeps the bytes from being marked completely, also with
    a Refusal: then nothing is released, and the sweeper asks again after a pause.
    """
    require(SYSTEM, Permission.PUBLISHING_RELEASE_CREATE, Context())
    # A hint that comes twice costs two queries, not what a release costs.
    earlier = _earlier(case_id)
    if earlier is not None:
        return earlier
    case = review.get_case(SYSTEM, case_id)
    approval = _approval_of(case, now)
    if ledger.is_covered(approval.entry_id) is None:
        log.info("Waiting for a checkpoint", case_id=str(case_id))
        return None
    try:
        prepared = _prepare(case, approval, now)
    except Exception as error:
        release_services.put_off(approval_id=approval.id, until=now + PAUSE_AFTER_FAILURE)
        if isinstance(error, DomainError):
            _refuse_once(case, error, now)
        raise
    return _record(case, approval, prepared, now)


def _earlier(case_id: UUID) -> ReleaseRecord | None:
    """Return what the case was released as before."""
    try:
        approval = review.get_approval(case_id=case_id)
    except NotFound:
        return None
    return releases.find_release(approval_id=approval.id)


def _prepare(case: CaseRecord, approval: ApprovalRecord, now: datetime) -> _Prepared:
    """Mark the reviewed bytes, read the marks back, store the result, and write the passport."""
    evidence = ledger.get_evidence(approval.entry_id)
    asset = assets.find_by_subject(approval.subject_id)
    if asset is None:
        raise NotFound(_("The approved subject is not an image."), case_id=str(case.id))
    job_services.require_rights(asset.item_id, now)
    reviewed = blobs.get(approval.sha256)
    order = jobs.get_order_facts(asset.item_id)
    recipe = json.loads(asset.recipe)
    claim = MarkingClaim(
        profile=EMBEDDED_PROFILE,
        editorial=_editorial(order),
        system=AISystem(
            name=recipe["profile"]["family"],
            version=f"{recipe['profile']['slug']}@{recipe['profile']['number']}",
            software="Imprimatur",
            software_version=imprimatur.__version__,
        ),
        review=ReviewEvidence(
            case_id=case.id,
            approval_id=approval.id,
            policy_version=_policy_version(case),
            reviewed_sha256=approval.sha256,
            ledger_origin=settings.LEDGER_ORIGIN,
            ledger_leaf_index=evidence.proof.index,
            ledger_size=evidence.checkpoint.size,
            ledger_root=evidence.checkpoint.root.hex(),
        ),
        made_at=asset.created_at,
    )
    marked = marks.mark(
        reviewed,
        asset.media_type,
        claim,
        load_signer(Path(settings.PUBLISHER_KEY_FOLDER)),
        anchors=load_anchors(Path(settings.PUBLIC_KEY_FOLDER)),
    )
    blobs.put(marked.data)
    release_id = uuid7()
    passport = document.write(
        facts.Passport(
            id=release_id,
            issued_at=now,
            release=facts.ReleaseFacts(
                id=release_id,
                reviewed_sha256=approval.sha256,
                marked_sha256=marked.sha256,
                marking_profile=marked.profile,
            ),
            asset=facts.AssetFacts(
                id=asset.id,
                brand_id=asset.brand_id,
                modality="image",
                media_type=asset.media_type,
                width_px=asset.width_px,
                height_px=asset.height_px,
                size_bytes=asset.size_bytes,
                steps=tuple(
                    facts.StepFacts(x.number, x.name, x.sha256, x.width_px, x.height_px)
                    for x in assets.list_steps(asset.id)
                ),
            ),
            template=_template_facts(order),
            prompt=facts.PromptFacts(
                compiled_sha256=sha256_hex(order.prompt_sealed),
                variables_sha256=sha256_hex(order.variables_sealed),
                compiled_sealed=order.prompt_sealed,
                variables_sealed=order.variables_sealed,
            ),
            recipe=_recipe_facts(recipe),
            order=facts.OrderFacts(
                job_id=order.job_id,
                item_id=order.item_id,
                requester_id=order.requester_id,
                ordered_at=order.ordered_at,
                rendered_at=asset.created_at,
                quota_reservation_id=order.item_id,
                gpu_s=f"{order.render_s:.3f}",
                markets=(order.market,) if order.market else (),
            ),
            scores=_score_facts(asset, is_calibrated=bool(recipe["profile"]["is_calibrated"])),
            decisions=_decision_facts(case, approval),
            approval=facts.ApprovalFacts(
                id=approval.id,
                case_id=case.id,
                policy_version=_policy_version(case),
                approved_at=approval.created_at,
                stages=_stage_facts(case),
                conditions=_condition_facts(case),
                break_glass=_break_glass_facts(approval),
            ),
            marking=facts.MarkingFacts(
                profile=marked.profile,
                timestamp_authority=EMBEDDED_PROFILE.timestamp_authority,
                layers=tuple(
                    facts.LayerFacts(x.layer, x.state, x.reader, x.facts) for x in marked.layers
                ),
            ),
            ledger=facts.LedgerFacts(
                entry=evidence.entry,
                leaf_index=evidence.proof.index,
                proof=evidence.proof.path,
                checkpoint=evidence.checkpoint.note,
                origin=settings.LEDGER_ORIGIN,
            ),
        )
    )
    return _Prepared(release_id, marked, passport)


def _record(
    case: CaseRecord, approval: ApprovalRecord, prepared: _Prepared, now: datetime
) -> ReleaseRecord:
    marked = prepared.marked
    try:
        with transaction.atomic():
            asset_services.keep_blob(
                sha256=marked.sha256,
                size_bytes=len(marked.data),
                media_type=marked.media_type,
                retention=RETENTION_RELEASED,
                now=now,
            )
            release = release_services.record_release(
                actor=SYSTEM,
                release_id=prepared.release_id,
                approval_id=approval.id,
                marked_sha256=marked.sha256,
                media_type=marked.media_type,
                marking_profile=marked.profile,
                passport=prepared.passport,
                now=now,
            )
    except (release_services.ReleaseDiffers, IllegalTransition, IntegrityError):
        # Somebody moved first, while we were marking: another publisher released these bytes
        # under its own signature, or the case was voided.
        earlier = releases.find_release(approval_id=approval.id)
        if earlier is not None:
            return earlier
        _approval_of(review.get_case(SYSTEM, case.id), now)
        raise
    log.info("Released", release_id=str(release.id), case_id=str(case.id))
    return release


def _approval_of(case: CaseRecord, now: datetime) -> ApprovalRecord:
    approval = review.find_approval(case.subject.id)
    if approval is not None and approval.case_id == case.id:
        return approval
    reason = _("The case has no standing approval of these bytes, so nothing of it is released.")
    _refuse(case, NotApproved.code, reason, now)
    raise NotApproved(reason, case_id=str(case.id), state=case.state)


def _refuse_once(case: CaseRecord, error: DomainError, now: datetime) -> None:
    """Record why an approved image is not released; the same failure again is told once."""
    latest = refusals_reads.find_by_subject(case.subject.id)
    if latest is None or latest.category != error.code:
        reason = _("The approved image could not be released: %(why)s") % {"why": error.detail}
        _refuse(case, error.code, reason[: refusals.LONGEST_REASON], now)


def _refuse(case: CaseRecord, category: str, reason: str, now: datetime) -> None:
    refusals.record(
        actor=SYSTEM,
        brand_id=case.brand_id,
        stage="gate",
        category=category,
        reason=reason,
        requester_id=case.requested_by,
        subject=case.subject,
        now=now,
    )


def _policy_version(case: CaseRecord) -> str:
    return f"{case.policy_id}@{case.policy_number}"


def _editorial(order: OrderFacts) -> Editorial:
    """Describe the image in words that hold nothing personal: the template's, not the order's."""
    return Editorial(
        title=order.template_name,
        description=f"Image generated by a model from the template {order.template_name}.",
        rights="",
        credit="Imprimatur",
    )


def _template_facts(order: OrderFacts) -> facts.TemplateFacts:
    version = prompts.get_version(SYSTEM, order.template_version_id)
    case = review.find_case_for_subject(version.subject_id)
    deciders = [d.reviewer_id for s in (case.stages if case else ()) for d in s.decisions]
    return facts.TemplateFacts(
        id=order.template_id,
        version_id=order.template_version_id,
        version=version.number,
        approver_id=deciders[-1] if deciders else None,
    )


def _recipe_facts(recipe: dict[str, Any]) -> facts.RecipeFacts:
    told = recipe["facts"]
    profile = recipe["profile"]
    return facts.RecipeFacts(
        fingerprint=recipe["fingerprint"],
        profile_id=UUID(profile["id"]),
        model=profile["slug"],
        model_revision=str(profile["number"]),
        weights_sha256=recipe["snapshot_sha256"],
        licence_id=profile["licence"],
        pipeline=recipe["pipeline"],
        scheduler=told["scheduler"],
        seed=int(recipe["seed"]),
        steps=int(recipe["steps"]),
        guidance=recipe["guidance"],
        dtype=recipe["dtype"],
        worker_class=told["device"],
        can_replay=True,
        adapter_ids=tuple(UUID(each["id"]) for each in recipe.get("adapters", ())),
        pictures=tuple(_picture_facts(each) for each in recipe.get("pictures", ())),
        libraries=told,
    )


def _picture_facts(picture: dict[str, Any]) -> facts.PictureFacts:
    named = picture.get("asset_id") or picture.get("picture_id")
    return facts.PictureFacts(
        role=picture["role"],
        sha256=picture.get("sha256"),
        id=UUID(named) if named else None,
        strength=picture.get("strength"),
    )


def _score_facts(asset: AssetRecord, *, is_calibrated: bool) -> tuple[facts.ScoreFacts, ...]:
    return tuple(
        facts.ScoreFacts(
            scorer=score.scorer,
            scorer_sha256=score.weights_sha256 or None,
            value=None if score.value is None else repr(score.value),
            threshold=None if score.threshold is None else repr(score.threshold),
            policy_version=str(score.policy_id),
            verdict=score.verdict,
            is_calibrated=is_calibrated,
        )
        for score in asset.scores
    )


def _break_glass_facts(approval: ApprovalRecord) -> facts.BreakGlassFacts | None:
    """Return who shortened the way to the approval; None where every stage had its quorum."""
    if approval.break_glass_id is None:
        return None
    found = review.get_break_glass(SYSTEM, approval.break_glass_id)
    if found.confirmed_by is None or found.used_at is None:
        message = "an approval names a break-glass that was not used"
        raise ValueError(message)
    return facts.BreakGlassFacts(
        id=found.id,
        opened_by=found.opened_by,
        confirmed_by=found.confirmed_by,
        used_at=found.used_at,
    )


def _decision_facts(case: CaseRecord, approval: ApprovalRecord) -> tuple[facts.DecisionFacts, ...]:
    return tuple(
        facts.DecisionFacts(
            id=decision.id,
            reviewer_id=decision.reviewer_id,
            role=stage.role.value if stage.role else None,
            stage=stage.name,
            verdict=decision.verdict,
            seen_sha256=approval.sha256,
            decided_at=decision.created_at,
            policy_version=_policy_version(case),
            checklist={answer.key: answer.answer for answer in decision.answers},
            seconds_on_screen=decision.seen_s,
        )
        for stage in case.stages
        for decision in stage.decisions
    )


def _stage_facts(case: CaseRecord) -> tuple[facts.StageFacts, ...]:
    policy = review.get_policy(SYSTEM, case.policy_id)
    return tuple(
        facts.StageFacts(
            position=stage.position,
            key=stage.key,
            name=stage.name,
            asks=stage.asks,
            role=stage.role.value if stage.role else None,
            people=len(stage.people) if stage.people else None,
            quorum=stage.quorum,
        )
        for stage in policy.stages
    )


def _condition_facts(case: CaseRecord) -> tuple[facts.ConditionFacts, ...]:
    return tuple(
        facts.ConditionFacts(decision.id, decision.confirmed_by)
        for stage in case.stages
        for decision in stage.decisions
        if decision.verdict == Verdict.APPROVE_WITH_CHANGES
    )
