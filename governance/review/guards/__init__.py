"""What the database refuses about a review, whoever asks: the gate's lower half.

The keys go decision, approval → case → subject, each with the sha256, so that no row can speak of
other bytes. Guards that must not pass each other take one lock, the subject's id. On SQLite a
REPLACE removes rows through any unique index without asking the delete triggers, so each unique key
has its own refusal on insert.
"""

from governance.review.guards import (
    _break_glass,
    _cases,
    _decisions,
    _exhibits,
    _policies,
    _subjects,
    _threads,
)
from governance.review.guards._exhibits import filed_before_approval
from governance.review.guards._governing import approved_by_review

__all__ = ["CHANGERS", "GUARDS", "WRITERS", "approved_by_review", "filed_before_approval"]

GUARDS = (
    *_subjects.GUARDS,
    *_policies.GUARDS,
    *_cases.GUARDS,
    *_decisions.GUARDS,
    *_threads.GUARDS,
    *_break_glass.GUARDS,
    *_exhibits.GUARDS,
)

# People decide over web. The worker names what it made and opens its case, with the first turn;
# the relay sees to turns that are over.
WRITERS = (
    {
        table: frozenset({"reviewer"})
        for table in (
            "review_annotation",
            "review_answer",
            "review_approval",
            "review_assignment",
            "review_breakglass",
            "review_checklistitem",
            "review_claim",
            "review_conditionmet",
            "review_decision",
            "review_delivery",
            "review_exhibit",
            "review_group",
            "review_groupmember",
            "review_policy",
            "review_reply",
            "review_resolution",
            "review_stage",
        )
    }
    | {
        table: frozenset({"app", "reviewer"})
        for table in ("review_case", "review_contribution", "review_pin", "review_subject")
    }
    | {
        table: frozenset({"app", "reviewer", "sequencer"})
        for table in ("review_seat", "review_turn")
    }
)
CHANGERS = {
    "review_breakglass": frozenset({"reviewer"}),
    # The relay notes that it raised the alarm.
    "review_breakglass.overdue_at": frozenset({"sequencer"}),
    "review_case": frozenset({"reviewer"}),
} | {table: frozenset({"reviewer", "sequencer"}) for table in ("review_seat", "review_turn")}
