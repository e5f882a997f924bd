"""An asset is the bytes that its subject names, of a blob that is kept; neither it nor its scores change."""

from governance.tables import guards

GUARDS = (
    guards.append_only("assets_asset"),
    guards.append_only("assets_score"),
    guards.composite_key(
        "assets_asset", ("subject_id", "sha256"), "review_subject", ("id", "sha256")
    ),
    guards.composite_key("assets_asset", ("sha256",), "assets_blob", ("sha256",)),
    guards.frozen("assets_blob", "sha256", "size_bytes", "media_type", "created_at"),
    guards.never_deleted("assets_blob", key="sha256"),
)
