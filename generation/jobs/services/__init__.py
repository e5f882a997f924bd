"""Commands on jobs: create, cancel, and a worker's claim, heartbeat and fenced finish."""

from generation.jobs.services._cancel import cancel_item
from generation.jobs.services._create import create_job
from generation.jobs.services._finish import end_if_cancelled, fail, finish, resolve_hold
from generation.jobs.services._lease import claim, heartbeat, report_progress
from generation.jobs.services._overturn import overturn_refusal
from generation.jobs.services._sweep import Swept, sweep

__all__ = [
    "Swept",
    "cancel_item",
    "claim",
    "create_job",
    "end_if_cancelled",
    "fail",
    "finish",
    "heartbeat",
    "overturn_refusal",
    "report_progress",
    "resolve_hold",
    "sweep",
]
