"""What the database refuses about licences: a changed word, a silent agreement, a second one."""

from governance.tables.guards import frozen, never_deleted, once, refuse_when

_TABLE = "licences_licence"

GUARDS = (
    never_deleted(_TABLE),
    frozen(
        _TABLE,
        "id",
        "created_at",
        "identifier",
        "number",
        "name",
        "text",
        "text_sha256",
        "purposes",
        "obligations",
        "revenue_limit",
        "revenue_currency",
        "proposed_by",
    ),
    once(
        "licences_licence_once",
        _TABLE,
        ("identifier", "number"),
        "a version of a licence has its number alone",
    ),
    refuse_when(
        "licences_licence_opens_proposed",
        _TABLE,
        event="INSERT",
        condition="NEW.approved_by IS NOT NULL OR NEW.retired_at IS NOT NULL",
        message="a licence begins as a proposal",
    ),
    refuse_when(
        "licences_licence_agreed_once",
        _TABLE,
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NOT NULL AND (OLD.approved_by IS DISTINCT FROM NEW.approved_by "
            "OR OLD.approved_at IS DISTINCT FROM NEW.approved_at)"
        ),
        message="an agreement is final",
    ),
    refuse_when(
        "licences_licence_agreement_recorded",
        _TABLE,
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL "
            "AND (OLD.retired_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM ledger_entry l "
            "WHERE l.subject_id = NEW.id AND l.event = 'licences.licence.agreed' "
            "AND l.actor_id = NEW.approved_by))"
        ),
        message="an agreement is recorded, and to a licence that is not retired",
    ),
    refuse_when(
        "licences_licence_retired_once",
        _TABLE,
        event="UPDATE",
        condition=(
            "OLD.retired_at IS NOT NULL AND (OLD.retired_at IS DISTINCT FROM NEW.retired_at "
            "OR OLD.retired_by IS DISTINCT FROM NEW.retired_by)"
        ),
        message="a retired licence stays retired",
    ),
)

# People put licences on record, in web.
WRITERS = {_TABLE: frozenset({"reviewer"})}
