"""Commands on jobs and replays: create, cancel, and a worker's claim, heartbeat, fenced finish."""

from generation.jobs.services._cancel import cancel_item
from generation.jobs.services._create import create_job
from generation.jobs.services._finish import end_if_cancelled, fail, finish, resolve_hold
from generation.jobs.services._lease import claim, heartbeat, report_progress
from generation.jobs.services._overturn import overturn_refusal
from generation.jobs.services._replay import (
    ask_for_replay,
    claim_replay,
    fail_replay,
    finish_replay,
    keep_replay,
)
from generation.jobs.services._sweep import Swept, sweep
from generation.jobs.services._sweep_replays import sweep_replays

__all__ = [
    "Swept",
    "ask_for_replay",
    "cancel_item",
    "claim",
    "claim_replay",
    "create_job",
    "end_if_cancelled",
    "fail",
    "fail_replay",
    "finish",
    "finish_replay",
    "heartbeat",
    "keep_replay",
    "overturn_refusal",
    "report_progress",
    "resolve_hold",
    "sweep",
    "sweep_replays",
]
