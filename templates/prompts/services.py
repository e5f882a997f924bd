"""Commands on templates: draft a version, submit, release and retire it; import a pack."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import may, require
from governance.policy.predicates import Context
from governance.release import services as releases
from governance.review import selectors as reviews
from governance.review import services as review
from governance.sealing import services as sealing
from governance.tables.records import move, wait_for_others
from templates.brands import selectors as brands
from templates.prompts import compile as compiling
from templates.prompts import content as contents
from templates.prompts import selectors
from templates.prompts.errors import NotReviewed, ReasonRequired, VersionRetired
from templates.prompts.library import Pack
from templates.prompts.models import PromptTemplate, TemplateRelease, TemplateVersion
from templates.prompts.records import VersionRecord
from templates.prompts.states import TEMPLATE_VERSION, VersionState

SUBJECT_KIND = "template_version"
# The name under which a review case of an image pins the template version that it was made from.
PIN = "template_version_id"
RETIRE_PURPOSE = "prompts.version.retire_reason"
SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
MAX_SLUG = 60
MAX_REASON = 2000


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did with one template: "submitted", or "unchanged" if it was there."""

    version: VersionRecord
    outcome: str


def draft_version(
    *,
    actor: Actor,
    brand_id: UUID,
    slug: str,
    name: str,
    content: Mapping[str, Any],
    now: datetime,
) -> VersionRecord:
    """Draft the next version of a brand's template; the first one makes the template.

    The version is registered with its author from the start, so that they never decide on it.
    Raises: NotFound for a hidden brand, NotPermitted, InvalidInput naming what is wrong.
    """
    brands.get_brand(actor, brand_id)
    require(actor, Permission.PROMPTS_TEMPLATE_DRAFT, Context(brand_id=brand_id))
    if len(slug) > MAX_SLUG or not SLUG.fullmatch(slug):
        raise InvalidInput(
            _("A slug has lower-case letters and digits, with single hyphens or underscores."),
            pointer="/slug",
            rule="pattern",
        )
    compiling.validate_content({**content, "name": name})
    canonical = contents.canonical(content, name=name)
    sha256 = sha256_hex(canonical)
    with transaction.atomic():
        template, _made = PromptTemplate.objects.get_or_create(
            brand_id=brand_id, slug=slug, defaults={"name": name, "created_at": now}
        )
        # Two drafts at once take their numbers one after the other.
        PromptTemplate.objects.select_for_update(no_key=True).get(pk=template.pk)
        last = TemplateVersion.objects.filter(template=template).order_by("-number").first()
        version_id = uuid7()
        review.register_subject(
            subject_id=version_id,
            kind=SUBJECT_KIND,
            sha256=sha256,
            brand_id=brand_id,
            contributors={actor.id: "author"},
            parent_id=None if last is None else last.subject_id,
            now=now,
        )
        version = TemplateVersion.objects.create(
            id=version_id,
            template=template,
            brand_id=brand_id,
            number=1 if last is None else last.number + 1,
            subject_id=version_id,
            sha256=sha256,
            canonical=canonical.decode(),
            created_by=actor.id,
            created_at=now,
        )
        _record(actor, Event.PROMPTS_VERSION_DRAFTED, version, now)
    return selectors.version_record(version)


def submit_version(*, actor: Actor, version_id: UUID, now: datetime) -> VersionRecord:
    """Put a draft under review: opens the case in which people other than its makers decide.

    Raises: NotFound, NotPermitted, IllegalTransition, NoPolicy if the brand reviews no templates.
    """
    with transaction.atomic():
        version = _lock(actor, version_id)
        require(actor, Permission.PROMPTS_TEMPLATE_SUBMIT, Context(brand_id=version.brand_id))
        transition = TEMPLATE_VERSION.target("submit", version.state)
        name = selectors.version_record(version).name
        move(version, transition)
        case = review.open_case(
            actor=actor,
            subject_id=version.subject_id,
            title=_("Template %(name)s, version %(number)s")
            % {"name": name, "number": version.number},
            pins={PIN: str(version.id)},
            requested_by=actor.id,
            now=now,
        )
        _record(actor, Event.PROMPTS_VERSION_SUBMITTED, version, now, case_id=str(case.id))
    return selectors.version_record(version)


