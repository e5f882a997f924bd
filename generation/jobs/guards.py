"""What was ordered cannot change, an item that is over stays over, and its epoch only grows."""

from generation.jobs.states import ITEM
from governance.tables import guards

GUARDS = (
    guards.never_deleted("jobs_generationjob"),
    guards.frozen(
        "jobs_generationjob",
        "brand_id",
        "requester_id",
        "template_id",
        "template_version_id",
        "template_version_sha256",
        "template_name",
        "profile_id",
        "scoring_policy_id",
        "variables",
        "idempotency_key",
        "parent_asset_id",
        "created_at",
    ),
    guards.refuse_when(
        "jobs_job_after_its_brands_image",
        "jobs_generationjob",
        event="INSERT",
        condition=(
            "NEW.parent_asset_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM assets_asset a "
            "WHERE a.id = NEW.parent_asset_id AND a.brand_id = NEW.brand_id)"
        ),
        message="an order comes after an image of its own brand",
    ),
    guards.once(
        "jobs_job_once",
        "jobs_generationjob",
        ("requester_id", "idempotency_key"),
        "an idempotency key orders once",
    ),
    guards.never_deleted("jobs_jobitem"),
    guards.once(
        "jobs_item_once", "jobs_jobitem", ("job_id", "number"), "an item has its own number"
    ),
    guards.frozen(
        "jobs_jobitem",
        "job_id",
        "brand_id",
        "requester_id",
        "number",
        "prompt",
        "negative_prompt",
        "seed",
        "width_px",
        "height_px",
        "steps",
        "guidance",
        "fingerprint",
        "created_at",
    ),
    guards.only_moves("jobs_item_moves", "jobs_jobitem", ITEM, "an item cannot go to that state"),
    guards.refuse_when(
        "jobs_item_held_for_a_person",
        "jobs_jobitem",
        event="UPDATE",
        condition="OLD.state = 'held' AND NEW.state NOT IN ('held', 'in_review', 'refused')",
        message="a held item goes to review or is refused",
    ),
    guards.refuse_when(
        "jobs_item_refused_until_overridden",
        "jobs_jobitem",
        event="UPDATE",
        condition=(
            "OLD.state = 'refused' AND NEW.state <> 'refused' AND NOT EXISTS "
            "(SELECT 1 FROM refusals_override o JOIN refusals_refusal r ON r.id = o.refusal_id "
            "JOIN assets_asset a ON a.subject_id = r.subject_id "
            "WHERE r.id = NEW.refusal_id AND r.stage = 'image' AND a.item_id = NEW.id)"
        ),
        message="a refused item goes to review when the refusal of its image is overridden",
    ),
    guards.refuse_when(
        "jobs_item_keeps_its_refusal",
        "jobs_jobitem",
        event="UPDATE",
        condition=(
            "OLD.refusal_id IS NOT NULL "
            "AND (NEW.refusal_id IS NULL OR NEW.refusal_id <> OLD.refusal_id)"
        ),
        message="an item's refusal stays on record with it",
    ),
    guards.refuse_when(
        "jobs_item_epoch_grows",
        "jobs_jobitem",
        event="UPDATE",
        condition="NEW.epoch < OLD.epoch",
        message="the epoch of an item never shrinks",
    ),
)

# Ordered over web; made, held, given up or swept by the worker, web and the relay.
WRITERS = {
    "jobs_generationjob": frozenset({"reviewer"}),
    "jobs_jobitem": frozenset({"reviewer"}),
}
CHANGERS = {
    "jobs_generationjob": frozenset({"reviewer"}),
    "jobs_jobitem": frozenset({"app", "reviewer", "sequencer"}),
}
