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
        "proposed_by",
    ),
)
