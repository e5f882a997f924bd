"""A picture is the bytes that its subject names, of kept blobs, once in its brand, for good."""

from governance.tables import guards

_TABLE = "pictures_picture"

GUARDS = (
    guards.append_only(_TABLE),
    guards.once(
        "pictures_picture_once", _TABLE, ("brand_id", "sha256"), "a brand has the same pixels once"
    ),
    guards.once(
        "pictures_picture_received_once",
        _TABLE,
        ("brand_id", "received_sha256"),
        "a brand has the same file once",
    ),
    guards.composite_key(
        _TABLE,
        ("subject_id", "sha256", "brand_id"),
        "review_subject",
        ("id", "sha256", "brand_id"),
    ),
    guards.composite_key(_TABLE, ("sha256",), "assets_blob", ("sha256",)),
    guards.composite_key(_TABLE, ("preview_sha256",), "assets_blob", ("sha256",)),
)

# People bring pictures, over web.
WRITERS = {_TABLE: frozenset({"reviewer"})}
