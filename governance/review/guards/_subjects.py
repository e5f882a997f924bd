"""Subjects, who had a part in them, and who saw them: facts that never change."""

from governance.tables.guards import (
    append_only,
    composite_key,
    once,
    refuse_when,
)

SUBJECT_LOCK = "NEW.subject_id::text"

GUARDS = (
    append_only("review_subject"),
    refuse_when(
        "review_subject_after_parent",
        "review_subject",
        event="INSERT",
        condition=(
            "NEW.parent_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM review_subject p "
            "WHERE p.id = NEW.parent_id AND p.kind = NEW.kind AND p.brand_id = NEW.brand_id)"
        ),
        message="a subject comes after one of its own kind and brand",
    ),
    append_only("review_contribution"),
    once(
        "review_contribution_once",
        "review_contribution",
        ("subject_id", "actor_id", "part"),
        "a contribution is named once",
    ),
    append_only("review_delivery"),
    composite_key("review_delivery", ("subject_id", "sha256"), "review_subject", ("id", "sha256")),
    refuse_when(
        "review_contribution_after_deciding",
        "review_contribution",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_decision d "
            "WHERE d.subject_id = NEW.subject_id AND d.reviewer_id = NEW.actor_id)"
        ),
        message="who has decided on a subject cannot contribute to it afterwards",
        lock=SUBJECT_LOCK,
    ),
)
