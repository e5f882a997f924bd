"""Reads of cases, decisions and approvals: what is listed is what the table permits one by one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.roles import Role
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review.models import Approval, Case, Claim, Decision, Pin, Seat, Stage, Turn
from governance.review.records import (
    ApprovalRecord,
    CaseRecord,
    CaseStage,
    ClaimRecord,
    GivenAnswer,
    GivenDecision,
    ItemRecord,
    PinnedCase,
)
from governance.review.selectors._asked import asked_in, asked_now, audiences_of
from governance.review.selectors._shared import (
    MAX_PAGE,
    NOTE_PURPOSE,
    REASON_PURPOSE,
    VOID_PURPOSE,
    contributors,
    subject_ref,
)
from governance.review.selectors._waiting import waiting_for
from governance.review.states import CaseState, Verdict
from governance.sealing import services as sealing


def get_case(actor: Actor, case_id: UUID) -> CaseRecord:
    """Return a case with what was decided and why. Raises: NotFound."""
    case = _whole(visible_cases(actor)).filter(id=case_id).first()
    if case is None:
        raise NotFound(_("There is no such review case."))
    return _case_records([case], whole=True)[0]


def list_cases(
    actor: Actor,
    brand_id: UUID | None = None,
    state: str | None = None,
    *,
    market: str | None = None,
    decidable: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[CaseRecord, ...]:
    """Return up to `limit` cases that the actor may see, newest first, without reasons.

    With `decidable`, only those that wait for this actor's decision, in the queue's order: the
    riskiest first, then what is due first. `after` is the id of the last case of the page before.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(
            _("A page has between 1 and %(max)s cases.") % {"max": MAX_PAGE},
            pointer="/limit",
            rule="range",
        )
    if state is not None and state not in CaseState.values:
        raise InvalidInput(
            _("A review case is never “%(state)s”.") % {"state": state},
            pointer="/state",
            rule="enum",
        )
    if decidable:
        if state not in {None, CaseState.OPEN}:
            return ()
        return _in_order(
            waiting_for(actor, brand_id=brand_id, market=market, after=after, limit=limit)
        )
    cases = visible_cases(actor)
    if brand_id is not None:
        cases = cases.filter(brand_id=brand_id)
    if state is not None:
        cases = cases.filter(state=state)
    if market is not None:
        cases = cases.filter(market=market)
    cases = cases.order_by("-id")
    cases = cases if after is None else cases.filter(id__lt=after)
    return _case_records(list(_related(cases)[:limit]), whole=False)


def next_case(
    actor: Actor, brand_id: UUID | None = None, market: str | None = None
) -> CaseRecord | None:
    """Return the case that the actor should decide next and nobody else looks at, or None."""
    found = waiting_for(actor, brand_id=brand_id, market=market, unclaimed=True)
    return _in_order(found)[0] if found else None


def find_case_for_subject(subject_id: UUID) -> CaseRecord | None:
    """Return the subject's latest case, without reasons; for callers that answer for the access."""
    case = _related(Case.objects.filter(subject_id=subject_id)).order_by("-id").first()
    return None if case is None else _case_records([case], whole=False)[0]


def find_cases_for_subjects(subject_ids: Iterable[UUID]) -> dict[UUID, CaseRecord]:
    """Return each subject's latest case by subject id, without reasons, in three queries."""
    cases = _related(Case.objects.filter(subject_id__in=list(subject_ids))).order_by("id")
    return {record.subject.id: record for record in _case_records(list(cases), whole=False)}


def cases_pinning(name: str, value: str) -> tuple[PinnedCase, ...]:
    """Return the open and approved cases that pin this version, oldest first; for our processes."""
    rows = Pin.objects.filter(
        name=name, value=value, case__state__in=[CaseState.OPEN, CaseState.APPROVED]
    ).order_by("case_id")
    return tuple(
        PinnedCase(*row)
        for row in rows.values_list(
            "case_id", "case__state", "case__subject__kind", "case__approval__id"
        )
    )


