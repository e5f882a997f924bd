"""Policies with their stages and checklists, and the groups that they name."""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.kernel.actors import SYSTEM
from governance.review.guards._governing import approved_by_review
from governance.tables.guards import (
    Guard,
    append_only,
    frozen,
    never_deleted,
    once,
    refuse_when,
)

# What a brand starts with: the first policy for what governs it, decided by a brand manager.
_FIRST_POLICY = (
    f"NEW.approved_by = '{SYSTEM.id.hex}' AND NEW.number = 1 AND NEW.min_view_s = 0 "
    "AND NEW.subject_kind IN ('review_policy', 'rule_set', 'scoring_policy') "
    "AND (SELECT COUNT(*) FROM review_stage WHERE policy_id = NEW.id) = 1 "
    "AND EXISTS (SELECT 1 FROM review_stage WHERE policy_id = NEW.id AND position = 1 "
    "AND asks = 'role' AND role = 'brand_manager')"
)


def _part_of_proposal(table: str) -> Guard:
    """Refuse a part that comes after the policy was put before its reviewers."""
    return refuse_when(
        f"{table}_of_proposal",
        table,
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_policy "
            "WHERE id = NEW.policy_id AND approved_by IS NOT NULL) "
            "OR EXISTS (SELECT 1 FROM review_subject WHERE id = NEW.policy_id)"
        ),
        message="a policy that is under review or approved gets no further parts",
        lock="NEW.policy_id::text",
    )


_POLICIES = (
    never_deleted("review_policy"),
    frozen(
        "review_policy",
        "id",
        "brand_id",
        "subject_kind",
        "name",
        "number",
        "calendar",
        "min_view_s",
        "sha256",
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
    *approved_by_review(
        "review_policy",
        "review_policy",
        otherwise=_FIRST_POLICY,
        # No case is opened meanwhile under the policy that this one takes the place of.
        lock="NEW.brand_id::text || ' ' || NEW.subject_kind",
    ),
    refuse_when(
        "review_policy_has_stages",
        "review_policy",
        event="UPDATE",
        condition=(
            "NEW.approved_by IS NOT NULL AND (SELECT COUNT(DISTINCT position) FROM review_stage "
            "WHERE policy_id = NEW.id) <> (SELECT COALESCE(MAX(position), -1) FROM review_stage "
            "WHERE policy_id = NEW.id)"
        ),
        message="a policy is approved with stages from 1, without a gap",
        lock="NEW.id::text",
    ),
    append_only("review_stage"),
    once("review_stage_once", "review_stage", ("policy_id", "key"), "a stage has its key once"),
    _part_of_proposal("review_stage"),
    refuse_when(
        "review_stage_group_of_brand",
        "review_stage",
        event="INSERT",
        condition=(
            "NEW.group_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM review_group g "
            "JOIN review_policy p ON p.brand_id = g.brand_id "
            "WHERE g.id = NEW.group_id AND p.id = NEW.policy_id)"
        ),
        message="a stage asks a group of the policy's own brand",
    ),
    append_only("review_checklistitem"),
    once(
        "review_checklistitem_once",
        "review_checklistitem",
        ("policy_id", "key"),
        "a question has its key once",
    ),
    _part_of_proposal("review_checklistitem"),
)

_GROUPS = (
    append_only("review_group"),
    once("review_group_once", "review_group", ("brand_id", "name"), "a group has its name once"),
    never_deleted("review_groupmember"),
    frozen("review_groupmember", "id", "created_at", "group_id", "person_id", "added_by"),
    refuse_when(
        "review_groupmember_once",
        "review_groupmember",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_groupmember m WHERE m.group_id = NEW.group_id "
            "AND m.person_id = NEW.person_id AND m.removed_at IS NULL)"
        ),
        message="a person is in a group once",
        lock="NEW.group_id::text",
    ),
    refuse_when(
        "review_groupmember_removed_once",
        "review_groupmember",
        event="UPDATE",
        condition=(
            "OLD.removed_at IS NOT NULL AND (OLD.removed_at IS DISTINCT FROM NEW.removed_at "
            "OR OLD.removed_by IS DISTINCT FROM NEW.removed_by)"
        ),
        message="whoever left a group is added anew",
    ),
)

_PINS = (
    append_only("review_pin"),
    once("review_pin_once", "review_pin", ("case_id", "name"), "a version is pinned once"),
    refuse_when(
        "review_pin_of_open_case",
        "review_pin",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_case WHERE id = NEW.case_id AND state = 'open')"
        ),
        message="a case pins its versions when it is opened",
    ),
)

GUARDS = (*_POLICIES, *_GROUPS, *_PINS)
