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
        "created_at",
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
        "jobs_item_epoch_grows",
        "jobs_jobitem",
        event="UPDATE",
        condition="NEW.epoch < OLD.epoch",
        message="the epoch of an item never shrinks",
    ),
)
