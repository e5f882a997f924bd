"""Reads of reviews, scoped to the actor: what is listed is what the table permits one by one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review.models import (
    STAGE_ROLES,
    Approval,
    Case,
    Contribution,
    Decision,
    Policy,
    Stage,
    Subject,
)
from governance.review.records import (
    ApprovalRecord,
    CaseRecord,
    CaseStage,
    GivenDecision,
    PolicyRecord,
    StageRecord,
)
from governance.review.states import CaseState
from governance.sealing import services as sealing

MAX_PAGE = 200
REASON_PURPOSE = "review.decision.reason"
VOID_PURPOSE = "review.case.void_reason"


class NoPolicy(DomainError):
    """The brand has no approved review policy for that kind: nothing of it can be reviewed."""

    code = "no_review_policy"
    status = 409


def current_policy(brand_id: UUID, subject_kind: str) -> PolicyRecord:
    """Return the latest approved policy. Raises: NoPolicy."""
    policy = (
        Policy.objects.filter(
            brand_id=brand_id, subject_kind=subject_kind, approved_by__isnull=False
        )
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


def get_policy(actor: Actor, policy_id: UUID) -> PolicyRecord:
    """Return one policy version of a brand that the actor may see. Raises: NotFound."""
    policy = Policy.objects.filter(id=policy_id).first()
    if policy is None or not _may_see_brand(actor, policy.brand_id):
        raise NotFound(_("There is no such review policy."))
    return policy_record(policy)


def list_policies(
    actor: Actor, brand_id: UUID, subject_kind: str | None = None
) -> tuple[PolicyRecord, ...]:
    """Return the policy versions of a brand that the actor may see, newest first."""
    if not _may_see_brand(actor, brand_id):
        return ()
    policies = Policy.objects.filter(brand_id=brand_id).prefetch_related("stages")
    if subject_kind is not None:
        policies = policies.filter(subject_kind=subject_kind)
    return tuple(policy_record(policy) for policy in policies.order_by("-id"))


def get_case(actor: Actor, case_id: UUID) -> CaseRecord:
    """Return a case with what was decided and why. Raises: NotFound."""
    case = _related(visible_cases(actor)).filter(id=case_id).first()
    if case is None:
        raise NotFound(_("There is no such review case."))
    return _case_records([case], with_reasons=True)[0]


def list_cases(
    actor: Actor,
    brand_id: UUID | None = None,
    state: str | None = None,
    *,
    decidable: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[CaseRecord, ...]:
    """Return up to `limit` cases that the actor may see, newest first, without reasons.

    With `decidable`, only those that wait for this actor's decision, oldest first.
    `after` is the id of the last case of the page before.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(
            _("A page has between 1 and %(max)s cases.") % {"max": MAX_PAGE},
            pointer="/limit",
            rule="range",
        )
    cases = visible_cases(actor)
    if brand_id is not None:
        cases = cases.filter(brand_id=brand_id)
    if state is not None:
        if state not in CaseState.values:
            raise InvalidInput(
                _("A review case is never “%(state)s”.") % {"state": state},
                pointer="/state",
                rule="enum",
            )
        cases = cases.filter(state=state)
    if decidable:
        cases = _decidable(cases, actor).order_by("id")
        cases = cases if after is None else cases.filter(id__gt=after)
    else:
        cases = cases.order_by("-id")
        cases = cases if after is None else cases.filter(id__lt=after)
    return _case_records(list(_related(cases)[:limit]), with_reasons=False)


def find_case_for_subject(subject_id: UUID) -> CaseRecord | None:
    """Return the subject's latest case, without reasons; for callers that answer for the access."""
    case = _related(Case.objects.filter(subject_id=subject_id)).order_by("-id").first()
    return None if case is None else _case_records([case], with_reasons=False)[0]


