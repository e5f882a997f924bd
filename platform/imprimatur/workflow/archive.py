"""What of the ledger leaves the house: cosignatures, anchors, published tiles, delivered events.

Each part waits for somebody outside, so the relay runs it beside its round: a witness or bucket
that hangs delays no hint and no checkpoint. A part that fails is tried again, and stops no other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from governance.ledger import selectors
from governance.ledger import services as ledger
from governance.ledger.errors import WitnessRefused, WitnessUnavailable

# A checkpoint that a witness has not cosigned for this long is an alarm.
LONGEST_LAG = timedelta(seconds=60)

log = structlog.get_logger(__name__)


@dataclass
class Archive:
    """One archive; `run` is one round."""

    _done_at: dict[str, datetime] = field(default_factory=dict)
    # Where the delivery of events goes on; None: ask the destination.
    _delivered: int | None = None

    def run(self, now: datetime) -> int:
        """Do what is due and return how much that was."""
        did = 0
        parts: tuple[tuple[str, int, Callable[[datetime], int]], ...] = (
            ("ask the witnesses", settings.LEDGER_WITNESS_EVERY_S, self._ask_witnesses),
            ("anchor the ledger", settings.LEDGER_ANCHOR_EVERY_S, self._anchor),
            ("publish the ledger's tiles", settings.LEDGER_TILES_EVERY_S, self._publish_tiles),
            ("deliver events", settings.LEDGER_EVENTS_EVERY_S, self._deliver_events),
        )
        for what, every_s, act in parts:
            if self._is_due(what, timedelta(seconds=every_s), now):
                did += self._isolated(what, act, now)
        return did

    def _ask_witnesses(self, now: datetime) -> int:
        return sum(self._ask(at, now) for at in ledger.list_witnesses())

    def _ask(self, at: ledger.WitnessAddress, now: datetime) -> int:
        try:
            return ledger.ask_witness(at=at, now=now)
        except WitnessRefused as error:
            log.critical("A witness refuses this ledger", witness=at.name, reason=error.detail)
        except WitnessUnavailable as error:
            log.warning("A witness gave no cosignature", witness=at.name, reason=error.detail)
        since = selectors.lagging_since(at.key_names)
        if since is not None and now - since > LONGEST_LAG:
            log.error("A witness lags behind", witness=at.name, since=since.isoformat())
        return 0

    def _anchor(self, now: datetime) -> int:
        store = ledger.anchor_store()
        keep = timedelta(days=settings.LEDGER_ANCHOR_KEEP_DAYS)
        return 0 if store is None else ledger.anchor(store=store, keep=keep, now=now)

    def _publish_tiles(self, _now: datetime) -> int:
        store = ledger.tiles_store()
        return 0 if store is None else ledger.publish_tiles(store=store)

    def _deliver_events(self, _now: datetime) -> int:
        store = ledger.events_store()
        if store is None:
            return 0
        known, self._delivered = self._delivered, None
        start = since = ledger.delivered_events(store=store) if known is None else known
        while (end := ledger.deliver_events(store=store, since=since)) > since:
            since = end
        self._delivered = since
        return since - start

    def _is_due(self, name: str, every: timedelta, now: datetime) -> bool:
        last = self._done_at.get(name)
        if last is not None and timedelta() <= now - last < every:
            return False
        self._done_at[name] = now
        return True

    def _isolated(self, what: str, act: Callable[[datetime], int], now: datetime) -> int:
        try:
            return act(now)
        except Exception:
            log.exception("Unable to do a part of the archive's round", part=what)
            return 0
