"""What the database refuses of brands: a changed version, one that no review approved.

On SQLite a REPLACE removes rows through any unique index without asking the delete triggers, so
each unique key has its own refusal on insert.
"""

from governance.review.guards import approved_by_review, filed_before_approval
from governance.tables import guards
from governance.tables.guards import Guard


def _proposed_version(table: str, kind: str, *columns: str) -> tuple[Guard, ...]:
    """Guard a numbered version: its content is fixed, its review approves it, once and for all."""
    return (
        guards.never_deleted(table),
        guards.frozen(table, "id", "brand_id", "number", *columns, "proposed_by", "created_at"),
        guards.once(
            f"{table}_once", table, ("brand_id", "number"), "a version's number is taken once"
        ),
        guards.refuse_when(
            f"{table}_starts_open",
            table,
            event="INSERT",
            condition="NEW.approved_by IS NOT NULL OR NEW.approved_at IS NOT NULL",
            message="a version is proposed first and approved by a later act",
        ),
        guards.refuse_when(
            f"{table}_approved_once",
            table,
            event="UPDATE",
            condition=(
                "OLD.approved_by IS NOT NULL AND "
                "(OLD.approved_by IS DISTINCT FROM NEW.approved_by "
                "OR OLD.approved_at IS DISTINCT FROM NEW.approved_at)"
            ),
            message="an approval is final",
        ),
        *approved_by_review(table, kind),
    )


GUARDS = (
    guards.never_deleted("brands_brand"),
    guards.frozen("brands_brand", "id", "slug", "created_at"),
    guards.once("brands_brand_once", "brands_brand", ("slug",), "a slug is taken once"),
    *_proposed_version("brands_ruleset", "rule_set", "rules", "sha256"),
    *_proposed_version(
        "brands_scoringpolicy", "scoring_policy", "advisory", "thresholds", "sections", "sha256"
    ),
    filed_before_approval("brands_scoringpolicy", "backtest"),
)

# People propose and decide over web; an approval there puts a version in force.
WRITERS = {
    table: frozenset({"reviewer"})
    for table in ("brands_brand", "brands_ruleset", "brands_scoringpolicy")
}
