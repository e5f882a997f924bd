"""An asset is the bytes that its subject names, of a kept blob; what it says never changes."""

from governance.tables import guards

GUARDS = (
    guards.append_only("assets_asset"),
    guards.once("assets_asset_once", "assets_asset", ("item_id",), "an item makes one asset"),
    guards.append_only("assets_score"),
    guards.once(
        "assets_score_once", "assets_score", ("asset_id", "scorer"), "a scorer judges an asset once"
    ),
    guards.append_only("assets_imagefeatures"),
    guards.once(
        "assets_imagefeatures_once", "assets_imagefeatures", ("asset_id",), "features belong to one"
    ),
    guards.refuse_when(
        "assets_imagefeatures_of_the_brand",
        "assets_imagefeatures",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM assets_asset a "
            "WHERE a.id = NEW.asset_id AND a.brand_id = NEW.brand_id)"
        ),
        message="features stay in the brand of their image",
    ),
    guards.append_only("assets_step"),
    guards.once(
        "assets_step_once", "assets_step", ("asset_id", "number"), "a step is recorded once"
    ),
    guards.refuse_when(
        "assets_step_before_its_review",
        "assets_step",
        event="INSERT",
        condition="EXISTS (SELECT 1 FROM review_case c WHERE c.subject_id = NEW.asset_id)",
        message="what is under review has all its steps",
    ),
    guards.composite_key("assets_step", ("sha256",), "assets_blob", ("sha256",)),
    guards.composite_key(
        "assets_asset", ("subject_id", "sha256"), "review_subject", ("id", "sha256")
    ),
    guards.composite_key("assets_asset", ("sha256",), "assets_blob", ("sha256",)),
    guards.frozen("assets_blob", "sha256", "size_bytes", "media_type", "created_at"),
    guards.never_deleted("assets_blob", key="sha256"),
)

# The worker makes images and scores; web takes pictures in; the publisher keeps the marked bytes.
WRITERS = {
    "assets_asset": frozenset({"app"}),
    "assets_score": frozenset({"app"}),
    "assets_imagefeatures": frozenset({"app"}),
    "assets_step": frozenset({"app"}),
    "assets_blob": frozenset({"app", "reviewer", "publisher"}),
}
# How long bytes are kept is for people to say.
CHANGERS = {"assets_blob": frozenset({"reviewer"})}
