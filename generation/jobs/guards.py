"""What was ordered cannot change; what is over, an item or a replay, stays as it ended."""
# ruff: noqa: S608 - the SQL here is made of our own constants

from generation.jobs.states import ITEM, REPLAY
from governance.rights.guards import usable
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
        "template_slug",
        "profile_id",
        "scoring_policy_id",
        "variables",
        "idempotency_key",
        "parent_asset_id",
        "market",
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
    guards.append_only("jobs_wornadapter"),
    guards.once(
        "jobs_worn_once",
        "jobs_wornadapter",
        ("item_id", "number"),
        "an item wears one adapter at each place",
    ),
    guards.refuse_when(
        "jobs_worn_from_the_order_on",
        "jobs_wornadapter",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM jobs_jobitem i WHERE i.id = NEW.item_id "
            "AND i.state = 'queued' AND i.epoch = 0)"
        ),
        message="what an item wears is ordered with it",
    ),
    guards.refuse_when(
        "jobs_worn_is_approved",
        "jobs_wornadapter",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM registry_adapter a WHERE a.id = NEW.adapter_id "
            "AND a.approved_by IS NOT NULL AND a.retired_at IS NULL "
            "AND (a.kind <> 'controlnet' OR EXISTS (SELECT 1 FROM jobs_usedpicture u "
            "WHERE u.item_id = NEW.item_id AND u.role = 'control')))"
        ),
        message="an item wears approved adapters, and a ControlNet only with what it follows",
    ),
    guards.append_only("jobs_usedpicture"),
    guards.once(
        "jobs_used_once",
        "jobs_usedpicture",
        ("item_id", "number"),
        "an item has one picture at each place",
    ),
    guards.refuse_when(
        "jobs_used_from_the_order_on",
        "jobs_usedpicture",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM jobs_jobitem i WHERE i.id = NEW.item_id "
            "AND i.state = 'queued' AND i.epoch = 0)"
        ),
        message="what an item is made from is ordered with it",
    ),
    guards.refuse_when(
        "jobs_used_is_its_brands_image",
        "jobs_usedpicture",
        event="INSERT",
        condition=(
            "NEW.asset_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM assets_asset a "
            "JOIN jobs_jobitem made ON made.id = a.item_id AND made.state = 'in_review' "
            "JOIN jobs_jobitem i ON i.brand_id = a.brand_id "
            "WHERE a.id = NEW.asset_id AND a.sha256 = NEW.sha256 AND i.id = NEW.item_id)"
        ),
        message="an item is made from images of its own brand that came into review",
    ),
    guards.refuse_when(
        "jobs_used_has_rights",
        "jobs_usedpicture",
        event="INSERT",
        condition=(
            "NEW.picture_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM jobs_jobitem i "
            "JOIN rights_use u ON u.used_kind = 'job_item' AND u.used_id = i.id "
            "WHERE i.id = NEW.item_id AND u.subject_id = NEW.picture_id "
            "AND u.sha256 = NEW.sha256 AND u.brand_id = i.brand_id "
            f"AND {usable('u.subject_id', 'u.sha256', 'i.brand_id')})"
        ),
        message="an item is made from pictures of its own brand whose rights carry it",
    ),
    guards.never_deleted("jobs_replay"),
    guards.frozen(
        "jobs_replay",
        "asset_id",
        "asset_sha256",
        "brand_id",
        "asked_by",
        "queue",
        "created_at",
    ),
    guards.only_moves(
        "jobs_replay_moves", "jobs_replay", REPLAY, "a replay cannot go to that state"
    ),
    guards.refuse_when(
        "jobs_replay_over_is_over",
        "jobs_replay",
        event="UPDATE",
        condition="OLD.state IN ('done', 'failed')",
        message="what a replay found never changes",
    ),
    guards.refuse_when(
        "jobs_replay_epoch_grows",
        "jobs_replay",
        event="UPDATE",
        condition="NEW.epoch < OLD.epoch",
        message="the epoch of a replay never shrinks",
    ),
    guards.refuse_when(
        "jobs_replay_of_an_image",
        "jobs_replay",
        event="INSERT",
        condition=(
            "NEW.state <> 'queued' OR NEW.epoch <> 0 OR NOT EXISTS "
            "(SELECT 1 FROM assets_asset a WHERE a.id = NEW.asset_id "
            "AND a.brand_id = NEW.brand_id AND a.sha256 = NEW.asset_sha256)"
        ),
        message="a replay begins waiting, and names the bytes of an image of its brand",
    ),
)

# Ordered over web; made, held, given up or swept by the worker, web and the relay.
# A replay is asked for over web, or where it is made; what it found only the worker says.
WRITERS = {
    "jobs_generationjob": frozenset({"reviewer"}),
    "jobs_jobitem": frozenset({"reviewer"}),
    "jobs_lane": frozenset({"reviewer", "sequencer"}),
    "jobs_preview": frozenset({"reviewer"}),
    "jobs_replay": frozenset({"app", "reviewer"}),
    "jobs_share": frozenset({"reviewer", "sequencer"}),
    "jobs_usedpicture": frozenset({"reviewer"}),
    "jobs_wornadapter": frozenset({"reviewer"}),
}
CHANGERS = {
    "jobs_generationjob": frozenset({"reviewer"}),
    "jobs_jobitem": frozenset({"app", "reviewer", "sequencer"}),
    # Opened over web and by the sweeper, closed by the worker, which also pays for each turn.
    "jobs_lane.cost_s": frozenset({"reviewer", "sequencer"}),
    "jobs_lane.is_waiting": frozenset({"app", "reviewer", "sequencer"}),
    # Asked for over web, painted by the worker, swept away by the relay.
    "jobs_preview": frozenset({"app", "reviewer", "sequencer"}),
    "jobs_replay": frozenset({"app"}),
    # What the sweeper takes back, ends or hints again; it cannot write an outcome.
    "jobs_replay.failure": frozenset({"sequencer"}),
    "jobs_replay.finished_at": frozenset({"sequencer"}),
    "jobs_replay.hinted_at": frozenset({"sequencer"}),
    "jobs_replay.lease_until": frozenset({"sequencer"}),
    "jobs_replay.state": frozenset({"sequencer"}),
    "jobs_share.clock_s": frozenset({"app"}),
    "jobs_share.had_s": frozenset({"app"}),
    "jobs_share.passed": frozenset({"app"}),
}
