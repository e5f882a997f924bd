"""Keeps a lease while its holder works, in a thread of its own: loading a model can take longer."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _

from generation.engines.errors import Cancelled
from generation.jobs.errors import TookTooLong

# How often it is asked whether the work is still wanted, and at most told how far it is.
ASK_EVERY_S = 0.1
PROGRESS_EVERY_S = 0.5
DATABASE_AWAY = (OperationalError, InterfaceError)

log = structlog.get_logger(__name__)


def end_process() -> None:
    """End this process at once, as nothing else gets hold of a thread that a device keeps.

    Whatever it held is made by another worker; whoever looks after the process starts it again.
    """
    os._exit(os.EX_TEMPFAIL)


class Hold(Protocol):
    """What stands behind a lease: a row that its holder extends, as long as it is the holder."""

    def extend(self, steps_done: int) -> bool:
        """Hold the work for another lease and show how far it is; False once it is lost."""
        ...

    def is_wanted(self) -> bool:
        """Tell whether the lease is held and nobody asked to stop; writes nothing."""
        ...


class Lease:
    """What the render step asks after each step: go on, or stop; it costs the step nothing.

    Its thread extends the hold, shows progress and looks out for a wish to stop.
    """

    def __init__(self, hold: Hold) -> None:
        self.lost = threading.Event()
        self._hold = hold
        self._over = threading.Event()
        self._steps_done = 0
        self._steps_shown = 0
        self._is_on_device = False
        self._began = self._extended_at = monotonic()
        self._until = self._began + settings.LEASE_S
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    @property
    def is_held(self) -> bool:
        """Whether the lease was not lost, and cannot have run out yet."""
        return not self.lost.is_set() and monotonic() < self._until

    def start(self) -> None:
        """Begin to keep it."""
        self._thread.start()

    def end(self) -> None:
        """Keep it no longer, and wait for its thread."""
        self._over.set()
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join()

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Say that the device has the work: what it does not give back in time ends the process."""
        self._is_on_device = True
        try:
            yield
        finally:
            self._is_on_device = False

    def on_step(self, done: int, total: int) -> None:  # noqa: ARG002  as engines tell it
        """Note how far it is. Raises: Cancelled once the lease is lost; TookTooLong."""
        self._steps_done = done
        if self._is_late:
            raise TookTooLong(
                _("The image took longer than the %(most)s seconds that are allowed.")
                % {"most": settings.ITEM_TIMEOUT_S}
            )
        if self.lost.is_set():
            raise Cancelled

    @property
    def _is_late(self) -> bool:
        return monotonic() - self._began > settings.ITEM_TIMEOUT_S

    @property
    def _is_hung(self) -> bool:
        """Whether the work took so long that its lease has run out, and the device still has it."""
        late_s = monotonic() - self._began - settings.ITEM_TIMEOUT_S
        return self._is_on_device and late_s > settings.LEASE_S

    def _keep(self) -> None:
        """Look after the hold until it is over or lost; one that takes too long runs out."""
        try:
            while not self._over.wait(ASK_EVERY_S) and not self.lost.is_set():
                if self._is_hung:
                    log.critical("The device does not come back: this worker ends")
                    end_process()
                try:
                    self._look()
                except DATABASE_AWAY:
                    # Work goes on: the database may be back before the lease runs out, and after
                    # that the fence keeps a late result out.
                    log.warning("Unable to extend a lease", exc_info=True)
                    connection.close_if_unusable_or_obsolete()
        except Exception:
            log.exception("Unable to extend a lease")
            self.lost.set()
        finally:
            connection.close()

    def _look(self) -> None:
        """Extend the hold if that is due or there is progress to show; else only look."""
        since = monotonic() - self._extended_at
        has_news = self._steps_done != self._steps_shown and since >= PROGRESS_EVERY_S
        if (has_news or since >= settings.LEASE_S / 4) and not self._is_late:
            asked, steps = monotonic(), self._steps_done
            if self._hold.extend(steps):
                self._extended_at, self._steps_shown = asked, steps
                self._until = asked + settings.LEASE_S
            else:
                self.lost.set()
        elif not self._hold.is_wanted():
            self.lost.set()


@contextmanager
def kept(hold: Hold) -> Iterator[Lease]:
    """Keep a lease until the block ends."""
    lease = Lease(hold)
    lease.start()
    try:
        yield lease
    finally:
        lease.end()
