"""The relay's round: hints to the broker, lost work found again, the ledger sequenced and signed.

It is the only process that talks to the broker as a sender and the only one that holds the
checkpoint key. Each part is isolated: a broker that is down stops no checkpoint.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings

from generation.jobs import services as jobs
from governance.ledger import selectors as ledger_selectors
from governance.ledger import services as ledger
from governance.ledger.checkpoints import CheckpointSigner
from governance.outbox import services as outbox
from governance.quota import services as quota
from imprimatur.publishing import services as publishing
from imprimatur.workflow import emergencies, reviewing

Send = Callable[[str, Mapping[str, Any], str], None]

BATCH, BATCHES_A_ROUND = 1000, 5
SWEEP_EVERY = timedelta(seconds=2)
REMIND_EVERY = timedelta(seconds=5)
PRUNE_EVERY = timedelta(minutes=10)
KEEP_SENT_HINTS = timedelta(days=1)
# The promise is a leaf within 15 s; an entry that waits longer than this is an alarm.
LONGEST_MERGE_DELAY = timedelta(seconds=60)
LOOK_AT_MERGE_DELAY_EVERY = timedelta(seconds=15)

log = structlog.get_logger(__name__)


@dataclass
class Relay:
    """One relay with its signer; `run` is one round, `tidy` removes what served its time."""

    send: Send
    signer: CheckpointSigner
    tidy: Callable[[datetime], int] = field(default=lambda _now: 0)
    _done_at: dict[str, datetime] = field(default_factory=dict)
    _book_marks: quota.BookMarks = field(default_factory=quota.BookMarks)

    def run(self, now: datetime) -> int:
        """Do one round and return how much there was to do; 0 means that waiting is fine."""
        did = self._isolated("relay hints", lambda: outbox.relay(send=self.send, now=now))
        if self._is_due("checkpoint", timedelta(seconds=settings.CHECKPOINT_EVERY_S), now):
            # A leaf is worth nothing before its checkpoint, and one batch costs less than many.
            did += self._isolated("sequence the ledger", lambda: self._sequence(now))
            signed = self._isolated("sign a checkpoint", lambda: self._sign(now))
            if signed:
                # What an approval waited for has just come: look at once, not at the next sweep.
                did += signed + self._isolated(
                    "hint the publisher", lambda: publishing.sweep(now=now)
                )
        if self._is_due("sweep", SWEEP_EVERY, now):
            did += self._isolated("sweep items", lambda: self._sweep_items(now))
            did += self._isolated("forget previews", jobs.forget_previews)
            did += self._isolated("sweep replays", lambda: jobs.sweep_replays(now=now))
            did += self._isolated("sweep publications", lambda: publishing.sweep(now=now))
        if self._is_due("reconcile", timedelta(seconds=settings.RECONCILE_EVERY_S), now):
            did += self._isolated("look round the destinations", publishing.hint_reconcile)
        if self._is_due("remind", REMIND_EVERY, now):
            did += self._isolated("remind reviewers", lambda: reviewing.remind(now=now))
            did += self._isolated("watch emergencies", lambda: emergencies.watch(now=now))
        if self._is_due("prune", PRUNE_EVERY, now):
            self._isolated("prune hints", lambda: outbox.prune(now=now, older_than=KEEP_SENT_HINTS))
            self._isolated("tidy up", lambda: self.tidy(now))
        if self._is_due("merge delay", LOOK_AT_MERGE_DELAY_EVERY, now):
            self._isolated("watch the merge delay", lambda: self._watch_merge_delay(now))
        if self._is_due("books", timedelta(minutes=settings.QUOTA_CHECK_EVERY_MIN), now):
            self._isolated("check the quota's books", lambda: self._check_books(now))
        return did

    def _sequence(self, now: datetime) -> int:
        """Give what waits its leaves, up to a bound: hints must not wait behind a long backlog."""
        did = 0
        for _ in range(BATCHES_A_ROUND):
            sequenced = ledger.sequence(now=now, limit=BATCH)
            did += sequenced
            if sequenced < BATCH:
                break
        return did

    def _sign(self, now: datetime) -> int:
        checkpoint = ledger.sign_checkpoint(signer=self.signer, now=now)
        if checkpoint is None:
            return 0
        log.info("Signed a checkpoint", size=checkpoint.size, root=checkpoint.root.hex())
        return 1

    def _watch_merge_delay(self, now: datetime) -> int:
        """Raise the alarm over an entry that has no leaf for too long: it could vanish unseen."""
        since = ledger_selectors.oldest_pending_at()
        if since is None or now - since <= LONGEST_MERGE_DELAY:
            return 0
        log.error(
            "Ledger entries wait too long for their leaf",
            waiting_s=round((now - since).total_seconds()),
            since=since.isoformat(),
        )
        return 0

    def _check_books(self, now: datetime) -> int:
        """Raise the alarm over books that do not balance; balanced ones are not worth a word."""
        for line in quota.check_books(marks=self._book_marks, now=now):
            log.error(
                "The quota's books do not balance",
                account_id=str(line.account_id),
                figure=line.figure,
                account_says=line.account_says,
                entries_say=line.entries_say,
            )
        return 0

    def _sweep_items(self, now: datetime) -> int:
        swept = jobs.sweep(now=now)
        if swept.requeued or swept.failed or swept.cancelled:
            log.warning(
                "Swept items",
                requeued=swept.requeued,
                failed=swept.failed,
                cancelled=swept.cancelled,
            )
        return swept.hinted + swept.requeued + swept.failed + swept.cancelled

    def _is_due(self, name: str, every: timedelta, now: datetime) -> bool:
        last = self._done_at.get(name)
        if last is not None and timedelta() <= now - last < every:
            return False
        self._done_at[name] = now
        return True

    def _isolated(self, what: str, act: Callable[[], int]) -> int:
        try:
            return act()
        except Exception:
            log.exception("Unable to do a part of the relay's round", part=what)
            return 0