def states_of(case_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the state of each of these cases; for our own processes."""
    return dict(Case.objects.filter(id__in=list(case_ids)).values_list("id", "state"))


def approval_entries(approval_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Return the ledger entry of each of these approvals; for our own processes."""
    rows = Approval.objects.filter(id__in=list(approval_ids))
    return dict(rows.values_list("id", "entry_id"))


def open_conditions(approval_id: UUID) -> tuple[UUID, ...]:
    """Return the decisions of an approval whose changes nobody confirmed yet, oldest first."""
    decisions = Decision.objects.filter(
        case__approval__id=approval_id,
        verdict=Verdict.APPROVE_WITH_CHANGES,
        condition_met__isnull=True,
    )
    return tuple(decisions.order_by("id").values_list("id", flat=True))


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


def visible_cases(actor: Actor) -> QuerySet[Case]:
    """Return the cases that `may_see` answers yes for, as rows."""
    if permits.may_everywhere(actor, Permission.REVIEW_CASE_READ):
        return Case.objects.all()
    every = permits.brands_where(actor, Permission.REVIEW_CASE_READ)
    own = permits.brands_where_own(actor, Permission.REVIEW_CASE_READ)
    visible = Q(brand_id__in=every) | Q(brand_id__in=own, requested_by=actor.id)
    if actor.roles.keys() - every:
        visible |= _asked_or_decided(actor, every)
    return Case.objects.filter(visible)


def _asked_or_decided(actor: Actor, every: frozenset[UUID]) -> Q:
    """Return the cases of brands other than these in which the actor is asked, or has decided."""
    decided = Decision.objects.filter(reviewer_id=actor.id).values("case_id")
    found = Q(pk__in=[])
    for brand_id, asked in audiences_of(actor).items():
        if brand_id not in every:
            seats = Seat.objects.filter(brand_id=brand_id, audience__in=asked, closed_at=None)
            found |= Q(brand_id=brand_id, id__in=seats.values("turn__case_id"))
            found |= Q(brand_id=brand_id, id__in=decided)
    return found


def may_see(actor: Actor, case: Case) -> bool:
    """Tell whether the actor may read this case: also whoever is asked by name, or decided."""
    plain = Context(brand_id=case.brand_id, owner_id=case.requested_by)
    if permits.may(actor, Permission.REVIEW_CASE_READ, plain):
        return True
    asked = asked_now(case)
    people = asked.asked_people | set(case.decisions.values_list("reviewer_id", flat=True))
    return permits.may(actor, Permission.REVIEW_CASE_READ, replace(asked, asked_people=people))


def may_decide(actor: Actor, case: CaseRecord) -> bool:
    """Tell whether the actor is asked in an open stage of the case and had no part in it."""
    return bool(stages_for(actor, case))


def stages_for(actor: Actor, case: CaseRecord) -> tuple[CaseStage, ...]:
    """Return the open stages in which the actor may decide."""
    parts = contributors(case.subject.id) | {case.requested_by}
    return tuple(
        stage
        for stage in case.open_stages
        if permits.may(
            actor, Permission.REVIEW_CASE_DECIDE, asked_in(case.brand_id, parts, stage.asked)
        )
    )


def case_record(case: Case) -> CaseRecord:
    """Turn one case row into facts as it stands now, without reasons."""
    return _in_order([case.id])[0]


def _in_order(case_ids: Sequence[UUID]) -> tuple[CaseRecord, ...]:
    """Return these cases in the order in which they are named, without reasons."""
    found = {case.id: case for case in _related(Case.objects.filter(id__in=case_ids))}
    return _case_records([found[one] for one in case_ids if one in found], whole=False)


def _related(cases: QuerySet[Case]) -> QuerySet[Case]:
    return cases.select_related("subject", "policy", "approval").prefetch_related(
        "policy__stages",
        "decisions",
        Prefetch("turns", Turn.objects.filter(closed_at__isnull=True)),
        Prefetch("turns__seats", Seat.objects.filter(closed_at__isnull=True).order_by("id")),
        Prefetch("turns__claims", Claim.objects.filter(until__gt=Now()).order_by("id")),
    )


def _whole(cases: QuerySet[Case]) -> QuerySet[Case]:
    return _related(cases).prefetch_related(
        "policy__checklist", "decisions__answers__item", "decisions__condition_met"
    )


def _case_records(cases: list[Case], *, whole: bool) -> tuple[CaseRecord, ...]:
    return tuple(_one_case_record(case, whole=whole) for case in cases)


def _one_case_record(case: Case, *, whole: bool) -> CaseRecord:
    stages = _stages(case, whole=whole)
    approval = getattr(case, "approval", None)
    return CaseRecord(
        id=case.id,
        state=str(case.state),
        subject=subject_ref(case.subject),
        title=case.title,
        brand_id=case.brand_id,
        policy_id=case.policy_id,
        policy_number=case.policy.number,
        pins=dict(case.pins),
        stage=next((stage for stage in stages if stage.is_open), None),
        stages=stages,
        requested_by=case.requested_by,
        opened_at=case.created_at,
        closed_at=case.closed_at,
        void_reason=(
            sealing.reveal(sealed=bytes(case.void_reason), purpose=VOID_PURPOSE)
            if whole and case.void_reason is not None
            else None
        ),
        approval_id=None if approval is None else approval.id,
        risk=case.risk,
        market=case.market,
        checklist=tuple(
            ItemRecord(
                item.id, item.position, item.key, item.question, item.guidance, item.stage_key
            )
            for item in sorted(case.policy.checklist.all(), key=lambda item: item.position)
        )
        if whole
        else (),
    )


def _stages(case: Case, *, whole: bool) -> tuple[CaseStage, ...]:
    said: Mapping[UUID, list[Decision]] = defaultdict(list)
    for decision in sorted(case.decisions.all(), key=lambda decision: decision.id):
        said[decision.stage_id].append(decision)
    turns = {turn.stage_id: turn for turn in case.turns.all() if turn.closed_at is None}
    return tuple(
        _stage(
            stage,
            turns.get(stage.id),
            tuple(_given(one, whole=whole) for one in said[stage.id]),
        )
        for stage in sorted(case.policy.stages.all(), key=lambda stage: (stage.position, stage.key))
    )


def _stage(stage: Stage, turn: Turn | None, decisions: tuple[GivenDecision, ...]) -> CaseStage:
    return CaseStage(
        id=stage.id,
        position=stage.position,
        key=stage.key,
        name=stage.name,
        role=Role(stage.role) if stage.role else None,
        quorum=stage.quorum,
        decisions=decisions,
        is_open=turn is not None,
        due_at=None if turn is None else turn.due_at,
        asked=() if turn is None else tuple(seat.audience for seat in turn.seats.all()),
        assigned_to=None if turn is None else turn.assigned_to,
        escalations=0 if turn is None else turn.escalations,
        claims=()
        if turn is None
        else tuple(ClaimRecord(claim.person_id, claim.until) for claim in turn.claims.all()),
    )


def _given(decision: Decision, *, whole: bool) -> GivenDecision:
    said = GivenDecision(
        id=decision.id,
        reviewer_id=decision.reviewer_id,
        verdict=str(decision.verdict),
        reason=None,
        created_at=decision.created_at,
        seen_s=decision.seen_s,
    )
    return _with_words(said, decision) if whole else said


def _with_words(said: GivenDecision, decision: Decision) -> GivenDecision:
    condition = getattr(decision, "condition_met", None)
    return replace(
        said,
        reason=_revealed(decision.reason, REASON_PURPOSE),
        answers=tuple(
            GivenAnswer(
                answer.item.key,
                str(answer.answer),
                _revealed(answer.note, NOTE_PURPOSE),
            )
            for answer in sorted(decision.answers.all(), key=lambda each: each.item.position)
        ),
        confirmed_by=None if condition is None else condition.confirmed_by,
    )


def _revealed(sealed: bytes | memoryview | None, purpose: str) -> str | None:
    return None if sealed is None else sealing.reveal(sealed=bytes(sealed), purpose=purpose)


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
        break_glass_id=approval.break_glass_id,
    )
