"""Proposes review policies, which are reviewed as images are, and gives a brand its first ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import satisfiability, selectors
from governance.review.models import Asks, ChecklistItem, Policy, Stage, SubjectKind
from governance.review.records import ItemSpec, PolicyRecord, PolicyWarning, StageSpec
from governance.review.satisfiability import Need
from governance.review.services import _specs
from governance.review.services._governing import approve_content, submit_content
from governance.review.services._specs import PolicyContent
from governance.review.services._subjects import register_subject
from governance.tables.records import wait_for_others

# Whoever asks for a review of these kinds; of everything else it is a brand manager.
_REQUESTERS = {SubjectKind.ASSET.value: Role.MARKETER}
# What a brand starts with: without it, nobody could approve the brand's own first policy.
FIRST_KINDS = (SubjectKind.REVIEW_POLICY, SubjectKind.RULE_SET, SubjectKind.SCORING_POLICY)
_FIRST_NAME = "Another brand manager"


class PolicyUnsatisfiable(DomainError):
    """Nobody's order could ever be approved under this policy: there are too few people for it."""

    code = "policy_unsatisfiable"
    status = 422


def propose_policy(
    *,
    actor: Actor,
    brand_id: UUID,
    subject_kind: str,
    name: str,
    stages: Sequence[StageSpec],
    checklist: Sequence[ItemSpec] = (),
    calendar: Mapping[str, Any] | None = None,
    min_view_s: int = 0,
    roster: Mapping[Role, frozenset[UUID]] | None = None,
    now: datetime,
) -> PolicyRecord:
    """Propose the next version of a brand's policy for one kind of subject, and open its review.

    `roster` says who holds which role in the brand; with it, a policy that nobody could satisfy is
    refused, and the answer's `warnings` name those whose own orders could not be approved.
    Raises: InvalidInput, NotFound, NotPermitted, NoPolicy, PolicyUnsatisfiable.
    """
    content = _specs.content_of(
        subject_kind=subject_kind,
        name=name,
        stages=stages,
        checklist=checklist,
        calendar=calendar,
        min_view_s=min_view_s,
    )
    warnings = check_policy(actor=actor, brand_id=brand_id, content=content, roster=roster)
    with transaction.atomic():
        policy = _insert(actor=actor, brand_id=brand_id, content=content, now=now)
        submit_content(
            actor=actor,
            subject=_subject(policy),
            title=_("Review policy “%(name)s” for %(kind)s, version %(number)s")
            % {"name": name, "kind": SubjectKind(subject_kind).label, "number": policy.number},
            parent_id=_in_force(policy),
            now=now,
        )
        _append(actor, Event.REVIEW_POLICY_PROPOSED, policy, now)
    return replace(policy, warnings=warnings)


def check_policy(
    *,
    actor: Actor,
    brand_id: UUID,
    content: PolicyContent,
    roster: Mapping[Role, frozenset[UUID]] | None,
) -> tuple[PolicyWarning, ...]:
    """Tell whom a policy that is not proposed yet would leave out; nothing is recorded.

    Raises: InvalidInput, NotFound, NotPermitted, PolicyUnsatisfiable.
    """
    if not selectors.may_see_brand(actor, brand_id):
        raise NotFound(_("There is no such brand."))
    permits.require(actor, Permission.REVIEW_POLICY_PROPOSE, Context(brand_id=brand_id))
    groups = selectors.members_of(
        [stage.group_id for stage in content.stages if stage.group_id is not None], brand_id
    )
    members = None if roster is None else frozenset[UUID]().union(*roster.values())
    _specs.check_members(content.stages, groups, members)
    return () if roster is None else _assess(content, roster, groups)


def approve_policy(*, actor: Actor, policy_id: UUID, sha256: str, now: datetime) -> PolicyRecord:
    """Approve a proposed policy as one of its reviewers; after the last approval it counts.

    `sha256` is of the content that the actor was shown. Cases that are open keep their policy.
    Raises: NotFound; NotPermitted for its proposer; IllegalTransition if it is decided already or a
    newer version counts; and what `decide` raises.
    """
    policy = selectors.get_policy(actor, policy_id)
    if _newer_counts(policy):
        raise IllegalTransition(
            _("A newer version of this review policy is approved already."), act="approve"
        )
    # The database puts the policy in force with its approval: see guards.
    approve_content(actor=actor, subject_id=policy.id, sha256=sha256, now=now)
    return selectors.get_policy(actor, policy_id)


def install_policies(*, actor: Actor, brand_id: UUID, now: datetime) -> tuple[PolicyRecord, ...]:
    """Give a new brand the policies under which its own policies and rules are reviewed.

    One stage each: another brand manager. They are the only ones that no person approves, because a
    brand has nobody yet; the database accepts them in just this form, and only as a brand's first.
    Raises: NotPermitted.
    """
    # It is a part of creating a brand, and nothing that anybody does to one later.
    permits.require(actor, Permission.BRANDS_BRAND_CREATE, Context())
    with transaction.atomic():
        return tuple(_install(actor, brand_id, kind.value, now) for kind in FIRST_KINDS)


