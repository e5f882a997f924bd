"""Commands on jobs and replays: create, cancel, and a worker's claim, heartbeat, fenced finish."""

from generation.jobs.services._cancel import cancel_item
from generation.jobs.services._create import create_job
from generation.jobs.services._finish import end_if_cancelled, fail, finish, resolve_hold
from generation.jobs.services._lanes import needs_of
from generation.jobs.services._lease import claim, claim_next, heartbeat, is_wanted
from generation.jobs.services._overturn import overturn_refusal
from generation.jobs.services._pictures import carriers_of, facts_of, require_rights
from generation.jobs.services._previews import (
    forget_previews,
    is_watched,
    show_preview,
    watch,
)
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
    "carriers_of",
    "claim",
    "claim_next",
    "claim_replay",
    "create_job",
    "end_if_cancelled",
    "facts_of",
    "fail",
    "fail_replay",
    "finish",
    "finish_replay",
    "forget_previews",
    "heartbeat",
    "is_wanted",
    "is_watched",
    "keep_replay",
    "needs_of",
    "overturn_refusal",
    "require_rights",
    "resolve_hold",
    "show_preview",
    "sweep",
    "sweep_replays",
    "watch",
]
