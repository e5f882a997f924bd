"""Decisions with their answers and conditions, and the approvals that rest on them."""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.review.guards._cases import APPROVES, hexes, lacks_quorum
from governance.review.guards._subjects import SUBJECT_LOCK
from governance.tables.guards import (
    append_only,
    composite_key,
    once,
    refuse_when,
)

_REVIEWER = hexes("NEW.reviewer_id")
# A role is the application's to check; people and groups the database knows itself.
_IS_SEATED = (
    "EXISTS (SELECT 1 FROM review_seat p JOIN review_turn t ON t.id = p.turn_id "
    "WHERE t.case_id = NEW.case_id AND t.stage_id = NEW.stage_id AND t.closed_at IS NULL "
    "AND p.closed_at IS NULL AND (SUBSTR(p.audience, 1, 5) = 'role:' "
    f"OR {hexes('p.audience')} = 'person:' || {_REVIEWER} "
    "OR EXISTS (SELECT 1 FROM review_groupmember m WHERE m.person_id = NEW.reviewer_id "
    "AND m.removed_at IS NULL "
    f"AND {hexes('p.audience')} = 'group:' || {hexes('m.group_id')})))"
)
_ITEMS = "review_checklistitem i ON i.policy_id = d.policy_id AND i.stage_key IN ('', s.key)"

_DECISIONS = (
    append_only("review_decision"),
    composite_key(
        "review_decision",
        ("case_id", "subject_id", "sha256", "policy_id"),
        "review_case",
        ("id", "subject_id", "sha256", "policy_id"),
    ),
    composite_key(
        "review_decision", ("stage_id", "policy_id"), "review_stage", ("id", "policy_id")
    ),
    once(
        "review_decision_once",
        "review_decision",
        ("case_id", "reviewer_id"),
        "a reviewer decides a case once",
    ),
    refuse_when(
        "review_decision_by_contributor",
        "review_decision",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_contribution c "
            "WHERE c.subject_id = NEW.subject_id AND c.actor_id = NEW.reviewer_id)"
        ),
        message="nobody decides on what they contributed to",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_decision_on_open_stage",
        "review_decision",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_case k JOIN review_stage s ON s.id = NEW.stage_id "
            "JOIN review_turn t ON t.case_id = k.id AND t.stage_id = s.id "
            "WHERE k.id = NEW.case_id AND k.state = 'open' AND s.position = k.stage_position "
            "AND t.closed_at IS NULL)"
        ),
        message="a decision belongs to an open turn at the present stage of an open case",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_decision_by_asked",
        "review_decision",
        event="INSERT",
        condition=f"NOT ({_IS_SEATED})",
        message="only whoever is asked decides",
        lock=SUBJECT_LOCK,
    ),
    composite_key(
        "review_decision",
        ("delivery_id", "subject_id", "sha256", "reviewer_id"),
        "review_delivery",
        ("id", "subject_id", "sha256", "person_id"),
    ),
    refuse_when(
        "review_decision_was_seen",
        "review_decision",
        event="INSERT",
        condition="NEW.delivery_id IS NULL OR NEW.authenticated_at IS NULL",
        message="a decision names the delivery that it rests on, and when the person signed in",
    ),
    refuse_when(
        "review_decision_takes_time",
        "review_decision",
        event="INSERT",
        condition=(
            "NEW.seen_s < COALESCE((SELECT p.min_view_s FROM review_policy p "
            "WHERE p.id = NEW.policy_id), 0)"
        ),
        message="the policy asks for a longer look",
    ),
)

_ANSWERS = (
    append_only("review_answer"),
    composite_key(
        "review_answer", ("decision_id", "policy_id"), "review_decision", ("id", "policy_id")
    ),
    composite_key(
        "review_answer", ("item_id", "policy_id"), "review_checklistitem", ("id", "policy_id")
    ),
    once(
        "review_answer_once",
        "review_answer",
        ("decision_id", "item_id"),
        "a decision answers an item once",
    ),
    refuse_when(
        "review_answer_with_decision",
        "review_answer",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_decision d JOIN review_case k ON k.id = d.case_id "
            "WHERE d.id = NEW.decision_id AND k.state = 'open')"
        ),
        message="answers come with their decision, while the case is open",
    ),
)

_CONDITIONS = (
    append_only("review_conditionmet"),
    once(
        "review_conditionmet_once",
        "review_conditionmet",
        ("decision_id",),
        "changes are confirmed once",
    ),
    refuse_when(
        "review_conditionmet_by_another",
        "review_conditionmet",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_decision d JOIN review_case k ON k.id = d.case_id "
            "WHERE d.id = NEW.decision_id AND d.verdict = 'approve_with_changes' "
            "AND k.state = 'approved' AND k.requested_by <> NEW.confirmed_by "
            "AND NOT EXISTS (SELECT 1 FROM review_contribution c "
            "WHERE c.subject_id = d.subject_id AND c.actor_id = NEW.confirmed_by))"
        ),
        message="the changes of an approval are confirmed by somebody who had no part in it",
    ),
)

_APPROVALS = (
    append_only("review_approval"),
    composite_key(
        "review_approval",
        ("case_id", "subject_id", "sha256", "policy_id"),
        "review_case",
        ("id", "subject_id", "sha256", "policy_id"),
    ),
    composite_key("review_approval", ("entry_id",), "ledger_entry", ("id",)),
    once("review_approval_once", "review_approval", ("case_id",), "a case has one approval"),
    once(
        "review_approval_own_entry",
        "review_approval",
        ("entry_id",),
        "an approval has a ledger entry of its own",
    ),
    refuse_when(
        "review_approval_of_open_case",
        "review_approval",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_case WHERE id = NEW.case_id AND state = 'open')"
        ),
        message="only an open case is approved",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_approval_quorum",
        "review_approval",
        event="INSERT",
        condition=(
            # What a break-glass must be for that, its own guard says.
            "NEW.break_glass_id IS NULL AND ("
            # The case's own policy, not the row's: a row cannot choose a laxer one.
            "NOT EXISTS (SELECT 1 FROM review_stage s JOIN review_case k "
            "ON k.policy_id = s.policy_id WHERE k.id = NEW.case_id) OR "
            + lacks_quorum(
                "1 = 1",
                case="NEW.case_id",
                policy="(SELECT k.policy_id FROM review_case k WHERE k.id = NEW.case_id)",
                sha256="NEW.sha256",
            )
            + ")"
        ),
        message="every stage needs its quorum of different people who had no part in the subject",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_approval_no_objection",
        "review_approval",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_decision d "
            f"WHERE d.case_id = NEW.case_id AND NOT d.verdict {APPROVES})"
        ),
        message="a case that somebody turned down is not approved",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_approval_checklist",
        "review_approval",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_decision d JOIN review_stage s ON s.id = d.stage_id "
            f"JOIN {_ITEMS} WHERE d.case_id = NEW.case_id AND d.verdict {APPROVES} "
            "AND NOT EXISTS (SELECT 1 FROM review_answer a WHERE a.decision_id = d.id "
            "AND a.item_id = i.id AND a.answer <> 'no'))"
        ),
        message="each who approved answered the whole checklist, and nothing with no",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_approval_entry",
        "review_approval",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.id = NEW.entry_id "
            "AND e.event = 'review.case.approved' AND e.subject_id = NEW.subject_id)"
        ),
        message="an approval names the ledger entry of that very act",
    ),
)

GUARDS = (*_DECISIONS, *_ANSWERS, *_CONDITIONS, *_APPROVALS)
