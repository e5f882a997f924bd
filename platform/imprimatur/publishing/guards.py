"""The way out: only released bytes, only to an approved destination, with a receipt of those."""

from governance.tables import guards
from imprimatur.publishing.states import PUBLICATION

_RELEASE_LOCK = "'release:' || NEW.release_id"
_WITHDRAWN = "EXISTS (SELECT 1 FROM release_withdrawal w WHERE w.release_id = NEW.release_id)"
_DESTINATION_OPEN = (
    "NOT EXISTS (SELECT 1 FROM publishing_destination d WHERE d.id = NEW.destination_id "
    "AND d.approved_by IS NOT NULL AND d.retired_at IS NULL AND d.brand_id = NEW.brand_id)"
)
_OTHER_BRAND = (
    "NOT EXISTS (SELECT 1 FROM release_release r JOIN review_subject s ON s.id = r.subject_id "
    "WHERE r.id = NEW.release_id AND s.brand_id = NEW.brand_id)"
)
_CHANGES_OPEN = (
    "EXISTS (SELECT 1 FROM release_release r JOIN review_approval a ON a.id = r.approval_id "
    "JOIN review_decision d ON d.case_id = a.case_id WHERE r.id = NEW.release_id "
    "AND d.verdict = 'approve_with_changes' AND NOT EXISTS (SELECT 1 FROM review_conditionmet m "
    "WHERE m.decision_id = d.id))"
)
_GOES_OUT = "NEW.state IN ('delivering', 'published') AND NEW.state <> OLD.state"
_REMOVAL = (
    "NOT EXISTS (SELECT 1 FROM publishing_removal r WHERE r.publication_id = NEW.id "
    "AND r.sha256 = NEW.marked_sha256)"
)
_NOT_RECALLING = (
    "NOT EXISTS (SELECT 1 FROM publishing_publication p WHERE p.id = NEW.publication_id "
    "AND p.marked_sha256 = NEW.sha256 AND p.state = 'recalling')"
)
_ELSEWHERE = (
    "NOT EXISTS (SELECT 1 FROM publishing_destination d WHERE d.id = NEW.destination_id "
    "AND d.brand_id = NEW.brand_id)"
)
_RECEIPT = (
    "NOT EXISTS (SELECT 1 FROM publishing_receipt r WHERE r.publication_id = NEW.id "
    "AND r.sha256 = NEW.marked_sha256)"
)
_OTHER_BYTES = (
    "NOT EXISTS (SELECT 1 FROM publishing_publication p WHERE p.id = NEW.publication_id "
    "AND p.marked_sha256 = NEW.sha256 AND p.state = 'delivering')"
)

