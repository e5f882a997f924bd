"""Keeps a lease while its holder works, in a thread of its own: loading a model can take longer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from generation.engines.errors import Cancelled

PROGRESS_EVERY_S = 0.5
DATABASE_AWAY = (OperationalError, InterfaceError)

log = structlog.get_logger(__name__)


class Lease:
    """What the render step asks after each step: go on, or stop.

    `heartbeat` extends the lease in the database and says whether it is still held; `report` is
    told how many steps are done, where somebody watches.
    """

    def __init__(
        self, heartbeat: Callable[[], bool], report: Callable[[int], None] | None = None
    ) -> None:
        self.lost = threading.Event()
        self._heartbeat = heartbeat
        self._report = report
        self._told_at = 0.0
        self._until = monotonic() + settings.LEASE_S

    @property
    def is_held(self) -> bool:
        """Whether the lease was not lost, and cannot have run out yet."""
        return not self.lost.is_set() and monotonic() < self._until

    def on_step(self, done: int, total: int) -> None:
        """Report progress at most twice a second. Raises: Cancelled once the lease is lost."""
        if self.lost.is_set():
            raise Cancelled
        if monotonic() - self._told_at < PROGRESS_EVERY_S and done != total:
            return
        self._told_at = monotonic()
        try:
            if self._report is not None:
                self._report(done)
            self.extend()
        except DATABASE_AWAY:
            # Rendering goes on: the database may be back before the lease runs out.
            log.warning("Unable to report progress", exc_info=True)
            connection.close_if_unusable_or_obsolete()
        if self.lost.is_set():
            raise Cancelled

    def extend(self) -> None:
        """Hold the work for another lease, or note that it is lost."""
        asked = monotonic()
        if self._heartbeat():
            self._until = asked + settings.LEASE_S
        else:
            self.lost.set()

    def keep(self, over: threading.Event) -> None:
        """Extend the lease four times in its length until `over`, or until it is lost."""
        try:
            while not self.lost.is_set() and not over.wait(settings.LEASE_S / 4):
                try:
                    self.extend()
                except DATABASE_AWAY:
                    # The lease runs out by itself, and the fence keeps a late result out.
                    log.warning("Unable to extend a lease", exc_info=True)
                    connection.close_if_unusable_or_obsolete()
        except Exception:
            log.exception("Unable to extend a lease")
            self.lost.set()
        finally:
            connection.close()


@contextmanager
def kept(
    heartbeat: Callable[[], bool], report: Callable[[int], None] | None = None
) -> Iterator[Lease]:
    """Extend the lease in a thread of its own until the block ends."""
    lease = Lease(heartbeat, report)
    over = threading.Event()
    thread = threading.Thread(target=lease.keep, args=[over], name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        over.set()
        thread.join()
