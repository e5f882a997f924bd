"""A profile's pins cannot change: a changed folder is a new version with its own approval."""

from governance.tables import guards

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
)

WRITERS = {"registry_modelprofile": frozenset({"reviewer"})}
