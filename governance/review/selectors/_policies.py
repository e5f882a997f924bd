"""Reads of review policies and of the groups that they name."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.roles import Role
from governance.review.models import ChecklistItem, Group, GroupMember, Policy, Stage
from governance.review.records import GroupRecord, ItemRecord, PolicyRecord, StageRecord
from governance.review.selectors._shared import may_see_brand


class NoPolicy(DomainError):
    """The brand has no approved review policy for that kind: nothing of it can be reviewed."""

    code = "no_review_policy"
    status = 409


def current_policy(brand_id: UUID, subject_kind: str) -> PolicyRecord:
    """Return the latest approved policy. Raises: NoPolicy."""
    policy = (
        _whole()
        .filter(brand_id=brand_id, subject_kind=subject_kind, approved_by__isnull=False)
        .order_by("-number")
        .first()
    )
    if policy is None:
        raise NoPolicy(
            _("This brand has no approved review policy for %(kind)s: propose one first.")
            % {"kind": subject_kind},
            brand_id=str(brand_id),
            subject_kind=subject_kind,
        )
    return policy_record(policy)


def policy_lock(brand_id: UUID, subject_kind: str) -> str:
    """Name the lock under which a brand's policies for a kind are numbered and come into force.

    The guard of the same table takes it in SQL.
    """
    return f"{brand_id} {subject_kind}"


def get_policy(actor: Actor, policy_id: UUID) -> PolicyRecord:
    """Return one policy version of a brand that the actor may see. Raises: NotFound."""
    policy = _whole().filter(id=policy_id).first()
    if policy is None or not may_see_brand(actor, policy.brand_id):
        raise NotFound(_("There is no such review policy."))
    return policy_record(policy)


def list_policies(
    actor: Actor, brand_id: UUID, subject_kind: str | None = None
) -> tuple[PolicyRecord, ...]:
    """Return the policy versions of a brand that the actor may see, newest first."""
    if not may_see_brand(actor, brand_id):
        return ()
    policies = _whole().filter(brand_id=brand_id)
    if subject_kind is not None:
        policies = policies.filter(subject_kind=subject_kind)
    return tuple(policy_record(policy) for policy in policies.order_by("-id"))


def get_group(actor: Actor, group_id: UUID) -> GroupRecord:
    """Return one group of a brand that the actor may see. Raises: NotFound."""
    group = _groups().filter(id=group_id).first()
    if group is None or not may_see_brand(actor, group.brand_id):
        raise NotFound(_("There is no such group."))
    return group_record(group)


def list_groups(actor: Actor, brand_id: UUID) -> tuple[GroupRecord, ...]:
    """Return the groups of a brand that the actor may see, newest first."""
    if not may_see_brand(actor, brand_id):
        return ()
    return tuple(
        group_record(group) for group in _groups().filter(brand_id=brand_id).order_by("-id")
    )


def group_members(group_id: UUID) -> frozenset[UUID]:
    """Return who is in the group now; nobody where there is no such group."""
    return frozenset(_present().filter(group_id=group_id).values_list("person_id", flat=True))


def members_of(group_ids: Iterable[UUID], brand_id: UUID) -> dict[UUID, frozenset[UUID]]:
    """Return who is in each of those of the groups that the brand has, in one query."""
    groups = _groups().filter(id__in=list(group_ids), brand_id=brand_id)
    return {group.id: group_record(group).members for group in groups}


def groups_of(person_id: UUID) -> frozenset[UUID]:
    """Return the groups that the person is in now."""
    return frozenset(_present().filter(person_id=person_id).values_list("group_id", flat=True))


def policy_record(policy: Policy) -> PolicyRecord:
    """Turn a policy row into facts."""
    return policy_from(policy, policy.stages.all(), policy.checklist.all())


def policy_from(
    policy: Policy, stages: Iterable[Stage], checklist: Iterable[ChecklistItem]
) -> PolicyRecord:
    """Turn a policy row and its parts, written or not yet, into facts."""
    return PolicyRecord(
        id=policy.id,
        brand_id=policy.brand_id,
        subject_kind=policy.subject_kind,
        name=policy.name,
        number=policy.number,
        stages=stage_records(stages),
        checklist=tuple(
            ItemRecord(
                item.id, item.position, item.key, item.question, item.guidance, item.stage_key
            )
            for item in sorted(checklist, key=lambda item: item.position)
        ),
        calendar=policy.calendar,
        min_view_s=policy.min_view_s,
        sha256=policy.sha256,
        proposed_by=policy.proposed_by,
        created_at=policy.created_at,
        approved_by=policy.approved_by,
        approved_at=policy.approved_at,
    )


def stage_records(stages: Iterable[Stage]) -> tuple[StageRecord, ...]:
    """Turn the rows of one policy's stages into facts, in the order of deciding."""
    return tuple(
        stage_record(stage) for stage in sorted(stages, key=lambda each: (each.position, each.id))
    )


def stage_record(stage: Stage) -> StageRecord:
    """Turn a stage's row into facts."""
    return StageRecord(
        id=stage.id,
        position=stage.position,
        key=stage.key,
        name=stage.name,
        asks=str(stage.asks),
        role=Role(stage.role) if stage.role else None,
        people=tuple(UUID(person) for person in stage.people),
        group_id=stage.group_id,
        quorum=stage.quorum,
        due_min=stage.due_min,
        remind_min=stage.remind_min,
        escalate_to=stage.escalate_to,
    )


def policy_document(policy: PolicyRecord) -> dict[str, Any]:
    """Return what a policy says, whole: what its sha256 is taken over and its reviewers read."""
    return {
        "subject_kind": policy.subject_kind,
        "name": policy.name,
        "number": policy.number,
        "stages": [_stage_document(stage) for stage in policy.stages],
        "checklist": [
            {
                "key": item.key,
                "question": item.question,
                "guidance": item.guidance,
                "stage_key": item.stage_key,
            }
            for item in policy.checklist
        ],
        "calendar": dict(policy.calendar),
        "min_view_s": policy.min_view_s,
    }


def group_record(group: Group) -> GroupRecord:
    """Turn a group's row, with its present members, into facts."""
    return GroupRecord(
        id=group.id,
        brand_id=group.brand_id,
        name=group.name,
        created_by=group.created_by,
        created_at=group.created_at,
        members=frozenset(member.person_id for member in group.members.all()),
    )


def _stage_document(stage: StageRecord) -> dict[str, Any]:
    facts = {
        "position": stage.position,
        "key": stage.key,
        "name": stage.name,
        "asks": stage.asks,
        "role": stage.role.value if stage.role else None,
        "people": [str(person) for person in stage.people],
        "group_id": None if stage.group_id is None else str(stage.group_id),
        "quorum": stage.quorum,
        "due_min": stage.due_min,
        "remind_min": stage.remind_min,
        "escalate_to": stage.escalate_to or None,
    }
    # What is not said is left out: a fact of the ledger is never empty.
    return {name: fact for name, fact in facts.items() if fact is not None}


def _whole() -> QuerySet[Policy]:
    return Policy.objects.prefetch_related("stages", "checklist")


def _present() -> QuerySet[GroupMember]:
    return GroupMember.objects.filter(removed_at__isnull=True)


def _groups() -> QuerySet[Group]:
    return Group.objects.prefetch_related(Prefetch("members", _present()))
