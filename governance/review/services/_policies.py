"""Proposes and approves review policies: one person proposes, another makes it count."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.lifecycle import IllegalTransition, StaleState
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors
from governance.review.models import STAGE_ROLES, Policy, Stage, SubjectKind
from governance.review.records import PolicyRecord, StageSpec

MAX_NAME_LENGTH = 100
MAX_STAGES = 9
MAX_QUORUM = 9


def propose_policy(
    *,
    actor: Actor,
    brand_id: UUID,
    subject_kind: str,
    name: str,
    stages: Sequence[StageSpec],
    now: datetime,
) -> PolicyRecord:
    """Propose the next version of a brand's policy for one kind of subject.

    Raises: InvalidInput, NotFound, NotPermitted; StaleState if another version came in between.
    """
    _see_brand(actor, brand_id)
    permits.require(actor, Permission.REVIEW_POLICY_PROPOSE, Context(brand_id=brand_id))
    _check_kind(subject_kind)
    _check_name(name, "/name")
    _check_stages(stages)
    try:
        with transaction.atomic():
            policy = _insert(
                actor=actor,
                brand_id=brand_id,
                subject_kind=subject_kind,
                name=name,
                stages=stages,
                now=now,
            )
            record = selectors.policy_record(policy)
            ledger.append(
                actor=actor,
                event=Event.REVIEW_POLICY_PROPOSED,
                subject=_subject(record),
                now=now,
                facts=_content(record),
            )
    except IntegrityError as error:
        raise StaleState(
            _("Somebody else proposed a version at the same moment: look at it, then try again.")
        ) from error
    return record


def approve_policy(*, actor: Actor, policy_id: UUID, now: datetime) -> PolicyRecord:
    """Make a proposed policy count for every case opened from now on; open cases keep theirs.

    Raises: NotFound; NotPermitted for its proposer; IllegalTransition if it is approved already
    or a newer version is.
    """
    with transaction.atomic():
        policy = Policy.objects.select_for_update(no_key=True).filter(id=policy_id).first()
        if policy is None or not permits.may(
            actor, Permission.BRANDS_BRAND_READ, Context(brand_id=policy.brand_id)
        ):
            raise NotFound(_("There is no such review policy."))
        permits.require(
            actor,
            Permission.REVIEW_POLICY_APPROVE,
            Context(brand_id=policy.brand_id, contributors=frozenset({policy.proposed_by})),
        )
        if policy.approved_by is not None:
            raise IllegalTransition(_("This review policy is approved already."), act="approve")
        if _newer_is_approved(policy):
            raise IllegalTransition(
                _("A newer version of this review policy is approved already."), act="approve"
            )
        updated = Policy.objects.filter(id=policy.id, approved_by__isnull=True).update(
            approved_by=actor.id, approved_at=now
        )
        if updated != 1:
            raise StaleState(_("Somebody else approved this review policy first."), act="approve")
        policy.refresh_from_db()
        record = selectors.policy_record(policy)
        ledger.append(
            actor=actor,
            event=Event.REVIEW_POLICY_APPROVED,
            subject=_subject(record),
            now=now,
            facts={**_content(record), "proposed_by": str(policy.proposed_by)},
        )
    return record


def _insert(
    *,
    actor: Actor,
    brand_id: UUID,
    subject_kind: str,
    name: str,
    stages: Sequence[StageSpec],
    now: datetime,
) -> Policy:
    versions = Policy.objects.filter(brand_id=brand_id, subject_kind=subject_kind)
    last = versions.aggregate(last=Max("number"))["last"] or 0
    policy = Policy.objects.create(
        brand_id=brand_id,
        subject_kind=subject_kind,
        name=name,
        number=last + 1,
        proposed_by=actor.id,
        created_at=now,
    )
    for position, stage in enumerate(stages, start=1):
        Stage.objects.create(
            policy=policy,
            position=position,
            name=stage.name,
            role=stage.role.value,
            quorum=stage.quorum,
            created_at=now,
        )
    return policy


def _newer_is_approved(policy: Policy) -> bool:
    return Policy.objects.filter(
        brand_id=policy.brand_id,
        subject_kind=policy.subject_kind,
        number__gt=policy.number,
        approved_by__isnull=False,
    ).exists()


def _see_brand(actor: Actor, brand_id: UUID) -> None:
    if not permits.may(actor, Permission.BRANDS_BRAND_READ, Context(brand_id=brand_id)):
        raise NotFound(_("There is no such brand."))


def _check_kind(subject_kind: str) -> None:
    if subject_kind not in SubjectKind.values:
        raise InvalidInput(
            _("“%(kind)s” cannot be reviewed.") % {"kind": subject_kind},
            pointer="/subject_kind",
            rule="enum",
        )


def _check_name(name: str, pointer: str) -> None:
    if not name.strip() or len(name) > MAX_NAME_LENGTH:
        raise InvalidInput(
            _("A name has between 1 and %(max)s characters.") % {"max": MAX_NAME_LENGTH},
            pointer=pointer,
            rule="length",
        )


def _check_stages(stages: Sequence[StageSpec]) -> None:
    if not 1 <= len(stages) <= MAX_STAGES:
        raise InvalidInput(
            _("A review policy has between 1 and %(max)s stages.") % {"max": MAX_STAGES},
            pointer="/stages",
            rule="length",
        )
    for place, stage in enumerate(stages):
        _check_name(stage.name, f"/stages/{place}/name")
        if stage.role not in STAGE_ROLES:
            raise InvalidInput(
                _("A stage can ask for one of these roles: %(roles)s.")
                % {"roles": ", ".join(STAGE_ROLES)},
                pointer=f"/stages/{place}/role",
                rule="enum",
            )
        if not 1 <= stage.quorum <= MAX_QUORUM:
            raise InvalidInput(
                _("A stage needs between 1 and %(max)s people.") % {"max": MAX_QUORUM},
                pointer=f"/stages/{place}/quorum",
                rule="range",
            )


def _content(policy: PolicyRecord) -> dict[str, Any]:
    return {
        "subject_kind": policy.subject_kind,
        "name": policy.name,
        "number": policy.number,
        "stages": [
            {"name": stage.name, "role": stage.role.value, "quorum": stage.quorum}
            for stage in policy.stages
        ],
    }


def _subject(policy: PolicyRecord) -> SubjectRef:
    return SubjectRef(
        kind="review_policy",
        id=policy.id,
        brand_id=policy.brand_id,
        sha256=sha256_hex(canonical_json(_content(policy))),
    )
