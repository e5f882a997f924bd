"""Order images: a refusal leaves exactly its record, a malformed order leaves nothing."""

from collections.abc import Mapping, Sequence
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
from generation.jobs.records import ItemOrder, JobRecord, Pressure, Used, Worn
from generation.registry import selectors as registry
from generation.registry.records import EndpointObjection
from generation.registry.selectors import ProfileRecord
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.subjects import SubjectRef
from governance.licences import selectors as licences
from governance.licences.records import Objection
from governance.policy.permissions import Permission
from governance.policy.permits import may, require
from governance.policy.predicates import Context
from governance.quota import errors as quota_errors
from governance.refusals import services as refusals
from governance.refusals.errors import PassSpent
from governance.rights.errors import RightsLacking
from governance.rights.records import Objection as RightsObjection
from governance.sealing import services as sealing
from imprimatur.workflow import (
    appeals,
    choices,
    costs,
    pace,
    picturing,
    screening,
    stepping,
    wearing,
)
from imprimatur.workflow.wearing import NOTHING, Wish
from templates.brands import selectors as brands
from templates.brands.markets import Market
from templates.brands.records import RulesRecord
from templates.brands.screening import Violation
from templates.prompts import compile as compiling
from templates.prompts import selectors as prompts
from templates.prompts.records import VersionRecord

SEED_MAX = choices.SEED_MAX
KEY_MAX = 255


