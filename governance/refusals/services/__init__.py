"""Commands on refusals: record one, appeal it, decide, override, and let an order pass."""

from governance.refusals.services._appeals import decide_appeal, open_appeal, withdraw_appeal
from governance.refusals.services._overrides import (
    MAX_TEXT_LENGTH,
    override_refusal,
    record_refused_attempt,
    reveal_detail,
    use_pass,
)
from governance.refusals.services._record import LONGEST_REASON, record, seal_detail

__all__ = [
    "LONGEST_REASON",
    "MAX_TEXT_LENGTH",
    "decide_appeal",
    "open_appeal",
    "override_refusal",
    "record",
    "record_refused_attempt",
    "reveal_detail",
    "seal_detail",
    "use_pass",
    "withdraw_appeal",
]
