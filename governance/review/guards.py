"""What the database refuses about a review, whoever asks: the gate's lower half.

The keys go decision, approval → case → subject, each with the sha256, so that no row can speak of
other bytes. Guards that must not pass each other take one lock, the subject's id. On SQLite a
REPLACE removes rows through any unique index without asking the delete triggers, so each unique key
has its own refusal on insert.
"""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.review.states import REVIEW_CASE, CaseState
from governance.tables.guards import (
    append_only,
    composite_key,
    frozen,
    never_deleted,
    once,
    only_moves,
    refuse_when,
)

_SUBJECT_LOCK = "NEW.subject_id::text"


def _lacks_quorum(stages: str, *, case: str, policy: str, sha256: str) -> str:
    """Return the SQL that one of `stages` lacks its different, uninvolved approvers."""
    return (
        f"EXISTS (SELECT 1 FROM review_stage s WHERE s.policy_id = {policy} AND {stages} "
        "AND s.quorum > (SELECT COUNT(DISTINCT d.reviewer_id) FROM review_decision d "
        f"WHERE d.case_id = {case} AND d.stage_id = s.id AND d.sha256 = {sha256} "
        "AND d.verdict = 'approve' AND NOT EXISTS (SELECT 1 FROM review_contribution c "
        "WHERE c.subject_id = d.subject_id AND c.actor_id = d.reviewer_id)))"
    )


SUBJECT_GUARDS = (
    append_only("review_subject"),
    append_only("review_contribution"),
    once(
        "review_contribution_once",
        "review_contribution",
        ("subject_id", "actor_id", "part"),
        "a contribution is named once",
    ),
    refuse_when(
        "review_contribution_after_deciding",
        "review_contribution",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_decision d "
            "WHERE d.subject_id = NEW.subject_id AND d.reviewer_id = NEW.actor_id)"
        ),
        message="who has decided on a subject cannot contribute to it afterwards",
        lock=_SUBJECT_LOCK,
    ),
)

POLICY_GUARDS = (
    never_deleted("review_policy"),
    frozen(
        "review_policy",
        "id",
        "brand_id",
        "subject_kind",
        "name",
        "number",
        "proposed_by",
        "created_at",
    ),
    once(
        "review_policy_once",
        "review_policy",
        ("brand_id", "subject_kind", "number"),
        "a policy's number is taken once",
    ),
    refuse_when(
        "review_policy_starts_proposed",
        "review_policy",
        event="INSERT",
        condition="NEW.approved_by IS NOT NULL",
        message="a policy starts as a proposal",
    ),
    refuse_when(
        "review_policy_approved_once",
        "review_policy",
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NOT NULL AND (NEW.approved_by IS NULL "
            "OR NEW.approved_by <> OLD.approved_by OR NEW.approved_at <> OLD.approved_at)"
        ),
        message="an approved policy stays as it was approved",
    ),
    refuse_when(
        "review_policy_has_stages",
        "review_policy",
        event="UPDATE",
        condition=(
            "NEW.approved_by IS NOT NULL AND (SELECT COUNT(*) FROM review_stage "
            "WHERE policy_id = NEW.id) <> (SELECT COALESCE(MAX(position), -1) FROM review_stage "
            "WHERE policy_id = NEW.id)"
        ),
        message="a policy is approved with stages from 1, without a gap",
        lock="NEW.id::text",
    ),
    append_only("review_stage"),
    once(
        "review_stage_once",
        "review_stage",
        ("policy_id", "position"),
        "a stage's position is taken once",
    ),
    refuse_when(
        "review_stage_of_proposal",
        "review_stage",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_policy "
            "WHERE id = NEW.policy_id AND approved_by IS NOT NULL)"
        ),
        message="an approved policy gets no further stages",
        lock="NEW.policy_id::text",
    ),
)