class OrderRefused(DomainError):
    """A rule of the brand, the licence or the endpoint refuses this order; that is on record."""

    code = "order_refused"
    status = 422


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would ask of the model, what it would cost, and what waits before it.

    `violation` is why it would be refused, `findings` are all words that rules refuse, with their
    places. `image_s` is how long one image of that size took lately with the same model; None where
    none was measured. `market` is where the images would be shown; empty for a brand without any.
    `final_width` and `final_height` are in pixels, after all steps of the template.
    """

    prompt: str
    negative_prompt: str
    images: int
    violation: str | None
    queued_before: int
    image_s: float | None
    estimate: costs.Estimate
    final_width: int
    final_height: int
    findings: tuple[screening.Finding, ...] = ()
    market: str = ""


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
    market: str | None = None,
    wish: Wish = NOTHING,
) -> Preview:
    """Compile and screen without recording anything, and say what waits before such an order.

    Raises: NotFound, InvalidInput; TooManyPreviews.
    """
    pace.count_preview(actor.id)
    version = prompts.released_version(actor, template_id)
    model = choices.choose_profile(version.content, profile)
    size = choices.choose_size(version.content, width, height)
    choices.check_count(variants)
    compiled = compiling.compile_prompt(version.content, variables)
    rules = brands.current_rules(version.brand_id)
    shown_in = choices.choose_market(version.brand_id, market)
    stepping.require(version.content, model)
    worn = wearing.choose(version, model, wish, compiled)
    used = picturing.choose(actor, version, wish)
    compiled = wearing.say_words(compiled, worn)
    findings = screening.find_all(rules, shown_in, variables, compiled.prompt)
    if findings:
        words = _words(compiled, variables, rules, shown_in)
        if _find_pass(actor, version, words, now) is not None:
            findings = ()
    lacking = picturing.objection(used, version.brand_id, now)
    objection = (
        _objection(model, worn)
        or _endpoint_objection(model, version.brand_id)
        or (lacking[0] if lacking else None)
    )
    wait = job_selectors.wait_for(model.id, model.queue, size=size)
    ends = stepping.final_size(version.content, size)
    return Preview(
        prompt=compiled.prompt,
        negative_prompt=compiled.negative,
        images=variants,
        violation=objection.reason if objection else findings[0].reason if findings else None,
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
        findings=findings,
        market="" if shown_in is None else shown_in.code,
        final_width=ends[0],
        final_height=ends[1],
    )


def place(  # noqa: PLR0913  an order has many parts
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
    market: str | None = None,
    wish: Wish = NOTHING,
    pressure: Pressure | None = None,
) -> JobRecord:
    """Place an order and return it; the same key again returns the same order.

    `parent_asset_id`: an image of the same brand that the actor may see, and that the new ones are
    compared with ("more like this", "again, with changes"). Nothing of it goes into them.
    `market`: the country that they are to be shown in, one of the brand's; the first by default.
    `wish`: which of the template's looks they wear, and which pictures they start from, follow or
    look at; an image of the brand among these is then their parent.
    `pressure`: how the order stands among the actor's own; it takes nothing from anybody else.
    Raises: InvalidInput, NotFound, NotPermitted (nothing is written); OrderRefused (by a licence,
    the endpoint, the rights in a picture or a rule) or QuotaExceeded (exactly one Refusal is).
    """
    version = _orderable(actor, template_id)
    _check_key(idempotency_key)
    earlier = job_selectors.find_job_by_key(actor, idempotency_key)
    if earlier is not None:
        return _own(actor, earlier)

    model = choices.choose_profile(version.content, profile)
    size = choices.choose_size(version.content, width, height)
    steps, guidance = choices.parameters(version.content)
    choices.check_count(variants)
    _check_due(pressure, now)
    first_seed = choices.choose_seed(seed)
    _check_parent(actor, parent_asset_id, version.brand_id)
    shown_in = choices.choose_market(version.brand_id, market)
    compiled = compiling.compile_prompt(version.content, variables)
    stepping.require(version.content, model)
    worn = wearing.choose(version, model, wish, compiled)
    used = picturing.choose(actor, version, wish)
    compiled = wearing.say_words(compiled, worn)
    parent_asset_id = picturing.parent_of(used, parent_asset_id)
    policy = brands.current_scoring_policy(version.brand_id)

    template = SubjectRef("template_version", version.id, version.brand_id, version.sha256)
    _require_no_objection(actor, model, worn, used, template, now)
    rules = brands.current_rules(version.brand_id)
    violation = screening.first(rules, shown_in, variables, compiled.prompt)
    words = _words(compiled, variables, rules, shown_in)
    override_id = None
    if violation is not None:
        override_id = _find_pass(actor, version, words, now)
        if override_id is None:
            raise _refuse_for_rule(actor, violation, words, template, now)
    try:
        with transaction.atomic():
            said: dict[str, Any] = {
                "person_id": actor.id,
                "text": compiled.prompt,
                "purpose": job_selectors.PROMPT,
            }
            sealed_prompt, prompt_digest = sealing.seal(**said), sealing.digest(**said)
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
                        prompt_digest=prompt_digest,
                        negative_prompt=compiled.negative,
                        seed=(first_seed + index) % (SEED_MAX + 1),
                        width_px=size[0],
                        height_px=size[1],
                        steps=steps,
                        guidance=guidance,
                        worn=worn,
                        pictures=used,
                    )
                    for index in range(variants)
                ],
                idempotency_key=idempotency_key,
                parent_asset_id=parent_asset_id,
                market="" if shown_in is None else shown_in.code,
                pressure=pressure,
                now=now,
            )
            if override_id is not None:
                refusals.use_pass(actor=actor, override_id=override_id, order_id=job_id, now=now)
    except (IntegrityError, quota_errors.QuotaExceeded, PassSpent, RightsLacking) as error:
        # A twin under the same key may have been faster, and have taken the last of the quota.
        twin = job_selectors.find_job_by_key(actor, idempotency_key)
        if twin is not None:
            return _own(actor, twin)
        _record_late(actor, error, template, now)
        if isinstance(error, PassSpent) and violation is not None:
            raise _refuse_for_rule(actor, violation, words, template, now) from error
        raise
    return _own(actor, job_id)


def _objection(model: ProfileRecord, worn: Sequence[Worn]) -> Objection | None:
    """Return what the licence of the model, or of what it wears, has against the order."""
    for licence_id in (model.licence_id, *(each.adapter.licence_id for each in worn)):
        objection = licences.objection(licence_id, settings.PURPOSE)
        if objection is not None:
            return objection
    return None


def _require_no_objection(
    actor: Actor,
    model: ProfileRecord,
    worn: Sequence[Worn],
    used: Sequence[Used],
    template: SubjectRef,
    now: datetime,
) -> None:
    """Refuse what a licence, where the model is, or the rights in a picture do not allow.

    Raises: OrderRefused.
    """
    objection = _objection(model, worn)
    if objection is not None:
        raise _refuse_for_licence(actor, objection, template, now)
    misplaced = _endpoint_objection(model, _brand_of(template))
    if misplaced is not None:
        raise _refuse_for_endpoint(actor, misplaced, template, now)
    lacking = picturing.objection(used, _brand_of(template), now)
    if lacking is not None:
        raise _refuse_for_rights(actor, *lacking, template, now)


def _endpoint_objection(model: ProfileRecord, brand_id: UUID) -> EndpointObjection | None:
    """Return what speaks against sending the brand's prompt to where the model is."""
    if not model.endpoint:
        return None
    data_class = brands.get_brand(SYSTEM, brand_id).data_class
    return registry.endpoint_objection(model.endpoint, data_class)


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
    violation: Violation,
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
    finding = screening.finding_of(violation)
    return OrderRefused(
        violation.reason,
        pointer=finding.pointer,
        refusal_id=str(record.id),
        category=violation.category,
        rule=violation.category,
        field=finding.field,
        found=finding.found,
        start=finding.start,
        end=finding.end,
        next_step=finding.next_step,
        overridable_by=finding.overridable_by,
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


def _refuse_for_endpoint(
    actor: Actor, objection: EndpointObjection, template: SubjectRef, now: datetime
) -> OrderRefused:
    """Record it; nobody may override where a brand's data goes."""
    record = refusals.record(
        actor=actor,
        brand_id=_brand_of(template),
        stage="endpoint",
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
        rule="endpoint",
        overridable_by="",
    )


def _record_late(actor: Actor, error: Exception, template: SubjectRef, now: datetime) -> None:
    """Record what was found only as the order was written. Raises: OrderRefused for rights."""
    if isinstance(error, quota_errors.QuotaExceeded):
        _record_for_quota(actor, error, template, now)
    if isinstance(error, RightsLacking):
        lack = RightsObjection(str(error.facts["category"]), error.detail)
        raise _refuse_for_rights(actor, lack, "", template, now) from error


def _refuse_for_rights(
    actor: Actor, lack: RightsObjection, pointer: str, template: SubjectRef, now: datetime
) -> OrderRefused:
    """Record it; nobody may override rights: whoever has them can state them."""
    record = refusals.record(
        actor=actor,
        brand_id=_brand_of(template),
        stage="rights",
        category=lack.category,
        reason=lack.reason,
        requester_id=actor.id,
        subject=template,
        now=now,
    )
    return OrderRefused(
        lack.reason,
        pointer=pointer,
        refusal_id=str(record.id),
        category=lack.category,
        rule="rights",
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


def _words(
    compiled: compiling.Compiled,
    variables: Mapping[str, Any],
    rules: RulesRecord,
    market: Market | None,
) -> dict[str, Any]:
    return appeals.order_words(
        prompt=compiled.prompt,
        variables=variables,
        rules_id=rules.id,
        market="" if market is None else market.code,
    )


def _find_pass(
    actor: Actor, version: VersionRecord, words: Mapping[str, Any], now: datetime
) -> UUID | None:
    return appeals.find_pass(actor=actor, template_version_id=version.id, words=words, now=now)


def _check_key(idempotency_key: str) -> None:
    if not 1 <= len(idempotency_key) <= KEY_MAX:
        raise InvalidInput(
            _("An order needs an idempotency key of 1 to %(most)s characters.") % {"most": KEY_MAX},
            pointer="/idempotency_key",
            rule="length",
        )


def _check_due(pressure: Pressure | None, now: datetime) -> None:
    if pressure is not None and pressure.due_at is not None and pressure.due_at <= now:
        raise InvalidInput(_("Name a time that is yet to come."), pointer="/due_at", rule="future")


def _check_parent(actor: Actor, parent_asset_id: UUID | None, brand_id: UUID) -> None:
    if parent_asset_id is None:
        return
    if assets.get_asset(actor, parent_asset_id).brand_id != brand_id:
        raise NotFound(_("This template's brand has no such image."), asset_id=str(parent_asset_id))
