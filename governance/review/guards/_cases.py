"""Cases, whose turn it is, who is asked, who looks: bound to each other and to the policy."""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.review.outcomes import APPROVING
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

APPROVES = f"IN ({', '.join(repr(verdict) for verdict in APPROVING)})"


def hexes(column: str) -> str:
    """Return the SQL of an id, or of a text with one, without dashes: the same on both vendors."""
    return f"REPLACE(CAST({column} AS TEXT), '-', '')"


def lacks_quorum(stages: str, *, case: str, policy: str, sha256: str) -> str:
    """Return the SQL that one of `stages` lacks its different, uninvolved approvers."""
    return (
        f"EXISTS (SELECT 1 FROM review_stage s WHERE s.policy_id = {policy} AND {stages} "
        "AND s.quorum > (SELECT COUNT(DISTINCT d.reviewer_id) FROM review_decision d "
        f"WHERE d.case_id = {case} AND d.stage_id = s.id AND d.sha256 = {sha256} "
        f"AND d.verdict {APPROVES} AND NOT EXISTS (SELECT 1 FROM review_contribution c "
        "WHERE c.subject_id = d.subject_id AND c.actor_id = d.reviewer_id)))"
    )


_OPEN_TURN = "EXISTS (SELECT 1 FROM review_turn t WHERE t.id = NEW.turn_id AND t.closed_at IS NULL)"
# The stage that is asked, or one that it can be escalated to, or whoever the turn was given to.
_AUDIENCE = (
    "EXISTS (SELECT 1 FROM review_turn t JOIN review_case k ON k.id = t.case_id "
    "JOIN review_stage s ON s.policy_id = k.policy_id WHERE t.id = NEW.turn_id "
    "AND (s.id = t.stage_id OR s.key IN (SELECT e.escalate_to FROM review_stage e "
    "WHERE e.policy_id = k.policy_id AND e.escalate_to <> '')) "
    "AND ((s.asks = 'role' AND NEW.audience = 'role:' || s.role) "
    f"OR (s.asks = 'group' AND {hexes('NEW.audience')} = 'group:' || {hexes('s.group_id')}) "
    "OR (s.asks = 'people' AND SUBSTR(NEW.audience, 1, 7) = 'person:' "
    f"AND {hexes('s.people')} LIKE '%' || SUBSTR({hexes('NEW.audience')}, 8) || '%'))) "
    "OR EXISTS (SELECT 1 FROM review_assignment a WHERE a.turn_id = NEW.turn_id "
    f"AND {hexes('NEW.audience')} = 'person:' || {hexes('a.person_id')})"
)
_OF_ITS_CASE = (
    "EXISTS (SELECT 1 FROM review_turn t JOIN review_case k ON k.id = t.case_id "
    "WHERE t.id = NEW.turn_id AND k.brand_id = NEW.brand_id AND k.risk = NEW.risk)"
)
_HAD_A_PART = (
    "EXISTS (SELECT 1 FROM review_turn t JOIN review_case k ON k.id = t.case_id "
    "JOIN review_contribution c ON c.subject_id = k.subject_id "
    "WHERE t.id = NEW.turn_id AND c.actor_id = NEW.person_id)"
)
_CASE_SUBJECT = "(SELECT k.subject_id::text FROM review_case k WHERE k.id = NEW.case_id)"

_CASES = (
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
        "risk",
        "market",
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
            + lacks_quorum(
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

_TURNS = (
    never_deleted("review_turn"),
    frozen("review_turn", "id", "case_id", "stage_id", "due_at", "created_at"),
    once("review_turn_once", "review_turn", ("case_id", "stage_id"), "a stage has one turn"),
    refuse_when(
        "review_turn_of_present_stage",
        "review_turn",
        event="INSERT",
        condition=(
            "NEW.closed_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM review_case k "
            "JOIN review_stage s ON s.policy_id = k.policy_id AND s.position = k.stage_position "
            "WHERE k.id = NEW.case_id AND k.state = 'open' AND s.id = NEW.stage_id)"
        ),
        message="a turn opens for a present stage of an open case",
        lock=_CASE_SUBJECT,
    ),
    refuse_when(
        "review_turn_stays_closed",
        "review_turn",
        event="UPDATE",
        condition="OLD.closed_at IS NOT NULL",
        message="a closed turn stays as it is",
    ),
    refuse_when(
        "review_turn_closes_when_done",
        "review_turn",
        event="UPDATE",
        condition=(
            "NEW.closed_at IS NOT NULL AND OLD.closed_at IS NULL "
            "AND EXISTS (SELECT 1 FROM review_case k WHERE k.id = NEW.case_id "
            "AND k.state = 'open' AND "
            + lacks_quorum(
                "s.id = NEW.stage_id", case="k.id", policy="k.policy_id", sha256="k.sha256"
            )
            + ")"
        ),
        message="a turn closes with its quorum, or with its case",
    ),
)

_SEATS = (
    never_deleted("review_seat"),
    frozen(
        "review_seat",
        "id",
        "turn_id",
        "brand_id",
        "audience",
        "risk",
        "due_at",
        "created_at",
    ),
    refuse_when(
        "review_seat_once",
        "review_seat",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_seat WHERE turn_id = NEW.turn_id "
            "AND audience = NEW.audience AND closed_at IS NULL)"
        ),
        message="an audience has one seat in a turn",
    ),
    refuse_when(
        "review_seat_in_open_turn",
        "review_seat",
        event="INSERT",
        condition=f"NEW.closed_at IS NOT NULL OR NOT ({_OPEN_TURN}) OR NOT ({_OF_ITS_CASE})",
        message="a seat is one in an open turn of its brand, with the case's risk",
    ),
    refuse_when(
        "review_seat_of_policy",
        "review_seat",
        event="INSERT",
        condition=f"NOT ({_AUDIENCE})",
        message="a seat is for whom the policy names, or whom the turn was given to",
    ),
    refuse_when(
        "review_seat_stays_closed",
        "review_seat",
        event="UPDATE",
        condition="OLD.closed_at IS NOT NULL",
        message="a closed seat stays closed",
    ),
)

_CLAIMS = (
    never_deleted("review_claim"),
    frozen("review_claim", "id", "turn_id", "person_id", "created_at"),
    once(
        "review_claim_once",
        "review_claim",
        ("turn_id", "person_id"),
        "a person has one claim on a turn",
    ),
    refuse_when(
        "review_claim_on_open_turn",
        "review_claim",
        event="INSERT",
        condition=f"NOT ({_OPEN_TURN})",
        message="only an open turn is claimed",
    ),
)

_ASSIGNMENTS = (
    append_only("review_assignment"),
    refuse_when(
        "review_assignment_of_open_turn",
        "review_assignment",
        event="INSERT",
        condition=f"NOT ({_OPEN_TURN})",
        message="only an open turn is given to somebody",
    ),
    refuse_when(
        "review_assignment_to_uninvolved",
        "review_assignment",
        event="INSERT",
        condition=_HAD_A_PART,
        message="nobody is given a review of what they contributed to",
    ),
)

GUARDS = (*_CASES, *_TURNS, *_SEATS, *_CLAIMS, *_ASSIGNMENTS)
