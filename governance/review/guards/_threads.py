"""Annotations and their threads: said once, about bytes that are under review, never changed."""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.tables.guards import Guard, append_only, once, refuse_when


def _in_an_open_case(table: str, case: str, *, same: str = "") -> Guard:
    """Refuse a new row of a case that is closed: what was said about an older version stays."""
    return refuse_when(
        f"{table}_in_open_case",
        table,
        event="INSERT",
        condition=(
            f"NOT EXISTS (SELECT 1 FROM review_case k WHERE k.id = {case} "
            f"AND k.state = 'open'{same})"
        ),
        message="only an open case is annotated, on its own bytes",
    )


_CASE_OF_THREAD = "(SELECT a.case_id FROM review_annotation a WHERE a.id = NEW.annotation_id)"

GUARDS: tuple[Guard, ...] = (
    append_only("review_annotation"),
    _in_an_open_case(
        "review_annotation",
        "NEW.case_id",
        same=" AND k.subject_id = NEW.subject_id AND k.sha256 = NEW.sha256",
    ),
    append_only("review_reply"),
    _in_an_open_case("review_reply", _CASE_OF_THREAD),
    append_only("review_resolution"),
    _in_an_open_case("review_resolution", _CASE_OF_THREAD),
    once(
        "review_resolution_once",
        "review_resolution",
        ("annotation_id",),
        "a thread is resolved once",
    ),
)
