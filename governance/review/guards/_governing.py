"""What governs a brand comes into force by the approval of its review case, and by nothing else."""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.tables.guards import Guard, after_insert, refuse_when

# Whoever decided last; where an emergency shortened the way, whoever confirmed it.
_DECIDER = (
    "COALESCE((SELECT b.confirmed_by FROM review_breakglass b WHERE b.id = NEW.break_glass_id), "
    "(SELECT d.reviewer_id FROM review_decision d WHERE d.case_id = NEW.case_id "
    "AND d.verdict IN ('approve', 'approve_with_changes') "
    "ORDER BY d.created_at DESC, d.id DESC LIMIT 1))"
)


def approved_by_review(
    table: str, kind: str, *, otherwise: str = "1 = 0", lock: str | None = None
) -> tuple[Guard, ...]:
    """Bind `approved_by` of a table of proposals to the approval of exactly that content.

    The table has `id`, which is its subject's too, `brand_id` and `sha256`; `kind` is the
    subject's. The approval itself puts the version in force, whichever way it came about.
    `otherwise` is a condition on NEW under which no approval is needed; `lock` as in `refuse_when`.
    """
    return (
        after_insert(
            f"{table}_approved_with_case",
            "review_approval",
            statement=(
                f"UPDATE {table} SET approved_by = {_DECIDER}, approved_at = NEW.created_at "
                "WHERE id = NEW.subject_id AND sha256 = NEW.sha256 AND approved_by IS NULL "
                "AND EXISTS (SELECT 1 FROM review_subject s "
                f"WHERE s.id = NEW.subject_id AND s.kind = '{kind}')"
            ),
        ),
        refuse_when(
            f"{table}_approved_by_review",
            table,
            event="UPDATE",
            condition=(
                "OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL "
                f"AND NOT ({_is_approved(kind)}) AND NOT ({otherwise})"
            ),
            message="a version is approved by the review of exactly its content",
            lock=lock,
        ),
    )


def _is_approved(kind: str) -> str:
    """Return the SQL that a review approved NEW's content, and that NEW names who decided."""
    return (
        "EXISTS (SELECT 1 FROM review_approval a JOIN review_subject s ON s.id = a.subject_id "
        "WHERE a.subject_id = NEW.id AND a.sha256 = NEW.sha256 "
        f"AND s.kind = '{kind}' AND s.brand_id = NEW.brand_id "
        "AND (EXISTS (SELECT 1 FROM review_decision d WHERE d.case_id = a.case_id "
        "AND d.reviewer_id = NEW.approved_by "
        "AND d.verdict IN ('approve', 'approve_with_changes')) "
        "OR EXISTS (SELECT 1 FROM review_breakglass b WHERE b.id = a.break_glass_id "
        "AND b.confirmed_by = NEW.approved_by)))"
    )