CASE_GUARDS = (
    never_deleted("review_case"),
    frozen(
        "review_case",
        "id",
        "subject_id",
        "sha256",
        "brand_id",
        "policy_id",
        "pins",
        "title",
        "requested_by",
        "created_at",
    ),
    composite_key(
        "review_case",
        ("subject_id", "sha256", "brand_id"),
        "review_subject",
        ("id", "sha256", "brand_id"),
    ),
    refuse_when(
        "review_case_only_one",
        "review_case",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_case "
            "WHERE subject_id = NEW.subject_id AND state <> 'voided')"
        ),
        message="the subject already has a case",
    ),
    refuse_when(
        "review_case_starts_open",
        "review_case",
        event="INSERT",
        condition=f"NEW.state <> '{CaseState.OPEN.value}' OR NEW.stage_position <> 1",
        message="a case starts open, at its first stage",
    ),
    refuse_when(
        "review_case_policy",
        "review_case",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_policy p JOIN review_subject s "
            "ON s.id = NEW.subject_id WHERE p.id = NEW.policy_id AND p.brand_id = s.brand_id "
            "AND p.subject_kind = s.kind AND p.approved_by IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM review_policy newer WHERE newer.brand_id = p.brand_id "
            "AND newer.subject_kind = p.subject_kind AND newer.approved_by IS NOT NULL "
            "AND newer.number > p.number))"
        ),
        message="a case is opened under the latest approved policy of its brand and kind",
    ),
    only_moves("review_case_moves", "review_case", REVIEW_CASE, "a case cannot go to that state"),
    refuse_when(
        "review_case_approved_by_approval",
        "review_case",
        event="UPDATE",
        condition=(
            "NEW.state = 'approved' AND OLD.state <> 'approved' "
            "AND NOT EXISTS (SELECT 1 FROM review_approval WHERE case_id = NEW.id)"
        ),
        message="a case is approved by its approval",
    ),
    refuse_when(
        "review_case_stage_by_stage",
        "review_case",
        event="UPDATE",
        condition=(
            "NEW.stage_position <> OLD.stage_position "
            "AND (NEW.stage_position <> OLD.stage_position + 1 OR "
            + _lacks_quorum(
                "s.position = OLD.stage_position",
                case="NEW.id",
                policy="NEW.policy_id",
                sha256="NEW.sha256",
            )
            + ")"
        ),
        message="a case goes to the next stage when the present one has its quorum",
    ),
)

DECISION_GUARDS = (
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
        lock=_SUBJECT_LOCK,
    ),
    refuse_when(
        "review_decision_on_open_stage",
        "review_decision",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_case k JOIN review_stage s ON s.id = NEW.stage_id "
            "WHERE k.id = NEW.case_id AND k.state = 'open' AND s.position = k.stage_position)"
        ),
        message="a decision belongs to the present stage of an open case",
        lock=_SUBJECT_LOCK,
    ),
)

APPROVAL_GUARDS = (
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
        lock=_SUBJECT_LOCK,
    ),
    refuse_when(
        "review_approval_quorum",
        "review_approval",
        event="INSERT",
        condition=(
            # The case's own policy, not the row's: a row cannot choose a laxer one.
            "NOT EXISTS (SELECT 1 FROM review_stage s JOIN review_case k "
            "ON k.policy_id = s.policy_id WHERE k.id = NEW.case_id) OR "
            + _lacks_quorum(
                "1 = 1",
                case="NEW.case_id",
                policy="(SELECT k.policy_id FROM review_case k WHERE k.id = NEW.case_id)",
                sha256="NEW.sha256",
            )
        ),
        message="every stage needs its quorum of different people who had no part in the subject",
        lock=_SUBJECT_LOCK,
    ),
    refuse_when(
        "review_approval_no_objection",
        "review_approval",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_decision d "
            "WHERE d.case_id = NEW.case_id AND d.verdict <> 'approve')"
        ),
        message="a case that somebody turned down is not approved",
        lock=_SUBJECT_LOCK,
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

GUARDS = (*SUBJECT_GUARDS, *POLICY_GUARDS, *CASE_GUARDS, *DECISION_GUARDS, *APPROVAL_GUARDS)