def find_cases_for_subjects(subject_ids: Iterable[UUID]) -> dict[UUID, CaseRecord]:
    """Return each subject's latest case by subject id, without reasons, in three queries."""
    cases = _related(Case.objects.filter(subject_id__in=list(subject_ids))).order_by("id")
    return {record.subject.id: record for record in _case_records(list(cases), with_reasons=False)}


def states_of(case_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the state of each of these cases; for our own processes."""
    return dict(Case.objects.filter(id__in=list(case_ids)).values_list("id", "state"))


def get_approval(*, case_id: UUID | None = None, approval_id: UUID | None = None) -> ApprovalRecord:
    """Return an approval by its own id or its case's. Raises: NotFound."""
    if (case_id is None) == (approval_id is None):
        message = "name the case or the approval"
        raise TypeError(message)
    approvals = Approval.objects.select_related("case")
    wanted = Q(case_id=case_id) if approval_id is None else Q(id=approval_id)
    approval = approvals.filter(wanted).first()
    if approval is None:
        raise NotFound(_("There is no such approval."))
    return _approval_record(approval)


def find_approval(subject_id: UUID) -> ApprovalRecord | None:
    """Return the approval of the subject's bytes that still stands, or None."""
    approval = (
        Approval.objects.select_related("case")
        .filter(subject_id=subject_id, case__state=CaseState.APPROVED)
        .first()
    )
    return None if approval is None else _approval_record(approval)


def find_subject(subject_id: UUID) -> SubjectRef | None:
    """Return the subject's kind, bytes and brand, or None."""
    subject = Subject.objects.filter(id=subject_id).first()
    return None if subject is None else subject_ref(subject)


def contributors(subject_id: UUID) -> frozenset[UUID]:
    """Return everybody who had a part in the subject."""
    return frozenset(
        Contribution.objects.filter(subject_id=subject_id).values_list("actor_id", flat=True)
    )


def contributed_to(actor_id: UUID, subject_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of the subjects in which that person had a part."""
    return frozenset(
        Contribution.objects.filter(
            actor_id=actor_id, subject_id__in=list(subject_ids)
        ).values_list("subject_id", flat=True)
    )


def visible_cases(actor: Actor) -> QuerySet[Case]:
    """Return the cases that `may_see` answers yes for, as rows."""
    if permits.may_everywhere(actor, Permission.REVIEW_CASE_READ):
        return Case.objects.all()
    return Case.objects.filter(
        Q(brand_id__in=permits.brands_where(actor, Permission.REVIEW_CASE_READ))
        | Q(
            brand_id__in=permits.brands_where_own(actor, Permission.REVIEW_CASE_READ),
            requested_by=actor.id,
        )
    )


def may_see(actor: Actor, case: Case) -> bool:
    """Tell whether the actor may read this case."""
    context = Context(brand_id=case.brand_id, owner_id=case.requested_by)
    return permits.may(actor, Permission.REVIEW_CASE_READ, context)


def policy_record(policy: Policy) -> PolicyRecord:
    """Turn a policy row into facts."""
    stages = sorted(policy.stages.all(), key=lambda stage: stage.position)
    return PolicyRecord(
        id=policy.id,
        brand_id=policy.brand_id,
        subject_kind=policy.subject_kind,
        name=policy.name,
        number=policy.number,
        stages=tuple(
            StageRecord(stage.id, stage.position, stage.name, Role(stage.role), stage.quorum)
            for stage in stages
        ),
        proposed_by=policy.proposed_by,
        created_at=policy.created_at,
        approved_by=policy.approved_by,
        approved_at=policy.approved_at,
    )


def case_record(case: Case) -> CaseRecord:
    """Turn one case row into facts, without reasons."""
    return _case_records([case], with_reasons=False)[0]


def subject_ref(subject: Subject) -> SubjectRef:
    """Turn a subject row into governance's name for it."""
    return SubjectRef(
        kind=subject.kind, id=subject.id, brand_id=subject.brand_id, sha256=subject.sha256
    )


def _may_see_brand(actor: Actor, brand_id: UUID) -> bool:
    return permits.may(actor, Permission.BRANDS_BRAND_READ, Context(brand_id=brand_id))


def _decidable(cases: QuerySet[Case], actor: Actor) -> QuerySet[Case]:
    """Narrow to the open cases whose present stage this actor may still decide."""
    roles: dict[Role, list[UUID]] = defaultdict(list)
    for brand_id in actor.roles:
        for role in STAGE_ROLES:
            context = Context(brand_id=brand_id, stage_role=role)
            if permits.may(actor, Permission.REVIEW_CASE_DECIDE, context):
                roles[role].append(brand_id)
    if not roles:
        return cases.none()
    waits_for_actor = Q()
    for role, brand_ids in roles.items():
        stage = Stage.objects.filter(
            policy_id=OuterRef("policy_id"), position=OuterRef("stage_position"), role=role.value
        )
        waits_for_actor |= Q(Exists(stage), brand_id__in=brand_ids)
    part = Contribution.objects.filter(subject_id=OuterRef("subject_id"), actor_id=actor.id)
    decided = Decision.objects.filter(case_id=OuterRef("pk"), reviewer_id=actor.id)
    return cases.filter(
        waits_for_actor, ~Exists(part), ~Exists(decided), state=CaseState.OPEN
    ).exclude(requested_by=actor.id)


def _related(cases: QuerySet[Case]) -> QuerySet[Case]:
    return cases.select_related("subject", "policy", "approval").prefetch_related(
        "policy__stages", "decisions"
    )


def _case_records(cases: list[Case], *, with_reasons: bool) -> tuple[CaseRecord, ...]:
    return tuple(_one_case_record(case, with_reasons=with_reasons) for case in cases)


def _one_case_record(case: Case, *, with_reasons: bool) -> CaseRecord:
    said: Mapping[UUID, list[Decision]] = defaultdict(list)
    for decision in sorted(case.decisions.all(), key=lambda decision: decision.id):
        said[decision.stage_id].append(decision)
    stages = tuple(
        CaseStage(
            id=stage.id,
            position=stage.position,
            name=stage.name,
            role=Role(stage.role),
            quorum=stage.quorum,
            decisions=tuple(_given(one, with_reason=with_reasons) for one in said[stage.id]),
        )
        for stage in sorted(case.policy.stages.all(), key=lambda stage: stage.position)
    )
    approval = getattr(case, "approval", None)
    is_open = case.state == CaseState.OPEN
    return CaseRecord(
        id=case.id,
        state=str(case.state),
        subject=subject_ref(case.subject),
        title=case.title,
        brand_id=case.brand_id,
        policy_id=case.policy_id,
        policy_number=case.policy.number,
        pins=dict(case.pins),
        stage=stages[case.stage_position - 1] if is_open else None,
        stages=stages,
        requested_by=case.requested_by,
        opened_at=case.created_at,
        closed_at=case.closed_at,
        void_reason=(
            sealing.reveal(sealed=bytes(case.void_reason), purpose=VOID_PURPOSE)
            if with_reasons and case.void_reason is not None
            else None
        ),
        approval_id=None if approval is None else approval.id,
    )


def _given(decision: Decision, *, with_reason: bool) -> GivenDecision:
    sealed = decision.reason if with_reason else None
    return GivenDecision(
        id=decision.id,
        reviewer_id=decision.reviewer_id,
        verdict=str(decision.verdict),
        reason=None
        if sealed is None
        else sealing.reveal(sealed=bytes(sealed), purpose=REASON_PURPOSE),
        created_at=decision.created_at,
    )


def _approval_record(approval: Approval) -> ApprovalRecord:
    return ApprovalRecord(
        id=approval.id,
        case_id=approval.case_id,
        subject_id=approval.subject_id,
        brand_id=approval.case.brand_id,
        sha256=approval.sha256,
        entry_id=approval.entry_id,
        policy_id=approval.policy_id,
        created_at=approval.created_at,
    )
