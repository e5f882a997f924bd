"""What the database refuses about refusals: to forget one, to judge one's own, to judge twice.

Guards that must not pass each other take one lock, the refusal's id. Who had a part in what was
refused stands in the review's contributions, beside the requester and whoever refused it.
"""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.refusals.states import APPEAL, OVERRIDABLE_BY
from governance.tables.guards import (
    append_only,
    frozen,
    never_deleted,
    once,
    only_moves,
    refuse_when,
)

_REFUSAL_LOCK = "NEW.refusal_id::text"
_STAGES = ", ".join(f"'{stage}'" for stage in sorted(OVERRIDABLE_BY))
_BY_ONE_WITH_A_PART = (
    "EXISTS (SELECT 1 FROM refusals_refusal r WHERE r.id = NEW.refusal_id "
    "AND (r.requester_id = NEW.decided_by OR r.decided_by = NEW.decided_by "
    "OR EXISTS (SELECT 1 FROM review_contribution c "
    "WHERE c.subject_id = r.subject_id AND c.actor_id = NEW.decided_by)))"
)

APPEAL_GUARDS = (
    never_deleted("refusals_appeal"),
    frozen(
        "refusals_appeal",
        "id",
        "created_at",
        "refusal_id",
        "brand_id",
        "appellant_id",
        "argument",
    ),
    only_moves("refusals_appeal_moves", "refusals_appeal", APPEAL, "an appeal cannot go there"),
    refuse_when(
        "refusals_appeal_starts_open",
        "refusals_appeal",
        event="INSERT",
        condition="NEW.state <> 'open'",
        message="an appeal starts open",
    ),
    refuse_when(
        "refusals_appeal_by_requester",
        "refusals_appeal",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM refusals_refusal r WHERE r.id = NEW.refusal_id "
            "AND r.requester_id = NEW.appellant_id AND r.brand_id = NEW.brand_id)"
        ),
        message="whoever was refused appeals, and nobody else",
    ),
    refuse_when(
        "refusals_appeal_of_a_judgement",
        "refusals_appeal",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM refusals_refusal r WHERE r.id = NEW.refusal_id "
            f"AND r.stage IN ({_STAGES}))"
        ),
        message="only the refusal of a prompt or an image is appealed",
    ),
    refuse_when(
        "refusals_appeal_only_one",
        "refusals_appeal",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM refusals_appeal a "
            "WHERE a.refusal_id = NEW.refusal_id AND a.state <> 'withdrawn')"
        ),
        message="a refusal is appealed once",
        lock=_REFUSAL_LOCK,
    ),
    refuse_when(
        "refusals_appeal_before_override",
        "refusals_appeal",
        event="INSERT",
        condition="EXISTS (SELECT 1 FROM refusals_override WHERE refusal_id = NEW.refusal_id)",
        message="what is overridden needs no appeal",
        lock=_REFUSAL_LOCK,
    ),
    refuse_when(
        "refusals_appeal_closed_for_good",
        "refusals_appeal",
        event="UPDATE",
        condition="OLD.state <> 'open'",
        message="a closed appeal stays as it is",
    ),
    refuse_when(
        "refusals_appeal_by_contributor",
        "refusals_appeal",
        event="UPDATE",
        condition=f"NEW.decided_by IS NOT NULL AND {_BY_ONE_WITH_A_PART}",
        message="nobody decides on the refusal of what they had a part in",
    ),
    refuse_when(
        "refusals_appeal_overturned_by_override",
        "refusals_appeal",
        event="UPDATE",
        condition=(
            "(NEW.state = 'overturned') <> EXISTS (SELECT 1 FROM refusals_override o "
            "WHERE o.appeal_id = NEW.id AND o.decided_by = COALESCE(NEW.decided_by, NEW.id))"
        ),
        message="an appeal is overturned by its override",
    ),
)

OVERRIDE_GUARDS = (
    append_only("refusals_override"),
    once(
        "refusals_override_once",
        "refusals_override",
        ("refusal_id",),
        "a refusal is overridden once",
    ),
    refuse_when(
        "refusals_override_of_a_judgement",
        "refusals_override",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM refusals_refusal r WHERE r.id = NEW.refusal_id "
            f"AND r.stage IN ({_STAGES}) "
            "AND (r.stage = 'prompt') = (NEW.valid_until IS NOT NULL))"
        ),
        message="only a prompt, for a time, or an image is overridden",
    ),
    refuse_when(
        "refusals_override_by_contributor",
        "refusals_override",
        event="INSERT",
        condition=_BY_ONE_WITH_A_PART,
        message="nobody overrides the refusal of what they had a part in",
    ),
    refuse_when(
        "refusals_override_heeds_the_appeal",
        "refusals_override",
        event="INSERT",
        # Without an appeal there is nothing to heed; with one, it is open and named.
        condition=(
            "COALESCE(NEW.appeal_id, NEW.refusal_id) <> COALESCE((SELECT a.id "
            "FROM refusals_appeal a WHERE a.refusal_id = NEW.refusal_id "
            "AND a.state <> 'withdrawn'), NEW.refusal_id) "
            "OR EXISTS (SELECT 1 FROM refusals_appeal a "
            "WHERE a.refusal_id = NEW.refusal_id AND a.state IN ('upheld', 'overturned'))"
        ),
        message="an override answers the open appeal, and none that was decided",
        lock=_REFUSAL_LOCK,
    ),
    refuse_when(
        "refusals_override_recorded",
        "refusals_override",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.id = NEW.entry_id "
            "AND e.event = 'refusals.override.recorded' AND e.subject_id = NEW.refusal_id "
            "AND e.actor_id = NEW.decided_by)"
        ),
        message="an override names the ledger entry of that very act",
    ),
)

PASS_GUARDS = (
    append_only("refusals_passuse"),
    once("refusals_passuse_once", "refusals_passuse", ("override_id",), "a pass is used once"),
    once(
        "refusals_passuse_of_one_order",
        "refusals_passuse",
        ("order_id",),
        "an order uses one pass",
    ),
    refuse_when(
        "refusals_passuse_of_a_standing_pass",
        "refusals_passuse",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM refusals_override o WHERE o.id = NEW.override_id "
            "AND o.valid_until IS NOT NULL AND o.valid_until > NEW.created_at)"
        ),
        message="only an override of a prompt lets an order pass, in its time",
    ),
)

GUARDS = (append_only("refusals_refusal"), *APPEAL_GUARDS, *OVERRIDE_GUARDS, *PASS_GUARDS)

# People appeal and decide over web, and their orders use a pass there; whoever stops something
# records that.
WRITERS = {
    "refusals_appeal": frozenset({"reviewer"}),
    "refusals_override": frozenset({"reviewer"}),
    "refusals_passuse": frozenset({"reviewer"}),
}
CHANGERS = {
    f"refusals_appeal.{column}": frozenset({"reviewer"})
    for column in ("state", "decided_by", "reason", "closed_at")
}
