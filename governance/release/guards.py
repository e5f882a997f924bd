"""What the database refuses about a release: the gate between a review and everything that leaves.

A release names an approval of exactly its reviewed bytes, the case still stands, and the approval's
ledger entry lies under a signed checkpoint: proof before publish.
"""

from governance.tables.guards import after_insert, append_only, composite_key, once, refuse_when

_CASE_OF_RELEASE = "(SELECT case_id::text FROM review_approval WHERE id = NEW.approval_id)"

GUARDS = (
    # A queue and no proof: it keeps the search for what is to be released as short as the queue.
    after_insert(
        "release_due_with_approval",
        "review_approval",
        statement=(
            "INSERT INTO release_due (approval_id, case_id) SELECT NEW.id, NEW.case_id "
            "FROM review_subject s WHERE s.id = NEW.subject_id AND s.kind = 'asset'"
        ),
    ),
    append_only("release_release"),
    once(
        "release_release_once",
        "release_release",
        ("approval_id",),
        "an approval is released once",
    ),
    composite_key(
        "release_release",
        ("approval_id", "subject_id", "reviewed_sha256"),
        "review_approval",
        ("id", "subject_id", "sha256"),
    ),
    composite_key(
        "release_release",
        ("subject_id", "reviewed_sha256", "brand_id"),
        "review_subject",
        ("id", "sha256", "brand_id"),
    ),
    refuse_when(
        "release_release_case_stands",
        "release_release",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_approval a JOIN review_case k ON k.id = a.case_id "
            "WHERE a.id = NEW.approval_id AND k.state <> 'approved')"
        ),
        message="only a case that stands approved is released",
        lock=_CASE_OF_RELEASE,
    ),
    refuse_when(
        "release_release_is_asset",
        "release_release",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_subject s "
            "WHERE s.id = NEW.subject_id AND s.kind <> 'asset')"
        ),
        message="only an asset is released",
    ),
    refuse_when(
        "release_release_proven",
        "release_release",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM review_approval a WHERE a.id = NEW.approval_id "
            "AND NOT EXISTS (SELECT 1 FROM ledger_leaf l WHERE l.entry_id = a.entry_id "
            "AND l.seq < (SELECT COALESCE(MAX(size), 0) FROM ledger_checkpoint)))"
        ),
        message="the approval is not yet under a signed checkpoint",
    ),
    # A case that became a release is not voided any more: the release is withdrawn instead.
    refuse_when(
        "review_case_void_before_release",
        "review_case",
        event="UPDATE",
        condition=(
            "NEW.state = 'voided' AND EXISTS (SELECT 1 FROM release_release r "
            "JOIN review_approval a ON a.id = r.approval_id WHERE a.case_id = NEW.id)"
        ),
        message="a released case is withdrawn, not voided",
        lock="CASE WHEN NEW.state = 'voided' THEN NEW.id::text END",
    ),
    append_only("release_passport", key="release_id"),
    append_only("release_withdrawal"),
    refuse_when(
        "release_withdrawal_once",
        "release_withdrawal",
        event="INSERT",
        condition="EXISTS (SELECT 1 FROM release_withdrawal WHERE release_id = NEW.release_id)",
        message="a release is withdrawn once",
        # Publications of the release take the same lock: none passes a withdrawal unseen.
        lock="'release:' || NEW.release_id",
    ),
)

# The publisher alone releases; people take back over web.
WRITERS = {
    "release_release": frozenset({"publisher"}),
    "release_passport": frozenset({"publisher"}),
    "release_withdrawal": frozenset({"reviewer"}),
    # Filled by the trigger on approvals.
    "release_due": frozenset({"reviewer"}),
}
CHANGERS = {"release_due": frozenset({"publisher", "sequencer"})}
