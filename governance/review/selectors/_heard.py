"""What people said about subjects, without who: for reports that compare it with scores."""

from collections.abc import Iterable
from uuid import UUID

from governance.review.models import Case, Decision
from governance.review.records import Heard


def heard_about(subject_ids: Iterable[UUID]) -> dict[UUID, Heard]:
    """Return what became of each subject that has a case, in two queries; no name leaves here.

    The caller has checked the actor. Where a case was voided and another opened, the latest counts
    for the state; the first decision is the first of all.
    """
    wanted = list(subject_ids)
    firsts: dict[UUID, Decision] = {}
    decisions = Decision.objects.filter(subject_id__in=wanted).only(
        "id", "subject_id", "verdict", "created_at"
    )
    for decision in decisions.order_by("created_at", "id"):
        firsts.setdefault(decision.subject_id, decision)
    cases = Case.objects.filter(subject_id__in=wanted).order_by("id")
    found: dict[UUID, Heard] = {}
    for subject_id, state, break_glass_id in cases.values_list(
        "subject_id", "state", "approval__break_glass_id"
    ):
        first = firsts.get(subject_id)
        found[subject_id] = Heard(
            state=str(state),
            first_verdict=None if first is None else str(first.verdict),
            decided_at=None if first is None else first.created_at,
            is_emergency=break_glass_id is not None,
        )
    return found
