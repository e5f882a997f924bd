"""A pin cannot change: a changed folder is a new version with its own approval."""

from governance.tables import guards

_ADAPTER = "registry_adapter"
_ENDPOINT = "registry_engineendpoint"

GUARDS = (
    guards.never_deleted("registry_modelprofile"),
    guards.frozen(
        "registry_modelprofile",
        "slug",
        "number",
        "pipeline",
        "folder",
        "snapshot_sha256",
        "dtype",
        "device",
        "parameters",
        "scorers",
        "is_calibrated",
        "licence",
        "licence_id",
        "proposed_by",
    ),
    # A key to the licence, of new rows: older ones have none, and it can neither change nor go.
    guards.refuse_when(
        "registry_modelprofile_licence_on_record",
        "registry_modelprofile",
        event="INSERT",
        condition="NOT EXISTS (SELECT 1 FROM licences_licence l WHERE l.id = NEW.licence_id)",
        message="a model profile names a licence on record",
    ),
    guards.never_deleted(_ADAPTER),
    guards.frozen(
        _ADAPTER,
        "id",
        "created_at",
        "slug",
        "number",
        "name",
        "kind",
        "family",
        "folder",
        "snapshot_sha256",
        "files",
        "trigger_words",
        "training_record",
        "training_record_sha256",
        "licence",
        "licence_id",
        "proposed_by",
    ),
    guards.once(
        "registry_adapter_once",
        _ADAPTER,
        ("slug", "number"),
        "a version of an adapter has its number alone",
    ),
    guards.refuse_when(
        "registry_adapter_opens_proposed",
        _ADAPTER,
        event="INSERT",
        condition="NEW.approved_by IS NOT NULL OR NEW.retired_at IS NOT NULL",
        message="an adapter begins as a proposal",
    ),
    guards.refuse_when(
        "registry_adapter_licence_on_record",
        _ADAPTER,
        event="INSERT",
        condition="NOT EXISTS (SELECT 1 FROM licences_licence l WHERE l.id = NEW.licence_id)",
        message="an adapter names a licence on record",
    ),
    guards.refuse_when(
        "registry_adapter_approved_once",
        _ADAPTER,
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NOT NULL AND (OLD.approved_by IS DISTINCT FROM NEW.approved_by "
            "OR OLD.approved_at IS DISTINCT FROM NEW.approved_at)"
        ),
        message="an approval is final",
    ),
    guards.refuse_when(
        "registry_adapter_approval_recorded",
        _ADAPTER,
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL "
            "AND (OLD.retired_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM ledger_entry l "
            "WHERE l.subject_id = NEW.id AND l.event = 'registry.adapter.approved' "
            "AND l.actor_id = NEW.approved_by))"
        ),
        message="an approval is recorded, and of an adapter that is not retired",
    ),
    guards.refuse_when(
        "registry_adapter_retired_once",
        _ADAPTER,
        event="UPDATE",
        condition=("OLD.retired_at IS NOT NULL AND OLD.retired_at IS DISTINCT FROM NEW.retired_at"),
        message="a retired adapter stays retired",
    ),
    guards.never_deleted("registry_scorerprofile"),
    guards.frozen(
        "registry_scorerprofile",
        "id",
        "created_at",
        "scorer",
        "number",
        "title",
        "kind",
        "version",
        "folder",
        "snapshot_sha256",
        "settings",
        "higher_is",
        "low",
        "high",
        "inputs",
        "cost_ms",
        "licence",
        "licence_id",
        "proposed_by",
    ),
    guards.refuse_when(
        "registry_scorerprofile_licence_on_record",
        "registry_scorerprofile",
        event="INSERT",
        condition="NOT EXISTS (SELECT 1 FROM licences_licence l WHERE l.id = NEW.licence_id)",
        message="a registered scorer names a licence on record",
    ),
    guards.once(
        "registry_scorerprofile_once",
        "registry_scorerprofile",
        ("scorer", "number"),
        "a version of a scorer has its number alone",
    ),
    guards.refuse_when(
        "registry_scorerprofile_opens_proposed",
        "registry_scorerprofile",
        event="INSERT",
        condition="NEW.approved_by IS NOT NULL OR NEW.retired_at IS NOT NULL",
        message="a scorer begins as a proposal",
    ),
    guards.refuse_when(
        "registry_scorerprofile_approval_recorded",
        "registry_scorerprofile",
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL "
            "AND (OLD.retired_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM ledger_entry l "
            "WHERE l.subject_id = NEW.id AND l.event = 'registry.scorer.approved' "
            "AND l.actor_id = NEW.approved_by))"
        ),
        message="an approval is recorded, and of a scorer that is not retired",
    ),
    guards.refuse_when(
        "registry_scorerprofile_licence_agreed",
        "registry_scorerprofile",
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL AND NOT EXISTS "
            "(SELECT 1 FROM licences_licence l WHERE l.id = NEW.licence_id "
            "AND l.approved_by IS NOT NULL AND l.retired_at IS NULL)"
        ),
        message="a scorer is approved under a licence that is agreed",
    ),
    guards.refuse_when(
        "registry_scorerprofile_approved_once",
        "registry_scorerprofile",
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NOT NULL AND (OLD.approved_by IS DISTINCT FROM NEW.approved_by "
            "OR OLD.approved_at IS DISTINCT FROM NEW.approved_at)"
        ),
        message="an approval of a scorer is final",
    ),
    guards.refuse_when(
        "registry_scorerprofile_retired_once",
        "registry_scorerprofile",
        event="UPDATE",
        condition="OLD.retired_at IS NOT NULL AND OLD.retired_at IS DISTINCT FROM NEW.retired_at",
        message="a retired scorer stays retired",
    ),
    guards.append_only("registry_scorercard"),
    guards.never_deleted(_ENDPOINT),
    guards.frozen(
        _ENDPOINT,
        "id",
        "created_at",
        "slug",
        "number",
        "kind",
        "place",
        "url",
        "settings",
        "credential",
        "data_classes",
        "proposed_by",
    ),
    guards.once(
        "registry_engineendpoint_once",
        _ENDPOINT,
        ("slug", "number"),
        "a version of an endpoint has its number alone",
    ),
    guards.refuse_when(
        "registry_engineendpoint_opens_proposed",
        _ENDPOINT,
        event="INSERT",
        condition="NEW.approved_by IS NOT NULL OR NEW.retired_at IS NOT NULL",
        message="an endpoint begins as a proposal",
    ),
    guards.refuse_when(
        "registry_engineendpoint_approval_recorded",
        _ENDPOINT,
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL "
            "AND (OLD.retired_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM ledger_entry l "
            "WHERE l.subject_id = NEW.id AND l.event = 'registry.endpoint.approved' "
            "AND l.actor_id = NEW.approved_by))"
        ),
        message="an approval is recorded, and of an endpoint that is not retired",
    ),
    guards.refuse_when(
        "registry_engineendpoint_approved_once",
        _ENDPOINT,
        event="UPDATE",
        condition=(
            "OLD.approved_by IS NOT NULL AND (OLD.approved_by IS DISTINCT FROM NEW.approved_by "
            "OR OLD.approved_at IS DISTINCT FROM NEW.approved_at)"
        ),
        message="an approval of an endpoint is final",
    ),
    guards.refuse_when(
        "registry_engineendpoint_retired_once",
        _ENDPOINT,
        event="UPDATE",
        condition="OLD.retired_at IS NOT NULL AND OLD.retired_at IS DISTINCT FROM NEW.retired_at",
        message="a retired endpoint stays retired",
    ),
    # A profile names its endpoint as its pipeline; see records.ENDPOINT.
    guards.refuse_when(
        "registry_modelprofile_endpoint_approved",
        "registry_modelprofile",
        event="INSERT",
        condition=(
            "substr(NEW.pipeline, 1, 9) = 'endpoint:' AND NOT EXISTS "
            "(SELECT 1 FROM registry_engineendpoint e WHERE e.approved_by IS NOT NULL "
            "AND e.retired_at IS NULL "
            "AND 'endpoint:' || e.slug || '@' || CAST(e.number AS varchar(10)) = NEW.pipeline)"
        ),
        message="a model profile names an endpoint in use",
    ),
)

WRITERS = {
    "registry_modelprofile": frozenset({"reviewer"}),
    "registry_scorerprofile": frozenset({"reviewer"}),
    _ADAPTER: frozenset({"reviewer"}),
    _ENDPOINT: frozenset({"reviewer"}),
    # Where scorers run: in the worker, and in an operator's command.
    "registry_scorercard": frozenset({"app", "reviewer"}),
}
