"""Order images: a refusal leaves exactly its record, a malformed order leaves nothing."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.jobs import selectors as job_selectors
from generation.jobs import services as jobs
from generation.jobs.records import ItemOrder, JobRecord
from generation.registry import selectors as registry
from generation.registry.selectors import ProfileRecord
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.licences import selectors as licences
from governance.licences.records import Objection
from governance.policy.permissions import Permission
from governance.policy.permits import may, require
from governance.policy.predicates import Context
from governance.quota import errors as quota_errors
from governance.refusals import services as refusals
from governance.refusals.errors import PassSpent
from governance.sealing import services as sealing
from imprimatur.workflow import appeals, costs
from templates.brands import screening
from templates.brands import selectors as brands
from templates.brands.records import RulesRecord
from templates.prompts import compile as compiling
from templates.prompts import selectors as prompts
from templates.prompts.records import VersionRecord

SEED_MAX = 2**53 - 1
SIZE_STEP_PX = 16
KEY_MAX = 255


class OrderRefused(DomainError):
    """A rule of the brand or the model's licence refuses this order; the refusal is on record."""

    code = "order_refused"
    status = 422


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would ask of the model, what it would cost, and what waits before it.

    `violation` is why it would be refused. `image_s` is how long one image of that size took lately
    with the same model; None where none was measured.
    """

    prompt: str
    negative_prompt: str
    images: int
    violation: str | None
    queued_before: int
    image_s: float | None
    estimate: costs.Estimate


def preview(
    *,
    actor: Actor,
    template_id: UUID,
    variables: Mapping[str, Any],
    now: datetime,
    variants: int = 1,
    profile: str | None = None,
    width: int | None = None,
    height: int | None = None,
) -> Preview:
    """Compile and screen without recording anything, and say what waits before such an order.

    Raises: NotFound, InvalidInput.
    """
    version = prompts.released_version(actor, template_id)
    model = _choose_profile(version.content, profile)
    size = _choose_size(version.content, width, height)
    _check_count(variants)
    compiled = compiling.compile_prompt(version.content, variables)
    rules = brands.current_rules(version.brand_id)
    violation = _screen(rules, variables, compiled.prompt)
    if violation is not None:
        words = appeals.order_words(prompt=compiled.prompt, variables=variables, rules_id=rules.id)
        if _find_pass(actor, version, words, now) is not None:
            violation = None
    objection = licences.objection(model.licence_id, settings.PURPOSE)
    wait = job_selectors.wait_for(model.id, model.queue, size=size)
    return Preview(
        prompt=compiled.prompt,
        negative_prompt=compiled.negative,
        images=variants,
        violation=objection.reason if objection else violation.reason if violation else None,
        queued_before=wait.images,
        image_s=wait.image_s,
        estimate=costs.estimate(
            actor=actor,
            brand_id=version.brand_id,
            profile_id=model.id,
            images=variants,
            image_s=wait.image_s,
            now=now,
        ),
    )


def place(
    *,
    actor: Actor,
    template_id: UUID,
    variables: Mapping[str, Any],
    variants: int,
    idempotency_key: str,
    now: datetime,
    profile: str | None = None,
    width: int | None = None,
    height: int | None = None,
    seed: int | None = None,
    parent_asset_id: UUID | None = None,
) -> JobRecord:
    """Place an order and return it; the same key again returns the same order.

    `parent_asset_id`: an image of the same brand that the actor may see, and that the new ones are
    compared with ("more like this", "again, with changes"). Nothing of it goes into them.
    Raises: InvalidInput, NotFound, NotPermitted (nothing is written); OrderRefused (by the licence
    or a rule) or QuotaExceeded (exactly one Refusal is).
    """
    version = _orderable(actor, template_id)
    _check_key(idempotency_key)
    earlier = job_selectors.find_job_by_key(actor, idempotency_key)
    if earlier is not None:
        return _own(actor, earlier)

    model = _choose_profile(version.content, profile)
    size = _choose_size(version.content, width, height)
    steps, guidance = _parameters(version.content)
    _check_count(variants)
    first_seed = _choose_seed(seed)
    _check_parent(actor, parent_asset_id, version.brand_id)
    compiled = compiling.compile_prompt(version.content, variables)
    policy = brands.current_scoring_policy(version.brand_id)

    template = SubjectRef("template_version", version.id, version.brand_id, version.sha256)
    objection = licences.objection(model.licence_id, settings.PURPOSE)
    if objection is not None:
        raise _refuse_for_licence(actor, objection, template, now)
    rules = brands.current_rules(version.brand_id)
    violation = _screen(rules, variables, compiled.prompt)
    words = appeals.order_words(prompt=compiled.prompt, variables=variables, rules_id=rules.id)
    override_id = None
    if violation is not None:
        override_id = _find_pass(actor, version, words, now)
        if override_id is None:
            raise _refuse_for_rule(actor, violation, words, template, now)
    try:
        with transaction.atomic():
            sealed_prompt = sealing.seal(
                person_id=actor.id, text=compiled.prompt, purpose=job_selectors.PROMPT
            )
            job_id = jobs.create_job(
                actor=actor,
                version=version,
                profile=model,
                scoring_policy_id=policy.id,
                variables=sealing.seal(
                    person_id=actor.id,
                    text=canonical_json(dict(variables)).decode(),
                    purpose=job_selectors.VARIABLES,
                ),
                items=[
                    ItemOrder(
                        prompt=sealed_prompt,
                        negative_prompt=compiled.negative,
                        seed=(first_seed + index) % (SEED_MAX + 1),
                        width_px=size[0],
                        height_px=size[1],
                        steps=steps,
                        guidance=guidance,
                    )
                    for index in range(variants)
                ],
                idempotency_key=idempotency_key,
                parent_asset_id=parent_asset_id,
                now=now,
            )
            if override_id is not None:
                refusals.use_pass(actor=actor, override_id=override_id, order_id=job_id, now=now)
    except (IntegrityError, quota_errors.QuotaExceeded, PassSpent) as error:
        # A twin under the same key may have been faster, and have taken the last of the quota.
        twin = job_selectors.find_job_by_key(actor, idempotency_key)
        if twin is not None:
            return _own(actor, twin)
        if isinstance(error, quota_errors.QuotaExceeded):
            _record_for_quota(actor, error, template, now)
        if isinstance(error, PassSpent) and violation is not None:
            raise _refuse_for_rule(actor, violation, words, template, now) from error
        raise
    return _own(actor, job_id)


def _orderable(actor: Actor, template_id: UUID) -> VersionRecord:
    """Return what is ordered from; a key that orders needs no scope to read templates or orders.

    Raises: NotFound, also for whoever may neither order nor see it; NothingReleased, NotPermitted.
    """
    context = Context(brand_id=prompts.get_template(SYSTEM, template_id).brand_id)
    may_order = may(actor, Permission.GENERATION_JOB_CREATE, context)
    version = prompts.released_version(SYSTEM if may_order else actor, template_id)
    require(actor, Permission.GENERATION_JOB_CREATE, context)
    return version


def _own(actor: Actor, job_id: UUID) -> JobRecord:
    """Return an order to whoever placed it. Raises: NotPermitted for a key of another brand."""
    job = job_selectors.get_job(SYSTEM, job_id)
    require(actor, Permission.GENERATION_JOB_CREATE, Context(brand_id=job.brand_id))
    return job


def _refuse_for_rule(
    actor: Actor,
    violation: screening.Violation,
    words: Mapping[str, Any],
    template: SubjectRef,
    now: datetime,
) -> OrderRefused:
    with transaction.atomic():
        record = refusals.record(
            actor=actor,
            brand_id=_brand_of(template),
            stage="prompt",
            category=violation.category,
            reason=violation.reason,
            requester_id=actor.id,
            subject=template,
            now=now,
            detail=refusals.seal_detail(
                person_id=actor.id,
                text=appeals.refused_order(violation, words),
            ),
        )
    return OrderRefused(
        violation.reason,
        pointer=f"/variables/{violation.field}" if violation.field else "/variables",
        refusal_id=str(record.id),
        category=violation.category,
        rule=violation.category,
        overridable_by=Role.COMPLIANCE_REVIEWER.value,
    )


def _refuse_for_licence(
    actor: Actor, objection: Objection, template: SubjectRef, now: datetime
) -> OrderRefused:
    """Record it; nobody may override a licence: who agrees to licences can bring another one."""
    record = refusals.record(
        actor=actor,
        brand_id=_brand_of(template),
        stage="licence",
        category=objection.category,
        reason=objection.reason,
        requester_id=actor.id,
        subject=template,
        now=now,
    )
    return OrderRefused(
        objection.reason,
        pointer="/profile",
        refusal_id=str(record.id),
        category=objection.category,
        rule="licence",
        overridable_by="",
    )


def _record_for_quota(
    actor: Actor, error: quota_errors.QuotaExceeded, template: SubjectRef, now: datetime
) -> None:
    record = refusals.record(
        actor=actor,
        brand_id=_brand_of(template),
        stage="quota",
        category=str(error.facts["holder_kind"]),
        reason=error.detail,
        requester_id=actor.id,
        subject=template,
        now=now,
    )
    error.pointer = "/variants"
    error.facts |= {"refusal_id": str(record.id), "rule": "quota"}
    hint = _("Ask for more with a quota request; somebody else decides about it.")
    error.detail = f"{error.detail} {hint}"


def _brand_of(template: SubjectRef) -> UUID:
    assert template.brand_id is not None  # noqa: S101  a version always has its brand
    return template.brand_id


def _find_pass(
    actor: Actor, version: VersionRecord, words: Mapping[str, Any], now: datetime
) -> UUID | None:
    return appeals.find_pass(actor=actor, template_version_id=version.id, words=words, now=now)


def _screen(
    rules: RulesRecord, variables: Mapping[str, Any], prompt: str
) -> screening.Violation | None:
    """Screen each variable, then the whole prompt: a phrase can be split over two variables."""
    texts = {name: str(value) for name, value in variables.items()}
    return screening.screen(rules.rules, {**texts, "": prompt})


def _check_key(idempotency_key: str) -> None:
    if not 1 <= len(idempotency_key) <= KEY_MAX:
        raise InvalidInput(
            _("An order needs an idempotency key of 1 to %(most)s characters.") % {"most": KEY_MAX},
            pointer="/idempotency_key",
            rule="length",
        )


def _check_count(variants: int) -> None:
    if not 1 <= variants <= settings.MAX_VARIANTS:
        raise InvalidInput(
            _("Ask for between 1 and %(most)s variants.") % {"most": settings.MAX_VARIANTS},
            pointer="/variants",
            rule="range",
        )


def _check_parent(actor: Actor, parent_asset_id: UUID | None, brand_id: UUID) -> None:
    if parent_asset_id is None:
        return
    if assets.get_asset(actor, parent_asset_id).brand_id != brand_id:
        raise NotFound(_("This template's brand has no such image."), asset_id=str(parent_asset_id))


def _choose_seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbelow(SEED_MAX + 1)
    if not 0 <= seed <= SEED_MAX:
        raise InvalidInput(
            _("The seed must lie between 0 and %(most)s.") % {"most": SEED_MAX},
            pointer="/seed",
            rule="range",
        )
    return seed


def _choose_profile(content: Mapping[str, Any], asked: str | None) -> ProfileRecord:
    allowed: list[str] = list(content["profiles"])
    if asked is not None and asked not in allowed:
        raise InvalidInput(
            _("This template may be rendered with: %(names)s.") % {"names": ", ".join(allowed)},
            pointer="/profile",
            rule="allowed",
        )
    return registry.current_profile(asked or allowed[0])


def _choose_size(
    content: Mapping[str, Any], width: int | None, height: int | None
) -> tuple[int, int]:
    sizes = [(int(size["width"]), int(size["height"])) for size in content["sizes"]]
    if width is None and height is None:
        return sizes[0]
    for name, value in (("width", width), ("height", height)):
        if value is None:
            raise InvalidInput(
                _("Give both width and height, or neither."), pointer=f"/{name}", rule="required"
            )
        if value % SIZE_STEP_PX or value <= 0:
            raise InvalidInput(
                _("A size must be a positive multiple of %(step)s pixels.")
                % {"step": SIZE_STEP_PX},
                pointer=f"/{name}",
                rule="multiple_of_16",
            )
    if (width, height) not in sizes:
        raise InvalidInput(
            _("This template allows the sizes %(sizes)s.")
            % {"sizes": ", ".join(f"{w}×{h}" for w, h in sizes)},
            pointer="/width",
            rule="allowed",
        )
    return (int(width or 0), int(height or 0))


def _parameters(content: Mapping[str, Any]) -> tuple[int, float]:
    """Return the steps and the guidance that the template's reviewers approved as its defaults."""
    chosen = content["parameters"]
    return int(chosen["steps"]["default"]), float(chosen["guidance"]["default"])