def _install(actor: Actor, brand_id: UUID, kind: str, now: datetime) -> PolicyRecord:
    content = _specs.content_of(
        subject_kind=kind, name=_FIRST_NAME, stages=[StageSpec(_FIRST_NAME, Role.BRAND_MANAGER)]
    )
    policy = _insert(actor=actor, brand_id=brand_id, content=content, now=now)
    register_subject(
        subject_id=policy.id,
        kind=SubjectKind.REVIEW_POLICY.value,
        sha256=policy.sha256,
        brand_id=brand_id,
        contributors={actor.id: "author"},
        now=now,
    )
    Policy.objects.filter(id=policy.id).update(approved_by=SYSTEM.id, approved_at=now)
    _append(actor, Event.REVIEW_POLICY_INSTALLED, policy, now)
    return replace(policy, approved_by=SYSTEM.id, approved_at=now)


def _insert(*, actor: Actor, brand_id: UUID, content: PolicyContent, now: datetime) -> PolicyRecord:
    """Write the policy with its stages and questions, under the digest of all of it."""
    # Two proposals in the same second take their numbers one after the other.
    wait_for_others(selectors.policy_lock(brand_id, content.subject_kind))
    versions = Policy.objects.filter(brand_id=brand_id, subject_kind=content.subject_kind)
    policy = Policy(
        brand_id=brand_id,
        subject_kind=content.subject_kind,
        name=content.name,
        number=(versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        calendar=dict(content.calendar),
        min_view_s=content.min_view_s,
        proposed_by=actor.id,
        created_at=now,
    )
    stages = [_stage(policy, spec, now) for spec in content.stages]
    items = [
        _item(policy, position, spec, now)
        for position, spec in enumerate(content.checklist, start=1)
    ]
    document = selectors.policy_document(selectors.policy_from(policy, stages, items))
    policy.sha256 = sha256_hex(canonical_json(document))
    for row in (policy, *stages, *items):
        row.save(force_insert=True)
    return selectors.policy_from(policy, stages, items)


def _stage(policy: Policy, spec: StageSpec, now: datetime) -> Stage:
    asks = Asks.ROLE if spec.role else Asks.GROUP if spec.group_id else Asks.PEOPLE
    return Stage(
        policy=policy,
        position=spec.position or 1,
        key=spec.key,
        name=spec.name,
        asks=asks.value,
        role=spec.role.value if spec.role else "",
        people=[str(person) for person in spec.people],
        group_id=spec.group_id,
        quorum=spec.quorum,
        due_min=spec.due_min,
        remind_min=spec.remind_min,
        escalate_to=spec.escalate_to,
        created_at=now,
    )


def _item(policy: Policy, position: int, spec: ItemSpec, now: datetime) -> ChecklistItem:
    return ChecklistItem(
        policy=policy,
        position=position,
        key=spec.key,
        question=spec.question,
        guidance=spec.guidance,
        stage_key=spec.stage_key,
        created_at=now,
    )


def _assess(
    content: PolicyContent,
    roster: Mapping[Role, frozenset[UUID]],
    groups: Mapping[UUID, frozenset[UUID]],
) -> tuple[PolicyWarning, ...]:
    """Return whom the policy leaves out. Raises: PolicyUnsatisfiable if that is everybody."""
    members = frozenset[UUID]().union(*roster.values())
    needs = [
        Need(stage.name, stage.quorum, _asked(stage, roster, groups) & members)
        for stage in content.stages
    ]
    role = _REQUESTERS.get(content.subject_kind, Role.BRAND_MANAGER)
    requesters = roster.get(role, frozenset())
    unfilled = satisfiability.lacking(needs)
    stranded = satisfiability.stranded(needs, requesters)
    if unfilled or (requesters and stranded == requesters):
        raise PolicyUnsatisfiable(
            _(
                "There are too few people for this policy: nothing could ever be approved. One "
                "person decides once, and never on what they asked for."
            ),
            pointer="/stages",
            rule="unsatisfiable",
            stages=list(unfilled),
        )
    if not stranded:
        return ()
    detail = _("What these people ask for could not be approved: they are needed to decide it.")
    return (PolicyWarning("requester_is_needed", detail, tuple(sorted(stranded))),)


def _asked(
    stage: StageSpec,
    roster: Mapping[Role, frozenset[UUID]],
    groups: Mapping[UUID, frozenset[UUID]],
) -> frozenset[UUID]:
    if stage.role is not None:
        return roster.get(stage.role, frozenset())
    if stage.group_id is not None:
        return groups[stage.group_id]
    return frozenset(stage.people)


def _in_force(policy: PolicyRecord) -> UUID | None:
    """Return the version that this one would take the place of: what reviewers compare it with."""
    try:
        return selectors.current_policy(policy.brand_id, policy.subject_kind).id
    except selectors.NoPolicy:
        return None


def _newer_counts(policy: PolicyRecord) -> bool:
    return Policy.objects.filter(
        brand_id=policy.brand_id,
        subject_kind=policy.subject_kind,
        number__gt=policy.number,
        approved_by__isnull=False,
    ).exists()


def _append(actor: Actor, event: Event, policy: PolicyRecord, now: datetime) -> None:
    document = selectors.policy_document(policy)
    said = ("subject_kind", "name", "number", "stages", "min_view_s")
    ledger.append(
        actor=actor,
        event=event,
        subject=_subject(policy),
        now=now,
        # The rest stands in the policy itself, which never changes: its sha256 is of everything.
        facts={name: document[name] for name in said} | {"questions": len(policy.checklist)},
    )


def _subject(policy: PolicyRecord) -> SubjectRef:
    return SubjectRef(SubjectKind.REVIEW_POLICY.value, policy.id, policy.brand_id, policy.sha256)