GUARDS = (
    guards.composite_key("publishing_destination", ("brand_id",), "brands_brand", ("id",)),
    guards.never_deleted("publishing_destination"),
    guards.once(
        "publishing_destination_once",
        "publishing_destination",
        ("brand_id", "slug"),
        "a destination keeps its name in its brand",
    ),
    guards.refuse_when(
        "publishing_destination_starts_proposed",
        "publishing_destination",
        event="INSERT",
        condition="NEW.approved_by IS NOT NULL",
        message="a destination starts as a proposal",
    ),
    guards.refuse_when(
        "publishing_destination_approved_once",
        "publishing_destination",
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NOT NULL AND (NEW.approved_by IS NULL "
            "OR NEW.approved_by <> OLD.approved_by OR NEW.approved_at <> OLD.approved_at)"
        ),
        message="an approved destination stays as it was approved",
    ),
    guards.refuse_when(
        "publishing_destination_stays_retired",
        "publishing_destination",
        event="UPDATE",
        condition=(
            "OLD.retired_at IS NOT NULL "
            "AND (NEW.retired_at IS NULL OR NEW.retired_at <> OLD.retired_at)"
        ),
        message="a retired destination stays closed",
    ),
    guards.frozen(
        "publishing_destination",
        "brand_id",
        "slug",
        "kind",
        "config",
        "credential_ref",
        "proposed_by",
    ),
    guards.composite_key(
        "publishing_publication",
        ("release_id", "marked_sha256"),
        "release_release",
        ("id", "marked_sha256"),
    ),
    guards.never_deleted("publishing_publication"),
    guards.frozen(
        "publishing_publication",
        "brand_id",
        "release_id",
        "marked_sha256",
        "destination_id",
        "rendition",
        "attempt",
        "requested_by",
    ),
    guards.refuse_when(
        "publishing_starts_pending",
        "publishing_publication",
        event="INSERT",
        condition="NEW.state <> 'pending'",
        message="a publication starts as pending",
    ),
    guards.refuse_when(
        "publishing_not_withdrawn",
        "publishing_publication",
        event="INSERT",
        condition=_WITHDRAWN,
        message="a withdrawn release is not published again",
        lock=_RELEASE_LOCK,
    ),
    guards.refuse_when(
        "publishing_not_withdrawn_later",
        "publishing_publication",
        event="UPDATE",
        condition=f"{_GOES_OUT} AND {_WITHDRAWN}",
        message="a withdrawn release is not delivered",
        # Only then: whoever holds the row for another reason must not wait for a withdrawal.
        lock=f"CASE WHEN {_GOES_OUT} THEN {_RELEASE_LOCK} END",
    ),
    guards.refuse_when(
        "publishing_recalled_when_withdrawn",
        "publishing_publication",
        event="UPDATE",
        condition=f"NEW.state = 'recalling' AND OLD.state <> 'recalling' AND NOT {_WITHDRAWN}",
        message="only a withdrawn release is recalled",
    ),
    guards.refuse_when(
        "publishing_has_removal",
        "publishing_publication",
        event="UPDATE",
        condition=f"NEW.state = 'recalled' AND OLD.state <> 'recalled' AND {_REMOVAL}",
        message="a recall is over only with the proof that the bytes are gone",
    ),
    guards.refuse_when(
        "publishing_changes_made",
        "publishing_publication",
        event="INSERT",
        condition=_CHANGES_OPEN,
        message="what an approval asked to be changed is confirmed before anything is published",
    ),
    guards.refuse_when(
        "publishing_destination_approved",
        "publishing_publication",
        event="INSERT",
        condition=_DESTINATION_OPEN,
        message="a publication goes to an approved destination of its own brand",
    ),
    guards.refuse_when(
        "publishing_same_brand",
        "publishing_publication",
        event="INSERT",
        condition=_OTHER_BRAND,
        message="a publication belongs to the brand of what was released",
    ),
    guards.only_moves(
        "publishing_publication_moves",
        "publishing_publication",
        PUBLICATION,
        "a publication cannot go to that state",
    ),
    guards.refuse_when(
        "publishing_has_receipt",
        "publishing_publication",
        event="UPDATE",
        condition=f"NEW.state = 'published' AND OLD.state <> 'published' AND {_RECEIPT}",
        message="a publication counts only with a receipt of its bytes",
    ),
    guards.once(
        "publishing_publication_once",
        "publishing_publication",
        ("release_id", "destination_id", "rendition", "attempt"),
        "a delivery is attempted once under each number",
    ),
    guards.append_only("publishing_receipt"),
    guards.once(
        "publishing_receipt_once",
        "publishing_receipt",
        ("publication_id",),
        "a publication has one receipt",
    ),
    guards.refuse_when(
        "publishing_receipt_same_bytes",
        "publishing_receipt",
        event="INSERT",
        condition=_OTHER_BYTES,
        message="a receipt is for the bytes of a publication that is being delivered",
    ),
    guards.append_only("publishing_removal"),
    guards.once(
        "publishing_removal_once",
        "publishing_removal",
        ("publication_id",),
        "a publication is removed once",
    ),
    guards.refuse_when(
        "publishing_removal_same_bytes",
        "publishing_removal",
        event="INSERT",
        condition=_NOT_RECALLING,
        message="a removal is of the bytes of a publication that is being recalled",
    ),
    guards.append_only("publishing_finding"),
    guards.refuse_when(
        "publishing_finding_same_brand",
        "publishing_finding",
        event="INSERT",
        condition=_ELSEWHERE,
        message="a finding belongs to the brand of its destination",
    ),
    guards.append_only("publishing_quarantine"),
    guards.once(
        "publishing_quarantine_once",
        "publishing_quarantine",
        ("finding_id",),
        "an object is put into quarantine once",
    ),
    guards.append_only("publishing_closure"),
    guards.once(
        "publishing_closure_once",
        "publishing_closure",
        ("finding_id",),
        "a finding is closed once",
    ),
)

# People name destinations, ask for publications and begin recalls over web; the publisher makes
# them and says what it found, and the relay notes when it hinted.
WRITERS = {
    "publishing_destination": frozenset({"reviewer"}),
    "publishing_publication": frozenset({"reviewer"}),
    "publishing_receipt": frozenset({"publisher"}),
    "publishing_removal": frozenset({"publisher"}),
    "publishing_finding": frozenset({"publisher"}),
    "publishing_quarantine": frozenset({"publisher"}),
    "publishing_closure": frozenset({"reviewer"}),
}
CHANGERS = {
    "publishing_publication": frozenset({"publisher"}),
    "publishing_publication.state": frozenset({"reviewer"}),
    "publishing_publication.tries": frozenset({"reviewer"}),
    "publishing_publication.failure": frozenset({"reviewer"}),
    "publishing_publication.lease_until": frozenset({"reviewer"}),
    "publishing_publication.hinted_at": frozenset({"reviewer", "sequencer"}),
}
