"""What is filed with a subject stays, and what needs a filed document is not approved without."""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.review.guards._subjects import SUBJECT_LOCK
from governance.review.states import NEEDED
from governance.tables.guards import Guard, append_only, composite_key, refuse_when


def is_filed(subject: str, sha256: str, exhibit: str) -> str:
    """Return the SQL that a document of that kind is filed for exactly these bytes."""
    return (
        f"EXISTS (SELECT 1 FROM review_exhibit x WHERE x.subject_id = {subject} "
        f"AND x.sha256 = {sha256} AND x.kind = '{exhibit}')"
    )


_LACKS = " OR ".join(
    f"(EXISTS (SELECT 1 FROM review_subject s WHERE s.id = NEW.subject_id AND s.kind = '{kind}') "
    f"AND NOT {is_filed('NEW.subject_id', 'NEW.sha256', exhibit)})"
    for kind, exhibit in sorted(NEEDED.items())
)


def filed_before_approval(table: str, exhibit: str) -> Guard:
    """Refuse to put a version of `table` in force before that document is filed for its content.

    The table has `id`, which is its subject's too, and `sha256`.
    """
    return refuse_when(
        f"{table}_with_{exhibit}",
        table,
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL "
            f"AND NOT {is_filed('NEW.id', 'NEW.sha256', exhibit)}"
        ),
        message=f"a version is approved with a {exhibit} of exactly its content on file",
    )


GUARDS = (
    append_only("review_exhibit"),
    composite_key(
        "review_exhibit",
        ("subject_id", "sha256", "brand_id"),
        "review_subject",
        ("id", "sha256", "brand_id"),
    ),
    refuse_when(
        "review_exhibit_of_open_case",
        "review_exhibit",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_case k WHERE k.subject_id = NEW.subject_id "
            "AND k.state = 'open')"
        ),
        message="a document is filed while the review of its subject is open",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_approval_with_exhibit",
        "review_approval",
        event="INSERT",
        condition=_LACKS,
        message="what needs a filed document is not approved without it",
        lock=SUBJECT_LOCK,
    ),
)