def release_version(*, actor: Actor, version_id: UUID, now: datetime) -> VersionRecord:
    """Put the released label on a reviewed version; orders are made from it from now on.

    Raises: NotFound, NotPermitted, IllegalTransition; NotReviewed without an approval that stands.
    """
    with transaction.atomic():
        version = _lock(actor, version_id)
        require(actor, Permission.PROMPTS_TEMPLATE_RELEASE, Context(brand_id=version.brand_id))
        transition = TEMPLATE_VERSION.target("release", version.state)
        approval = reviews.find_approval(version.subject_id)
        case = reviews.find_case_for_subject(version.subject_id)
        if (
            approval is None
            or approval.sha256 != version.sha256
            or case is None
            or case.approval_id != approval.id
            or case.state != "approved"
        ):
            raise NotReviewed(
                _("This version has no approval that stands, so it cannot be released."),
                state=None if case is None else case.state,
            )
        TemplateRelease.objects.create(
            template_id=version.template_id,
            version=version,
            approval_id=approval.id,
            subject_id=version.subject_id,
            sha256=version.sha256,
            released_by=actor.id,
            created_at=now,
        )
        move(version, transition)
        _record(actor, Event.PROMPTS_VERSION_RELEASED, version, now, approval_id=str(approval.id))
    return selectors.version_record(version)


def retire_version(*, actor: Actor, version_id: UUID, reason: str, now: datetime) -> VersionRecord:
    """Retire a version for good, and void the reviews that rest on it.

    That is its own open case, and every case of an image made from it that is open, or approved but
    not yet released; what is released stays, and is recalled where that is wanted.
    Raises: NotFound, NotPermitted, IllegalTransition, ReasonRequired.
    """
    with transaction.atomic():
        version = _lock(actor, version_id)
        require(actor, Permission.PROMPTS_TEMPLATE_RETIRE, Context(brand_id=version.brand_id))
        transition = TEMPLATE_VERSION.target("retire", version.state)
        if not reason.strip() or len(reason) > MAX_REASON:
            raise ReasonRequired(
                _("Give the reason for retiring this version, in at most 2000 characters."),
                pointer="/reason",
            )
        # What goes into review at this moment is voided below; what comes later finds it retired.
        wait_for_others(_use_lock(version.id))
        move(version, transition)
        voided = releases.void_pinning(
            actor=actor,
            name=PIN,
            value=str(version.id),
            reason=_("The template version that it rests on was retired."),
            now=now,
        )
        _record(
            actor,
            Event.PROMPTS_VERSION_RETIRED,
            version,
            now,
            sealed={
                "reason": sealing.seal(person_id=actor.id, text=reason, purpose=RETIRE_PURPOSE)
            },
            was=transition.source,
            voided_cases=voided,
        )
    return selectors.version_record(version)


def require_in_use(version_id: UUID) -> None:
    """Let pass while the version is not retired, and hold that off until the transaction's end.

    Raises: VersionRetired.
    """
    wait_for_others(_use_lock(version_id), is_shared=True)
    if TemplateVersion.objects.filter(pk=version_id, state=VersionState.RETIRED).exists():
        raise VersionRetired(
            _("The template version of this image was retired, so it is not reviewed any more."),
            version_id=str(version_id),
        )


def import_pack(*, actor: Actor, brand_id: UUID, pack: Pack, now: datetime) -> tuple[Imported, ...]:
    """Draft and submit the templates of a pack; what is there byte for byte is left alone.

    Raises: what `draft_version` and `submit_version` raise; then nothing of the pack is imported.
    """
    outcomes: list[Imported] = []
    with transaction.atomic():
        for starter in pack.templates:
            newest = selectors.find_newest_version(actor, brand_id, starter.slug)
            written = contents.canonical(starter.content, name=starter.name)
            if newest is not None and newest.sha256 == sha256_hex(written):
                outcomes.append(Imported(newest, "unchanged"))
                continue
            drafted = draft_version(
                actor=actor,
                brand_id=brand_id,
                slug=starter.slug,
                name=starter.name,
                content=starter.content,
                now=now,
            )
            submitted = submit_version(actor=actor, version_id=drafted.id, now=now)
            outcomes.append(Imported(submitted, "submitted"))
    return tuple(outcomes)


def _use_lock(version_id: UUID) -> str:
    return f"{PIN} {version_id}"


def _lock(actor: Actor, version_id: UUID) -> TemplateVersion:
    """Return the version for changing, and hold every other change of it until the end."""
    version = (
        TemplateVersion.objects.select_for_update(no_key=True, of=("self",))
        .select_related("template")
        .filter(pk=version_id)
        .first()
    )
    if version is None or not may(
        actor, Permission.PROMPTS_TEMPLATE_READ, Context(brand_id=version.brand_id)
    ):
        raise NotFound(_("No template version has this id."), pointer="/version_id")
    return version


def _record(
    actor: Actor,
    event: Event,
    version: TemplateVersion,
    now: datetime,
    *,
    sealed: Mapping[str, bytes] | None = None,
    **facts: str | int,
) -> None:
    ledger.append(
        actor=actor,
        event=event,
        subject=SubjectRef(SUBJECT_KIND, version.id, version.brand_id, version.sha256),
        now=now,
        facts={
            "template_id": str(version.template_id),
            "slug": version.template.slug,
            "number": version.number,
            **facts,
        },
        sealed=sealed,
    )
